//! Many numbers into one.

use super::check::{Case, Draw, Input, check};
use super::oracle::{Nd, max, mean, min, sum, var};
use cresset_tensor::Tensor;

/// Some dimensions of a random shape. None at all means all of them.
fn some_dims(d: &mut Draw, rank: usize) -> Vec<usize> {
    (0..rank).filter(|_| d.below(2) == 0).collect()
}

fn reduction(
    name: &str,
    input: fn(&mut Draw, &[usize]) -> Input,
    low: usize,
    least: usize,
    ours: fn(&Tensor, &[isize], bool) -> Tensor,
    oracle: fn(&[f64]) -> f64,
) {
    check(name, |d| {
        let (shape, dims) = loop {
            let shape = d.shape(low, 4);
            let dims = some_dims(d, shape.len());
            let all = dims.is_empty();
            let count: usize =
                shape.iter().enumerate().filter(|(i, _)| all || dims.contains(i)).map(|(_, n)| n).product();
            if count >= least {
                break (shape, dims);
            }
        };
        let keepdim = d.below(2) == 0;
        let wanted: Vec<isize> = dims.iter().map(|&n| n as isize).collect();
        Case {
            inputs: vec![input(d, &shape)],
            ours: Box::new(move |t| ours(&t[0], &wanted, keepdim)),
            oracle: Box::new(move |x| {
                let all: Vec<usize> = (0..x[0].shape.len()).collect();
                let dims = if dims.is_empty() { &all } else { &dims };
                let y = x[0].reduce(dims, oracle);
                let rest = |d: &usize| keepdim || !dims.contains(d);
                let shape: Vec<usize> = all.iter().filter(|d| rest(d)).map(|&d| y.shape[d]).collect();
                y.reshape(&shape)
            }),
        }
    });
}

#[test]
fn over_dimensions() {
    reduction("sum", Draw::any, 0, 0, |t, dims, keep| t.sum_dim(dims, keep), sum);
    reduction("mean", Draw::any, 0, 1, |t, dims, keep| t.mean_dim(dims, keep), mean);
    reduction("var", Draw::any, 0, 2, |t, dims, keep| t.var_dim(dims, 1, keep), |v| var(v, 1));
    reduction("var_0", Draw::any, 0, 1, |t, dims, keep| t.var_dim(dims, 0, keep), |v| var(v, 0));
    reduction("std", Draw::distinct, 0, 2, |t, dims, keep| t.std_dim(dims, 1, keep), |v| var(v, 1).sqrt());
    reduction("amax", Draw::distinct, 1, 1, |t, dims, keep| t.amax(dims, keep), max);
    reduction("amin", Draw::distinct, 1, 1, |t, dims, keep| t.amin(dims, keep), min);
}

/// A shape, one of its dimensions, and that dimension for the op.
fn along(d: &mut Draw, low: usize) -> (Vec<usize>, usize) {
    let rank = d.from(1, 4);
    (d.shape_of(low, rank), d.below(rank))
}

#[test]
fn over_one_dimension() {
    for (name, is_max) in [("max_dim", true), ("min_dim", false)] {
        check(name, |d| {
            let (shape, dim) = along(d, 1);
            Case {
                inputs: vec![d.distinct(&shape)],
                ours: Box::new(move |t| {
                    let dim = dim as isize;
                    if is_max { t[0].max_dim(dim, true).0 } else { t[0].min_dim(dim, true).0 }
                }),
                oracle: Box::new(move |x| x[0].reduce(&[dim], if is_max { max } else { min })),
            }
        });
    }
    check("topk", |d| {
        let (shape, dim) = along(d, 1);
        let k = d.from(1, shape[dim]);
        Case {
            inputs: vec![d.distinct(&shape)],
            ours: Box::new(move |t| t[0].topk(k, dim as isize).0),
            oracle: Box::new(move |x| {
                let mut to = x[0].shape.clone();
                to[dim] = k;
                Nd::from_fn(&to, |i| {
                    let mut line: Vec<f64> = (0..x[0].shape[dim])
                        .map(|at| {
                            let mut from = i.clone();
                            from[dim] = at;
                            x[0].at(&from)
                        })
                        .collect();
                    line.sort_by(|a, b| b.total_cmp(a));
                    line[i[dim]]
                })
            }),
        }
    });
    for (name, is_log) in [("softmax", false), ("log_softmax", true)] {
        check(name, |d| {
            let (shape, dim) = along(d, 0);
            Case {
                inputs: vec![d.any(&shape)],
                ours: Box::new(move |t| {
                    if is_log { t[0].log_softmax(dim as isize) } else { t[0].softmax(dim as isize) }
                }),
                oracle: Box::new(move |x| {
                    let sums = x[0].map(f64::exp).reduce(&[dim], sum);
                    x[0].zip(&sums, |x, sum| if is_log { x - sum.ln() } else { x.exp() / sum })
                }),
            }
        });
    }
}
