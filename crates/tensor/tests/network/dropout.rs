use super::support::{randn, strided};
use cresset_tensor::{Generator, Tensor};

fn drop_with_seed(x: &Tensor, p: f32, seed: u64) -> Tensor {
    x.dropout(p, &mut Generator::new(seed))
}

#[test]
fn keeps_the_right_share_and_the_expected_sum() {
    for p in [0.1, 0.5, 0.9] {
        let n = 200_000;
        let y = drop_with_seed(&Tensor::ones([n]), p, 1).to_vec();
        let dropped = y.iter().filter(|&&v| v == 0.0).count() as f32 / n as f32;
        // Four standard deviations.
        assert!((dropped - p).abs() < 4.0 * (p * (1.0 - p) / n as f32).sqrt(), "p {p}: dropped {dropped}");
        assert!(y.iter().all(|&v| v == 0.0 || v == 1.0 / (1.0 - p)));
    }
}

#[test]
fn zero_drops_nothing_and_one_everything() {
    let x = randn([3, 5]).requires_grad();
    let y = drop_with_seed(&x, 0.0, 1);
    assert_eq!(y.to_vec(), x.to_vec());
    y.sum().backward();
    assert_eq!(x.grad().unwrap().to_vec(), [1.0; 15]);
    x.zero_grad();
    let y = drop_with_seed(&x, 1.0, 1);
    assert_eq!(y.to_vec(), [0.0; 15]);
    y.sum().backward();
    assert_eq!(x.grad().unwrap().to_vec(), [0.0; 15]);
}

#[test]
fn the_gradient_has_the_mask_of_the_value() {
    let x = Tensor::ones([2, 3, 4, 5]).requires_grad();
    let y = drop_with_seed(&x, 0.4, 3);
    y.sum().backward();
    assert_eq!(x.grad().unwrap().to_vec(), y.to_vec());
}

#[test]
fn the_mask_depends_on_generator_and_shape_alone() {
    let x = Tensor::ones([2, 3, 4, 5]);
    let expected = drop_with_seed(&x, 0.5, 5).to_vec();
    assert_eq!(drop_with_seed(&Tensor::constant(x.array().channels_last()), 0.5, 5).to_vec(), expected);
    assert_eq!(drop_with_seed(&strided(&x).abs(), 0.5, 5).to_vec(), expected);
    assert_ne!(drop_with_seed(&x, 0.5, 6).to_vec(), expected);
    let mut generator = Generator::new(5);
    let [first, second] = [0; 2].map(|_| x.dropout(0.5, &mut generator).to_vec());
    assert!(first == expected && second != expected);
}

/// Larger than the blocks in which masks are drawn.
#[test]
fn the_mask_does_not_depend_on_the_number_of_threads() {
    let x = Tensor::ones([100_000]);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| drop_with_seed(&x, 0.5, 5).to_vec())
    };
    assert!(on(1) == on(3));
}
