//! Mixed precision: types, values and gradients against the same computation in float32.

use cresset_kernels::bf16;
use cresset_tensor::ops::{Conv2dBatchNorm, Conv2dOptions, conv2d_fused, cross_entropy};
use cresset_tensor::{Array, DType, Generator, Tensor, autocast, is_autocast_enabled, no_grad};

/// How far bfloat16, which has 8 bits, may lead away from float32, as a share of the largest number.
const CLOSE: f32 = 0.04;

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let mean = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).sum::<f32>() / found.len() as f32;
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(found.iter().all(|v| v.is_finite()), "{what}");
    assert!(mean <= CLOSE * largest, "{what}: {mean} away on average, of {largest}");
}

/// Runs `f` in float32 and in mixed precision, from the same leaves, and compares output and gradients.
#[track_caller]
fn compare(leaves: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) -> Tensor {
    let run = |enabled: bool| {
        let leaves: Vec<Tensor> = leaves.iter().map(|t| t.detach().requires_grad()).collect();
        let y = autocast(enabled, || f(&leaves));
        // Weights that differ, so that gradients do not cancel.
        let weights = Tensor::rand(y.shape(), &mut Generator::new(9));
        (y.to_dtype(DType::F32) * weights).sum().backward();
        (y, leaves.iter().map(|t| t.grad().expect("used")).collect::<Vec<_>>())
    };
    let ((exact, exact_grads), (y, grads)) = (run(false), run(true));
    assert_close(&y.to_vec(), &exact.to_vec(), "output");
    for (i, (grad, exact)) in grads.iter().zip(&exact_grads).enumerate() {
        assert_eq!(grad.dtype(), DType::F32);
        assert_close(&grad.to_vec(), &exact.to_vec(), &format!("gradient {i}"));
    }
    y
}

fn leaf(shape: impl Into<cresset_tensor::Shape>, seed: u64) -> Tensor {
    Tensor::randn(shape, &mut Generator::new(seed))
}

#[test]
fn convolutions_give_bfloat16_and_float32_gradients_of_parameters() {
    let leaves = [leaf([2, 5, 9, 8], 1), leaf([6, 5, 3, 3], 2), leaf([6], 3)];
    let options = Conv2dOptions::default().padding(1).stride(2);
    let y = compare(&leaves, |l| l[0].conv2d(&l[1], Some(&l[2]), &options));
    assert_eq!(y.dtype(), DType::BF16);
}

#[test]
fn convolution_with_residual_and_relu() {
    let leaves = [leaf([2, 32, 9, 8], 1), leaf([32, 32, 3, 3], 2), leaf([32], 3), leaf([2, 32, 9, 8], 4)];
    let options = Conv2dOptions::default().padding(1);
    let y = compare(&leaves, |l| conv2d_fused(&l[0], &l[1], Some(&l[2]), Some(&l[3]), true, &options));
    assert_eq!(y.dtype(), DType::BF16);
}

/// Two blocks, so that an input is computed again and gradients add up.
#[test]
fn residual_blocks_train() {
    let leaves = [
        leaf([3, 8, 10, 9], 1),
        leaf([8, 8, 3, 3], 2),
        leaf([8], 3),
        leaf([8], 4),
        leaf([8, 8, 3, 3], 5),
        leaf([8], 6),
        leaf([8], 7),
    ];
    let block = |x: &Tensor, l: &[Tensor], residual: Option<&Tensor>| {
        let block = Conv2dBatchNorm {
            weight: &l[0],
            bias: None,
            conv: Conv2dOptions::default().padding(1),
            norm_weight: Some(&l[1]),
            norm_bias: Some(&l[2]),
            eps: 1e-5,
            residual,
            relu: true,
        };
        let (y, stats) = block.train(x);
        assert_eq!(stats.mean.dtype(), DType::F32);
        y
    };
    let y = compare(&leaves, |l| {
        let shortcut = block(&l[0], &l[1..4], None);
        let y = block(&block(&shortcut, &l[4..7], None), &l[1..4], Some(&shortcut));
        y.max_pool2d(2) + shortcut.max_pool2d(2)
    });
    assert_eq!(y.dtype(), DType::BF16);
}

#[test]
fn logits_and_losses_are_float32() {
    let leaves = [leaf([4, 12], 1), leaf([5, 12], 2), leaf([5], 3)];
    let labels = Tensor::from_i64([0, 4, 2, 1], [4]);
    let loss = compare(&leaves, |l| {
        let logits = l[0].relu().linear(&l[1], Some(&l[2]));
        assert_eq!(logits.dtype(), DType::F32);
        cross_entropy(&logits, &labels, &Default::default())
    });
    assert_eq!(loss.dtype(), DType::F32);
    // The operands are rounded, nothing else.
    let round = |t: &Tensor| t.to_dtype(DType::BF16).to_dtype(DType::F32);
    let expected = round(&leaves[0]).linear(&round(&leaves[1]), Some(&leaves[2]));
    let found = autocast(true, || leaves[0].linear(&leaves[1], Some(&leaves[2])));
    assert_eq!(found.to_vec(), expected.to_vec());
}

#[test]
fn what_has_no_kernels_for_bfloat16_computes_in_float32() {
    let x = leaf([2, 3, 4, 5], 1);
    let short = x.to_dtype(DType::BF16);
    let rounded = short.to_dtype(DType::F32);
    let same = |f: &dyn Fn(&Tensor) -> Tensor| {
        let (found, expected) = (f(&short), f(&rounded));
        assert_eq!((found.dtype(), found.to_vec()), (expected.dtype(), expected.to_vec()));
    };
    same(&|x| x.softmax(1));
    same(&|x| x.mean());
    same(&|x| x.sum_dim([2, 3], false));
    same(&|x| x.adaptive_avg_pool2d([1, 1]));
    same(&|x| x * 3.0);
    same(&|x| x - x);
    same(&|x| x.narrow(2, 1, 2));
    same(&|x| Tensor::cat(&[x.clone(), rounded.clone()], 1));
    same(&|x| x.max());
    same(&|x| x.max_dim(1, false).0);
    same(&|x| x.index_select(1, &Tensor::from_i64([2, 0], [2])));
    same(&|x| x + leaf([2, 3, 4, 5], 2));
    same(&|x| x + leaf([1, 3, 1, 1], 2));
    assert_eq!(short.argmax(1, false).to_vec_i64(), rounded.argmax(1, false).to_vec_i64());
    assert_eq!(short.gt(0.5).to_vec_bool(), rounded.gt(0.5).to_vec_bool());
    assert_eq!(short.to_dtype(DType::I64).to_vec_i64(), rounded.to_dtype(DType::I64).to_vec_i64());
    assert_eq!(Tensor::from_i64([3], [1]).to_dtype(DType::BF16).to_vec(), [3.0]);
    assert!(format!("{short:?}").contains("bfloat16"), "{short:?}");
}

#[test]
fn shapes_stay_bfloat16() {
    let x = leaf([2, 3, 4, 5], 1).to_dtype(DType::BF16);
    for y in [x.reshape([6, 20]), x.flatten(1), x.permute([0, 2, 3, 1]), x.relu(), x.max_pool2d(2), &x + &x] {
        assert_eq!(y.dtype(), DType::BF16);
    }
}

#[test]
fn gradients_of_bfloat16_add_up_in_either_order() {
    let x = leaf([2, 3, 4, 4], 1).requires_grad();
    let y = x.to_dtype(DType::BF16);
    // One gradient is bfloat16, the other comes back from float32.
    (y.relu().to_dtype(DType::F32).sum() + (&y * 2.0).sum() + (&y + &y).to_dtype(DType::F32).sum())
        .backward();
    let expected: Vec<f32> = y.to_vec().iter().map(|&v| 4.0 + f32::from(u8::from(v > 0.0))).collect();
    assert_eq!(x.grad().unwrap().to_vec(), expected);
}

#[test]
fn the_region_ends_where_it_ends() {
    let seen = autocast(true, || (is_autocast_enabled(), autocast(false, is_autocast_enabled)));
    assert_eq!((seen, is_autocast_enabled()), ((true, false), false));
    let unwound = std::panic::catch_unwind(|| autocast(true, || panic!("inside")));
    assert!(unwound.is_err() && !is_autocast_enabled());
    let no_graph = autocast(true, || {
        no_grad(|| leaf([1, 2, 3, 3], 1).conv2d(&leaf([2, 2, 1, 1], 2), None, &Default::default()))
    });
    assert!(!no_graph.needs_grad());
}

#[test]
fn infinities_and_nan_survive() {
    let x = Array::from_vec(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3.4e38, -0.0], [5]);
    let y = x.to_dtype(DType::BF16);
    assert!(y.to_vec()[0].is_nan());
    assert_eq!(y.to_vec()[1..], [f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY, 0.0]);
    assert_eq!(y.memory_of::<bf16>()[4].to_bits(), 0x8000);
    assert_eq!(cresset_tensor::inspect::not_finite(&y), Some("NaN"));
}
