//! The same numbers elsewhere, and matrix products.

use super::check::{Case, Draw, check};
use super::oracle::Nd;
use cresset_tensor::Tensor;

/// A shape of at least one dimension, and one of its dimensions.
fn with_dim(d: &mut Draw, low: usize) -> (Vec<usize>, usize) {
    let rank = d.from(1, 4);
    (d.shape_of(low, rank), d.below(rank))
}

fn signed(sizes: &[usize]) -> Vec<isize> {
    sizes.iter().map(|&n| n as isize).collect()
}

fn one(
    input: super::check::Input,
    ours: impl Fn(&Tensor) -> Tensor + 'static,
    oracle: impl Fn(&Nd) -> Nd + 'static,
) -> Case {
    Case {
        inputs: vec![input],
        ours: Box::new(move |t| ours(&t[0])),
        oracle: Box::new(move |x| oracle(&x[0])),
    }
}

#[test]
fn views() {
    check("reshape", |d| {
        let shape = d.shape(0, 4);
        let mut to = shape.clone();
        to.reverse();
        to.insert(d.below(to.len() + 1), 1);
        let sizes = signed(&to);
        one(d.any(&shape), move |t| t.reshape(&sizes[..]), move |x| x.reshape(&to))
    });
    check("permute", |d| {
        let shape = d.shape(0, 4);
        let dims = d.0.permutation(shape.len());
        let order = signed(&dims);
        one(d.any(&shape), move |t| t.permute(&order[..]), move |x| x.permute(&dims))
    });
    check("contiguous", |d| {
        let shape = d.shape(0, 4);
        let dims: Vec<usize> = (0..shape.len()).rev().collect();
        let order = signed(&dims);
        one(d.any(&shape), move |t| t.permute(&order[..]).contiguous(), move |x| x.permute(&dims))
    });
    check("narrow", |d| {
        let (shape, dim) = with_dim(d, 0);
        let start = d.below(shape[dim] + 1);
        let length = d.below(shape[dim] - start + 1);
        one(
            d.any(&shape),
            move |t| t.narrow(dim as isize, start, length),
            move |x| x.along(dim, length, |i| start + i),
        )
    });
    check("slice_step", |d| {
        let (shape, dim) = with_dim(d, 1);
        let (start, step) = (d.below(shape[dim]), d.from(1, 3));
        let size = (shape[dim] - start).div_ceil(step);
        one(
            d.any(&shape),
            move |t| t.slice_step(dim as isize, start as isize.., step),
            move |x| x.along(dim, size, |i| start + i * step),
        )
    });
    check("select", |d| {
        let (shape, dim) = with_dim(d, 1);
        let index = d.below(shape[dim]);
        one(
            d.any(&shape),
            move |t| t.select(dim as isize, index as isize),
            move |x| {
                let mut rest = x.shape.clone();
                rest.remove(dim);
                x.along(dim, 1, |_| index).reshape(&rest)
            },
        )
    });
    check("expand", |d| {
        let shape = d.shape(0, 4);
        let from = d.narrower(&shape);
        let to = shape.clone();
        one(d.any(&from), move |t| t.broadcast_to(&to[..]), move |x| Nd::from_fn(&shape, |i| x.broadcast(&i)))
    });
}

#[test]
fn joins() {
    for (name, stacks) in [("cat", false), ("stack", true)] {
        check(name, |d| {
            let (shape, dim) = with_dim(d, 0);
            let count = d.from(1, 3);
            let shapes: Vec<Vec<usize>> = (0..count)
                .map(|_| {
                    let mut shape = shape.clone();
                    if !stacks {
                        shape[dim] = d.size(0, 3);
                    }
                    shape
                })
                .collect();
            Case {
                inputs: shapes.iter().map(|shape| d.any(shape)).collect(),
                ours: Box::new(move |t| {
                    if stacks { Tensor::stack(t, dim as isize) } else { Tensor::cat(t, dim as isize) }
                }),
                oracle: Box::new(move |x| {
                    let parts: Vec<Nd> = x
                        .iter()
                        .map(|x| {
                            let mut shape = x.shape.clone();
                            if stacks {
                                shape.insert(dim, 1);
                            }
                            x.reshape(&shape)
                        })
                        .collect();
                    let mut shape = parts[0].shape.clone();
                    shape[dim] = parts.iter().map(|p| p.shape[dim]).sum();
                    Nd::from_fn(&shape, |mut i| {
                        for part in &parts {
                            if i[dim] < part.shape[dim] {
                                return part.at(&i);
                            }
                            i[dim] -= part.shape[dim];
                        }
                        unreachable!("an index within the sum of the sizes")
                    })
                }),
            }
        });
    }
}

#[test]
fn indexing() {
    check("index_select", |d| {
        let (shape, dim) = with_dim(d, 1);
        let count = d.size(0, 5);
        let picked = d.labels(count, shape[dim]);
        let index = Tensor::from_i64(picked.iter().map(|&i| i as i64).collect::<Vec<_>>(), [count]);
        one(
            d.any(&shape),
            move |t| t.index_select(dim as isize, &index),
            move |x| x.along(dim, picked.len(), |i| picked[i]),
        )
    });
    check("gather", |d| {
        let (shape, dim) = with_dim(d, 1);
        let mut to = shape.clone();
        to[dim] = d.size(0, 4);
        let picked = d.labels(to.iter().product(), shape[dim]);
        let index = Tensor::from_i64(picked.iter().map(|&i| i as i64).collect::<Vec<_>>(), &to[..]);
        let places = Nd::new(&to, picked.iter().map(|&i| i as f64).collect());
        one(
            d.any(&shape),
            move |t| t.gather(dim as isize, &index),
            move |x| {
                Nd::from_fn(&places.shape, |i| {
                    let mut from = i.clone();
                    from[dim] = places.at(&i) as usize;
                    x.at(&from)
                })
            },
        )
    });
}

#[test]
fn products() {
    check("matmul", |d| {
        let batch = d.shape(0, 2);
        let (m, k, n) = (d.size(0, 5), d.size(0, 5), d.size(0, 5));
        let a = [d.narrower(&batch), vec![m, k]].concat();
        let b = [batch, vec![k, n]].concat();
        Case {
            inputs: vec![d.any(&a), d.any(&b)],
            ours: Box::new(|t| t[0].matmul(&t[1])),
            oracle: Box::new(|x| x[0].matmul(&x[1])),
        }
    });
    for (name, has_bias) in [("linear", false), ("linear_bias", true)] {
        check(name, |d| {
            let mut shape = d.shape(0, 2);
            let (k, n) = (d.size(1, 6), d.size(1, 6));
            shape.push(k);
            let mut inputs = vec![d.any(&shape), d.any(&[n, k])];
            if has_bias {
                inputs.push(d.any(&[n]));
            }
            Case {
                inputs,
                ours: Box::new(|t| t[0].linear(&t[1], t.get(2))),
                oracle: Box::new(|x| {
                    let (n, k) = (x[1].shape[0], x[1].shape[1]);
                    let to = [&x[0].shape[..x[0].shape.len() - 1], &[n]].concat();
                    let rows = x[0].reshape(&[x[0].data.len() / k, k]);
                    let y = rows.matmul(&x[1].permute(&[1, 0])).reshape(&to);
                    x.get(2).map_or(y.clone(), |b| y.zip(b, |y, b| y + b))
                }),
            }
        });
    }
}
