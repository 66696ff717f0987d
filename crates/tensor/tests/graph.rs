//! The graph: accumulation, sharing, switching recording off, depth, threads.

use cresset_tensor::ops::{Conv2dOptions, CrossEntropyOptions, cross_entropy};
use cresset_tensor::{Generator, NoGrad, Tensor, is_grad_enabled, no_grad};

fn leaf(values: &[f32]) -> Tensor {
    Tensor::new(values, [values.len()]).requires_grad()
}

fn grad(x: &Tensor) -> Vec<f32> {
    x.grad().expect("a gradient").to_vec()
}

#[test]
fn gradients_accumulate_until_they_are_cleared() {
    let x = leaf(&[1.0, 2.0]);
    assert!(x.grad().is_none());
    x.square().sum().backward();
    assert_eq!(grad(&x), [2.0, 4.0]);
    x.mul(3.0).sum().backward();
    assert_eq!(grad(&x), [5.0, 7.0]);
    x.zero_grad();
    assert!(x.grad().is_none());
}

#[test]
fn a_gradient_that_was_looked_at_does_not_change() {
    let x = leaf(&[1.0]);
    x.square().sum().backward();
    let seen = x.grad().unwrap();
    x.square().sum().backward();
    assert_eq!((seen.to_vec(), grad(&x)), (vec![2.0], vec![4.0]));
}

#[test]
fn every_path_of_a_diamond_counts_once() {
    let x = leaf(&[3.0]);
    let a = x.mul(2.0);
    let (left, right) = (a.square(), a.mul(&x));
    // (2x)² + 2x² and, over the shared node, once more: x d/dx = 8x + 4x + 2 + …
    let y = &left + &right + &a + &a * &left;
    y.sum().backward();
    // y = 4x² + 2x² + 2x + 8x³
    assert_eq!(grad(&x), [8.0 * 3.0 + 4.0 * 3.0 + 2.0 + 24.0 * 9.0]);
}

#[test]
fn nodes_are_visited_after_all_that_depends_on_them() {
    // The short path reaches `a` before the long one does; `a` must wait for both.
    let x = leaf(&[1.0, 1.0]);
    let a = x.exp();
    let long = (0..50).fold(a.clone(), |y, _| y.mul(1.0));
    (a + long).sum().backward();
    let e = std::f32::consts::E;
    assert_eq!(grad(&x), [2.0 * e, 2.0 * e]);
}

#[test]
fn the_same_tensor_twice_in_one_op() {
    let x = leaf(&[2.0, 3.0]);
    (&x * &x).sum().backward();
    assert_eq!(grad(&x), [4.0, 6.0]);
    x.zero_grad();
    Tensor::cat(&[&x, &x], 0).sum().backward();
    assert_eq!(grad(&x), [2.0, 2.0]);
}

#[test]
fn only_what_needs_a_gradient_is_recorded() {
    let (x, c) = (leaf(&[1.0]), Tensor::new([2.0], [1]));
    assert_eq!((&x * &c).grad_fn(), Some("mul"));
    assert_eq!((&c * &c).grad_fn(), None);
    assert!(!c.needs_grad() && x.needs_grad());
    assert_eq!((x.grad_fn(), x.detach().needs_grad()), (None, false));
}

#[test]
fn no_grad_is_of_its_thread_and_scope() {
    let x = leaf(&[1.0]);
    assert!(is_grad_enabled());
    let y = no_grad(|| {
        assert!(!is_grad_enabled());
        let other = std::thread::spawn(is_grad_enabled).join().unwrap();
        assert!(other, "another thread goes on recording");
        no_grad(|| ());
        assert!(!is_grad_enabled(), "an inner scope does not end the outer one");
        x.exp()
    });
    assert!(!y.needs_grad() && is_grad_enabled());
    let _ = std::panic::catch_unwind(|| {
        let _guard = NoGrad::new();
        std::panic::resume_unwind(Box::new("stop"));
    });
    assert!(is_grad_enabled(), "a panic ends the scope too");
}

#[test]
fn detach_cuts() {
    let x = leaf(&[3.0]);
    let y = x.square();
    (&y.detach() * &x).sum().backward();
    assert_eq!(grad(&x), [9.0]);
}

#[test]
fn backward_in_no_grad_of_what_was_recorded_before() {
    let x = leaf(&[3.0]);
    let y = x.square().sum();
    no_grad(|| y.backward());
    assert_eq!(grad(&x), [6.0]);
}

#[test]
fn a_cotangent_weights_the_outputs() {
    let x = leaf(&[1.0, 2.0, 3.0]);
    x.square().backward_with(&Tensor::new([1.0, 0.0, -1.0], [3]));
    assert_eq!(grad(&x), [2.0, 0.0, -6.0]);
}

#[test]
fn a_cotangent_is_not_changed() {
    // Ops work in place on gradients that nobody else holds; the caller holds this one.
    let x = leaf(&[1.0, 2.0]);
    let cotangent = Tensor::new([1.0, 1.0], [2]);
    x.neg().mul(5.0).backward_with(&cotangent);
    assert_eq!((cotangent.to_vec(), grad(&x)), (vec![1.0, 1.0], vec![-5.0, -5.0]));
}

/// On a thread with little stack, so that recursion over the graph would overflow at once.
fn with_little_stack(f: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(128 * 1024).spawn(f).unwrap().join().unwrap();
}

fn chain_of_100_000(x: &Tensor) -> Tensor {
    (0..100_000).fold(x.clone(), |y, _| y.add(1.0))
}

#[test]
fn a_long_chain_does_not_overflow_in_backward() {
    with_little_stack(|| {
        let x = leaf(&[0.0]);
        let y = chain_of_100_000(&x);
        y.sum().backward();
        assert_eq!((y.item(), grad(&x)), (100_000.0, vec![1.0]));
    });
}

#[test]
fn a_long_chain_does_not_overflow_when_dropped() {
    with_little_stack(|| {
        let x = leaf(&[0.0]);
        drop(chain_of_100_000(&x));
        // Half of a chain that something else still holds stays alive.
        let middle = chain_of_100_000(&x);
        drop(chain_of_100_000(&middle));
        middle.sum().backward();
        assert_eq!(grad(&x), [1.0]);
    });
}

#[test]
fn tensors_are_shared_between_threads() {
    let w = leaf(&[1.0, 2.0, 3.0]);
    std::thread::scope(|scope| {
        for i in 0..4 {
            let w = &w;
            // Whole numbers add up to the same in any order.
            scope.spawn(move || w.mul(i as f32).sum().backward());
        }
    });
    assert_eq!(grad(&w), [6.0, 6.0, 6.0]);
    // A graph made on one thread can be walked on another.
    w.zero_grad();
    let loss = w.square().sum();
    std::thread::spawn(move || loss.backward()).join().unwrap();
    assert_eq!(grad(&w), [2.0, 4.0, 6.0]);
}

/// One small step of training that touches views, reductions, indexing and layers, over arrays that are large enough to
/// be cut into blocks.
fn step() -> Vec<Vec<u32>> {
    let mut g = Generator::new(3);
    let x = Tensor::randn([16, 24, 31, 33], &mut g);
    let conv = Tensor::randn([24, 24, 3, 3], &mut g).mul(0.1).requires_grad();
    let scale = Tensor::randn([24, 1, 1], &mut g).requires_grad();
    let table = Tensor::randn([50, 24], &mut g).requires_grad();
    let rows = Tensor::from_i64((0..4000).map(|i| i * i % 50).collect::<Vec<_>>(), [4000]);
    let labels = Tensor::from_i64((0..16).collect::<Vec<_>>(), [16]);

    let y = x.conv2d(&conv, None, &Conv2dOptions::default().padding(1)).mul(&scale).relu();
    let centered = &y - y.mean_dim([0, 2, 3], true);
    let wide = Tensor::cat(&[&centered, &y.square()], 1);
    let pooled = wide.sum_dim([2, 3], false) + wide.amax([2, 3], false) + wide.var_dim([2, 3], 1, false);
    let selected = table.index_select(0, &rows).softmax(1).sum_dim(0, false);
    let logits = pooled.narrow(1, 0, 24) * &selected + pooled.slice(1, 24..).square().mul(1e-8);
    let loss = cross_entropy(&logits.mul(1e-4), &labels, &CrossEntropyOptions::default())
        + y.permute([3, 1, 0, 2]).reshape([33, -1]).sum_dim(1, false).square().mean().mul(1e-6);
    loss.backward();
    let bits = |t: &Tensor| t.to_vec().into_iter().map(f32::to_bits).collect();
    [loss, conv.grad().unwrap(), scale.grad().unwrap(), table.grad().unwrap()].iter().map(bits).collect()
}

#[test]
fn the_same_bits_at_any_number_of_threads() {
    let with = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(step);
    let one = with(1);
    assert!(one.iter().flatten().all(|&bits| f32::from_bits(bits).is_finite()));
    assert!(one[1..].iter().all(|g| g.iter().any(|&bits| f32::from_bits(bits) != 0.0)));
    for n in [2, 3, 8] {
        assert!(with(n) == one, "{n} threads");
    }
}
