//! Corner cases of values and gradients that the golden file does not hold: NaN, ties, integers, truth values, empty
//! tensors. The expected numbers are PyTorch's.

use cresset_tensor::{DType, Generator, Tensor};
use std::f32::consts::{E, SQRT_2};

const NAN: f32 = f32::NAN;
const INFINITY: f32 = f32::INFINITY;

fn t(values: &[f32]) -> Tensor {
    Tensor::new(values, [values.len()])
}

fn ints(values: &[i64]) -> Tensor {
    Tensor::from_i64(values, [values.len()])
}

fn bools(values: &[bool]) -> Tensor {
    Tensor::from_bools(values, [values.len()])
}

/// Equal, NaN to NaN.
#[track_caller]
fn assert_values(found: &Tensor, expected: &[f32]) {
    let found = found.to_vec();
    let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
    let all = found.len() == expected.len() && found.iter().zip(expected).all(same);
    assert!(all, "found {found:?}, expected {expected:?}");
}

/// The value of `f` and the gradient of its sum.
#[track_caller]
fn assert_both(f: impl Fn(&Tensor) -> Tensor, x: &[f32], value: &[f32], gradient: &[f32]) {
    let x = t(x).requires_grad();
    let y = f(&x);
    assert_values(&y, value);
    y.backward_with(&Tensor::ones(y.shape()));
    assert_values(&x.grad().unwrap(), gradient);
}

#[test]
fn creation() {
    assert_values(&Tensor::arange(0.0, 1.0, 0.3), &[0.0, 0.3, 0.6, 0.9]);
    assert_values(&Tensor::arange(5.0, 0.0, -2.0), &[5.0, 3.0, 1.0]);
    assert_values(&Tensor::arange(1.0, 0.0, 1.0), &[]);
    assert_values(&Tensor::eye(2), &[1.0, 0.0, 0.0, 1.0]);
    assert_values(&Tensor::full([2], E), &[E, E]);
    let draw = |seed| Tensor::randn([100], &mut Generator::new(seed)).to_vec();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let uniform = Tensor::rand([10_000], &mut Generator::new(0));
    assert!((0.0..0.001).contains(&uniform.min().item()) && (0.999..1.0).contains(&uniform.max().item()));
    assert!((uniform.mean().item() - 0.5).abs() < 0.01);
}

#[test]
fn nan_shows_in_extremes() {
    let x = Tensor::new([3.0, NAN, 1.0, 3.0, 0.0, -0.0, 2.0, 2.0], [2, 4]);
    assert_values(&x.max_dim(1, false).0, &[NAN, 2.0]);
    assert_eq!(x.argmax(1, false).to_vec_i64(), [1, 2]);
    assert_values(&x.min_dim(1, false).0, &[NAN, 0.0]);
    assert_eq!(x.argmin(1, false).to_vec_i64(), [1, 0]);
    assert_values(&x.max(), &[NAN]);
    assert_values(&x.min(), &[NAN]);
    assert_eq!(x.argmax(None, false).item_i64(), 1);
    // Whichever lane of a long row it lies in.
    for place in [0, 1, 15, 16, 100, 200] {
        let mut row = vec![1.0; 201];
        row[place] = NAN;
        assert!(t(&row).amax(0, false).item().is_nan());
    }
}

#[test]
fn topk_is_sorted_with_nan_first_and_ties_in_order() {
    let x = Tensor::new([3.0, NAN, 1.0, 3.0, 0.0, -0.0, 2.0, 2.0], [2, 4]);
    let (values, indices) = x.topk(3, 1);
    assert_values(&values, &[NAN, 3.0, 3.0, 2.0, 2.0, 0.0]);
    assert_eq!(indices.to_vec_i64(), [1, 0, 3, 2, 3, 0]);
    let (values, indices) = x.topk(2, 0);
    assert_values(&values, &[3.0, NAN, 2.0, 3.0, 0.0, -0.0, 1.0, 2.0]);
    assert_eq!(indices.to_vec_i64(), [0, 0, 1, 0, 1, 1, 0, 1]);
    assert_eq!(ints(&[3, 1, 2]).topk(2, 0).0.to_vec_i64(), [3, 2]);
    assert_eq!(x.topk(0, 1).0.shape()[..], [2, 0]);
}

#[test]
fn extremes_of_two() {
    let (a, b) = (t(&[1.0, 2.0, NAN, 3.0]).requires_grad(), t(&[2.0, 2.0, 1.0, NAN]).requires_grad());
    let y = a.maximum(&b);
    assert_values(&y, &[2.0, 2.0, NAN, NAN]);
    y.sum().backward();
    assert_values(&a.grad().unwrap(), &[0.0, 0.5, 1.0, 1.0]);
    assert_values(&b.grad().unwrap(), &[1.0, 0.5, 1.0, 1.0]);
    a.zero_grad();
    let y = a.minimum(&b);
    assert_values(&y, &[1.0, 2.0, NAN, NAN]);
    y.sum().backward();
    assert_values(&a.grad().unwrap(), &[1.0, 0.5, 1.0, 1.0]);
}

#[test]
fn equal_extremes_share_the_gradient() {
    assert_both(|x| x.amax(0, false), &[1.0, 2.0, 2.0], &[2.0], &[0.0, 0.5, 0.5]);
    assert_both(Tensor::max, &[NAN, 1.0, NAN], &[NAN], &[0.5, 0.0, 0.5]);
    assert_both(Tensor::min, &[1.0, 1.0, 1.0, 1.0], &[1.0], &[0.25; 4]);
    // Along a dimension, the first takes all.
    assert_both(|x| x.max_dim(0, false).0, &[1.0, 2.0, 2.0], &[2.0], &[0.0, 1.0, 0.0]);
}

#[test]
fn gradients_at_the_edges() {
    assert_both(
        |x| x.clamp(-1.0, 1.0),
        &[NAN, -2.0, 0.5, 2.0, -1.0, 1.0],
        &[NAN, -1.0, 0.5, 1.0, -1.0, 1.0],
        &[0.0, 0.0, 1.0, 0.0, 1.0, 1.0],
    );
    assert_both(Tensor::sqrt, &[0.0, 4.0], &[0.0, 2.0], &[INFINITY, 0.25]);
    assert_both(|x| x.pow(0), &[0.0, -2.0], &[1.0, 1.0], &[0.0, 0.0]);
    assert_both(|x| x.pow(2.5), &[0.0, -2.0], &[0.0, NAN], &[0.0, NAN]);
    assert_both(|x| x.pow(0.5), &[2.0], &[SQRT_2], &[0.5 / SQRT_2]);
    assert_both(|x| x.std(1), &[1.0, 1.0, 1.0], &[0.0], &[0.0, 0.0, 0.0]);
    // What was not chosen leaves no trace.
    let mask = bools(&[true, false, true]);
    let choose = |x: &Tensor| Tensor::where_(&mask, x, &t(&[-1.0]).sqrt());
    assert_both(choose, &[1.0, 2.0, 3.0], &[1.0, NAN, 3.0], &[1.0, 0.0, 1.0]);
    let nowhere = |x: &Tensor| x.masked_fill(&x.isnan(), 7.0);
    assert_both(nowhere, &[1.0, NAN], &[1.0, 7.0], &[1.0, 0.0]);
}

#[test]
fn empty_tensors() {
    assert_values(&t(&[]).sum(), &[0.0]);
    assert_values(&t(&[]).mean(), &[NAN]);
    assert_values(&Tensor::zeros([0, 3]).sum_dim(0, false), &[0.0, 0.0, 0.0]);
    assert_values(&Tensor::zeros([2, 0]).var_dim(1, 1, false), &[NAN, NAN]);
    assert_values(&t(&[5.0]).var(1), &[NAN]);
    assert_eq!(Tensor::zeros([3, 0]).amax(0, false).shape()[..], [0]);
    assert_eq!(Tensor::zeros([3, 0]).argmax(0, false).shape()[..], [0]);
    assert_eq!((t(&[]).all(), t(&[]).any()), (true, false));
    assert_eq!((Tensor::zeros([0, 2]) + t(&[1.0, 2.0])).shape()[..], [0, 2]);
    assert_eq!(Tensor::zeros([2, 0]).index_select(0, &ints(&[1, 1, 0])).shape()[..], [3, 0]);
    assert_eq!(Tensor::zeros([4, 2]).narrow(0, 4, 0).reshape([2, 0]).contiguous().shape()[..], [2, 0]);
}

#[test]
fn integers() {
    assert_eq!(bools(&[true, false, true]).sum().item_i64(), 2);
    assert_eq!(Tensor::from_i64([1, 2, 3, 4], [2, 2]).sum_dim(0, false).to_vec_i64(), [4, 6]);
    assert_eq!(ints(&[i64::MAX, 1]).sum().item_i64(), i64::MIN);
    assert_eq!((ints(&[1, 5, 3]).max().item_i64(), ints(&[1, 5, 3]).min().item_i64()), (5, 1));
    assert_eq!(bools(&[true, false]).max().to_vec_bool(), [true]);
    // Integers that no float tells apart.
    let big = ints(&[1 << 60, (1 << 60) + 1]);
    assert_eq!(big.argmax(0, false).item_i64(), 1);
    assert_eq!(big.max_dim(0, false).0.item_i64(), (1 << 60) + 1);
    assert_eq!(big.eq(&ints(&[(1 << 60) + 1])).to_vec_bool(), [false, true]);
    assert_eq!(ints(&[0, 2, 1]).index_select(0, &ints(&[1, 1])).to_vec_i64(), [2, 2]);
    assert_eq!(
        Tensor::from_i64([1, 2, 3, 4], [2, 2]).gather(1, &Tensor::from_i64([1, 0], [2, 1])).to_vec_i64(),
        [2, 3]
    );
    assert_eq!(Tensor::cat(&[ints(&[1]).unsqueeze(0), ints(&[2]).unsqueeze(0)], 1).to_vec_i64(), [1, 2]);
    assert_eq!(
        Tensor::stack(&[bools(&[true, false]), bools(&[false, false])], 1).to_vec_bool(),
        [true, false, false, false]
    );
    assert_eq!(t(&[1.7, -1.7]).to_dtype(DType::I64).to_vec_i64(), [1, -1]);
    assert_eq!(t(&[1.5, 0.0, NAN, INFINITY]).to_dtype(DType::Bool).to_vec_bool(), [true, false, true, true]);
}

#[test]
fn comparisons_of_mixed_types() {
    let i = ints(&[1, 2, 3]);
    assert_eq!(i.eq(&t(&[1.0, 2.5, 3.0])).to_vec_bool(), [true, false, true]);
    assert_eq!(i.eq(2).to_vec_bool(), [false, true, false]);
    assert_eq!(i.gt(1.5).to_vec_bool(), [false, true, true]);
    assert_eq!(t(&[0.1]).eq(0.1).to_vec_bool(), [true], "the number takes the tensor's precision");
    assert_eq!(bools(&[true, false]).eq(1).to_vec_bool(), [true, false]);
    assert_eq!(bools(&[true, false]).ne(&bools(&[true, true])).to_vec_bool(), [false, true]);
}

#[test]
fn logic() {
    let (a, b) = (bools(&[true, false, true, false]), bools(&[true, true, false, false]));
    assert_eq!(a.logical_and(&b).to_vec_bool(), [true, false, false, false]);
    assert_eq!(a.logical_or(&b).to_vec_bool(), [true, true, true, false]);
    assert_eq!(a.logical_xor(&b).to_vec_bool(), [false, true, true, false]);
    assert_eq!(a.logical_not().to_vec_bool(), [false, true, false, true]);
    assert_eq!(t(&[0.0, 2.0]).logical_not().to_vec_bool(), [true, false]);
    let m = Tensor::from_bools([true, false, true, true], [2, 2]);
    assert_eq!(m.all_dim(1, false).to_vec_bool(), [false, true]);
    assert_eq!(m.any_dim(0, true).to_vec_bool(), [true, true]);
    assert!(m.any() && !m.all());
    assert_eq!(t(&[1.0, INFINITY, NAN, -INFINITY]).isfinite().to_vec_bool(), [true, false, false, false]);
    assert_eq!(t(&[1.0, NAN]).isnan().to_vec_bool(), [false, true]);
}

#[test]
fn parts() {
    let sizes = |parts: Vec<Tensor>| parts.iter().map(Tensor::numel).collect::<Vec<_>>();
    assert_eq!(sizes(ints(&[3, 1, 2]).chunk(2, 0)), [2, 1]);
    assert_eq!(sizes(Tensor::arange(0.0, 7.0, 1.0).split(3, 0)), [3, 3, 1]);
    assert_eq!(sizes(Tensor::arange(0.0, 5.0, 1.0).chunk(3, 0)), [2, 2, 1]);
    let parts = Tensor::arange(0.0, 6.0, 1.0).reshape([2, 3]).split(2, -1);
    assert_values(&parts[0], &[0.0, 1.0, 3.0, 4.0]);
    assert_values(&parts[1], &[2.0, 5.0]);
}

#[test]
fn long_sums_keep_their_digits() {
    // 0.1 ten million times, the worst there is; adding one after the other would be 9% off.
    let x = Tensor::full([10_000_000], 0.1);
    let exact = 10_000_000.0 * f64::from(0.1f32);
    for sum in [
        x.sum(),
        x.reshape([1000, 10_000]).sum_dim(0, false).sum(),
        x.reshape([10, -1, 10]).sum_dim([0, 1], false).sum(),
        x.reshape([10, -1, 10]).sum_dim(1, false).sum(),
    ] {
        let error = f64::from(sum.item()) / exact - 1.0;
        assert!(error.abs() < 5e-6, "{error:e}");
    }
    assert!(x.var(0).item() < 1e-12);
}
