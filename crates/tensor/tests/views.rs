//! Views, broadcasting and reductions against a naive model, over random shapes and chains of views.

use cresset_tensor::{Array, Shape, Tensor};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

/// Which element of the source stands at each place, in row-major order.
#[derive(Clone, Debug)]
struct Model {
    shape: Vec<usize>,
    ids: Vec<usize>,
}

/// All indices of a shape in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &size| {
        all.iter().flat_map(|i| (0..size).map(move |j| i.iter().copied().chain([j]).collect())).collect()
    })
}

impl Model {
    fn new(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), ids: (0..shape.iter().product()).collect() }
    }

    fn at(&self, index: &[usize]) -> usize {
        self.ids[index.iter().zip(&self.shape).fold(0, |place, (i, size)| place * size + i)]
    }

    /// Another shape, each of whose indices shows the element at `source(index)`.
    fn map(&self, shape: Vec<usize>, source: impl Fn(&[usize]) -> Vec<usize>) -> Self {
        let ids = indices(&shape).iter().map(|i| self.at(&source(i))).collect();
        Self { shape, ids }
    }
}

/// A view; numbers are reduced to what the shape at hand allows.
#[derive(Clone, Debug)]
enum View {
    Permute(u64),
    Slice { dim: usize, start: usize, len: usize, step: usize },
    Select { dim: usize, index: usize },
    Unsqueeze(usize),
    Expand(usize),
    Reshape(usize),
    Contiguous,
}

fn view() -> impl Strategy<Value = View> {
    prop_oneof![
        any::<u64>().prop_map(View::Permute),
        (0..9usize, 0..9usize, 1..9usize, 1..4usize).prop_map(|(dim, start, len, step)| View::Slice {
            dim,
            start,
            len,
            step
        }),
        (0..9usize, 0..9usize).prop_map(|(dim, index)| View::Select { dim, index }),
        (0..9usize).prop_map(View::Unsqueeze),
        (1..4usize).prop_map(View::Expand),
        (0..9usize).prop_map(View::Reshape),
        Just(View::Contiguous),
    ]
}

impl View {
    fn apply(&self, x: &Tensor, m: &Model) -> (Tensor, Model) {
        let rank = m.shape.len();
        match *self {
            View::Permute(seed) => {
                let order = cresset_tensor::Generator::new(seed).permutation(rank);
                let shape = order.iter().map(|&d| m.shape[d]).collect();
                let model = m.map(shape, |i| {
                    let mut source = vec![0; rank];
                    order.iter().zip(i).for_each(|(&d, &i)| source[d] = i);
                    source
                });
                (x.permute(order), model)
            }
            View::Slice { dim, start, len, step } if rank > 0 => {
                let dim = dim % rank;
                let start = start % m.shape[dim];
                let end = (start + len).min(m.shape[dim]);
                let mut shape = m.shape.clone();
                shape[dim] = (end - start).div_ceil(step);
                let model = m.map(shape, |i| {
                    let mut source = i.to_vec();
                    source[dim] = start + i[dim] * step;
                    source
                });
                (x.slice_step(dim as isize, start..end, step), model)
            }
            View::Select { dim, index } if rank > 2 => {
                let dim = dim % rank;
                let index = index % m.shape[dim];
                let mut shape = m.shape.clone();
                shape.remove(dim);
                let model = m.map(shape, |i| {
                    let mut source = i.to_vec();
                    source.insert(dim, index);
                    source
                });
                (x.select(dim as isize, index as isize), model)
            }
            View::Unsqueeze(at) if rank < 5 => {
                let at = at % (rank + 1);
                let mut shape = m.shape.clone();
                shape.insert(at, 1);
                (x.unsqueeze(at as isize), Model { shape, ids: m.ids.clone() })
            }
            View::Expand(n) if m.ids.len() < 200 && rank < 5 => {
                let mut shape: Vec<usize> = m.shape.iter().map(|&s| if s == 1 { n } else { s }).collect();
                shape.insert(0, n);
                let old = &m.shape;
                let model = m.map(shape.clone(), |i| {
                    i[1..].iter().zip(old).map(|(&i, &size)| if size == 1 { 0 } else { i }).collect()
                });
                (x.expand(shape), model)
            }
            View::Reshape(at) if rank > 0 => {
                // Splits a size into its smallest factor and the rest, or joins two.
                let at = at % rank;
                let mut shape = m.shape.clone();
                match (2..shape[at]).find(|&f| shape[at].is_multiple_of(f)) {
                    Some(factor) if rank < 5 => {
                        shape[at] /= factor;
                        shape.insert(at, factor);
                    }
                    _ if at + 1 < rank => {
                        let next = shape.remove(at + 1);
                        shape[at] *= next;
                    }
                    _ => {}
                }
                (x.reshape(shape.clone()), Model { shape, ids: m.ids.clone() })
            }
            View::Contiguous => (x.contiguous(), m.clone()),
            _ => (x.clone(), m.clone()),
        }
    }
}

/// A tensor of this shape, whole numbers so that sums are exact.
fn numbered(shape: &[usize]) -> Tensor {
    let n = shape.iter().product::<usize>();
    Tensor::from_vec((0..n).map(|i| (i * 7 % 31) as f32 - 15.0).collect(), shape)
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..6usize, 0..5)
}

fn config() -> Config {
    let cases = if cfg!(miri) { 4 } else { 300 };
    Config { cases, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default() }
}

/// The sum over dimensions, element by element.
fn naive_sum(values: &[f32], shape: &[usize], dims: &[usize]) -> Vec<f32> {
    let kept: Vec<usize> = (0..shape.len()).filter(|d| !dims.contains(d)).collect();
    let out: Vec<usize> = kept.iter().map(|&d| shape[d]).collect();
    let mut sums = vec![0.0; out.iter().product()];
    for (index, value) in indices(shape).iter().zip(values) {
        let place = kept.iter().fold(0, |place, &d| place * shape[d] + index[d]);
        sums[place] += value;
    }
    sums
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn chains_of_views_show_the_right_elements(shape in shape(), views in prop::collection::vec(view(), 1..7)) {
        let source = numbered(&shape).requires_grad();
        let steps = |x: &Tensor| views.iter().fold((x.clone(), Model::new(&shape)), |(x, m), v| v.apply(&x, &m));
        let (x, model) = steps(&source);
        prop_assert_eq!(&x.shape()[..], &model.shape[..]);
        let values = source.to_vec();
        let expected: Vec<f32> = model.ids.iter().map(|&i| values[i]).collect();
        prop_assert_eq!(x.to_vec(), expected);

        // Integers and truth values take the same way.
        let ids = Tensor::from_i64((0..source.numel() as i64).collect::<Vec<_>>(), &shape[..]);
        let found: Vec<usize> = steps(&ids).0.to_vec_i64().into_iter().map(|i| i as usize).collect();
        prop_assert_eq!(&found, &model.ids);
        let odd = Tensor::from_bools((0..source.numel()).map(|i| i % 2 == 1).collect::<Vec<_>>(), &shape[..]);
        let expected: Vec<bool> = model.ids.iter().map(|i| i % 2 == 1).collect();
        prop_assert_eq!(steps(&odd).0.to_vec_bool(), expected);

        // Each element of the source gets the sum of the gradients of where it is shown.
        if !views.iter().all(|v| matches!(v, View::Contiguous)) && x.needs_grad() {
            let cotangent = numbered(&model.shape);
            x.backward_with(&cotangent);
            let mut expected = vec![0.0; values.len()];
            model.ids.iter().zip(cotangent.to_vec()).for_each(|(&i, c)| expected[i] += c);
            prop_assert_eq!(source.grad().unwrap().to_vec(), expected);
        }
    }

    #[test]
    fn reductions_of_views(shape in shape(), views in prop::collection::vec(view(), 0..4), mask in 1..32u32) {
        let (x, model) = views.iter().fold((numbered(&shape), Model::new(&shape)), |(x, m), v| v.apply(&x, &m));
        let dims: Vec<usize> = (0..x.rank()).filter(|d| mask >> d & 1 == 1).collect();
        let reduced = if dims.is_empty() { (0..x.rank()).collect() } else { dims.clone() };
        let values = x.to_vec();
        prop_assert_eq!(x.sum_dim(dims.clone(), false).to_vec(), naive_sum(&values, &model.shape, &reduced));
        let ones = vec![1.0; values.len()];
        let truth = x.eq(&x).sum_dim(dims.clone(), true).to_vec_i64();
        let counts: Vec<i64> = naive_sum(&ones, &model.shape, &reduced).into_iter().map(|c| c as i64).collect();
        prop_assert_eq!(truth, counts);
        let largest = x.amax(dims.clone(), true);
        prop_assert!(x.le(&largest).all());
        prop_assert!(x.eq(&largest).any_dim(dims, false).all());
    }

    #[test]
    fn arithmetic_broadcasts_like_the_model(shape in shape(), ones in any::<u32>(), drop in 0..5usize, views in prop::collection::vec(view(), 0..3)) {
        // One operand is a view; the other has some sizes of it replaced by 1, and some leading ones left out.
        let (a, model) = views.iter().fold((numbered(&shape), Model::new(&shape)), |(x, m), v| v.apply(&x, &m));
        let sizes: Vec<usize> = model.shape.iter().enumerate()
            .map(|(d, &s)| if ones >> d & 1 == 1 { 1 } else { s })
            .skip(drop.min(model.shape.len()))
            .collect();
        let (a, b) = (a.detach().requires_grad(), numbered(&sizes).requires_grad());
        let lead = model.shape.len() - sizes.len();
        let at = |index: &[usize]| index[lead..].iter().zip(&sizes).fold(0, |p, (&i, &s)| p * s + if s == 1 { 0 } else { i });
        let all = indices(&model.shape);
        let (va, vb) = (a.to_vec(), b.to_vec());
        let expected: Vec<f32> = all.iter().zip(&va).map(|(i, &v)| v - vb[at(i)]).collect();
        let c = &a - &b;
        prop_assert_eq!(c.to_vec(), &expected[..]);
        let reversed: Vec<f32> = expected.iter().map(|v| -v).collect();
        prop_assert_eq!((&b - &a).to_vec(), reversed);

        c.backward_with(&Tensor::ones(c.shape()));
        let mut counts = vec![0.0; vb.len()];
        all.iter().for_each(|i| counts[at(i)] -= 1.0);
        prop_assert_eq!(a.grad().unwrap().to_vec(), vec![1.0; va.len()]);
        prop_assert_eq!(b.grad().unwrap().to_vec(), counts);
    }

    #[test]
    fn memory_orders_hold_the_same(shape in prop::collection::vec(1..9usize, 4)) {
        let x = numbered(&shape).into_array();
        let nhwc: Array = x.channels_last();
        prop_assert!(nhwc.is_channels_last());
        prop_assert_eq!(nhwc.to_vec(), x.to_vec());
        let memory = x.permute(&[0, 2, 3, 1]).to_vec();
        prop_assert_eq!(nhwc.memory(), &memory[..]);
        prop_assert_eq!(nhwc.contiguous().memory().to_vec(), x.memory());
        let t: Shape = [shape[0] * shape[1], shape[2] * shape[3]].into();
        let m = x.reshape(t);
        prop_assert_eq!(m.permute(&[1, 0]).contiguous().permute(&[1, 0]).to_vec(), x.to_vec());
    }
}
