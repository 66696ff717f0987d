//! Memory of the graph: freed as backward walks, and not held at all without gradients.
//!
//! Memory is counted for the whole process, so everything is in one test.

use cresset_tensor::{Tensor, memory_in_use, no_grad, peak_memory, reset_peak_memory};

const ELEMENTS: usize = 64 * 1024;
const BUFFER: usize = 4 * ELEMENTS;
const STEPS: usize = 20;

/// Each step saves its output.
fn chain(x: &Tensor) -> Tensor {
    (0..STEPS).fold(x.clone(), |x, _| x.exp().mul(0.1)).sum()
}

/// Buffers in use and at the peak since the last call, besides those of `before`.
fn buffers(before: usize) -> (usize, usize) {
    let counts = ((memory_in_use() - before) / BUFFER, (peak_memory() - before) / BUFFER);
    reset_peak_memory();
    counts
}

#[test]
fn backward_frees_what_it_has_used() {
    let x = Tensor::full([ELEMENTS], 0.5).requires_grad();
    let before = memory_in_use();
    reset_peak_memory();

    let loss = chain(&x);
    let (held, _) = buffers(before);
    assert!((STEPS..=STEPS + 1).contains(&held), "{held} buffers for {STEPS} steps");

    loss.backward();
    let (held, peak) = buffers(before);
    assert_eq!(held, 1, "only the gradient of x is left, although the loss still exists");
    assert!(peak <= STEPS + 3, "at most a gradient or two on top of what was saved, found {peak}");
    x.zero_grad();

    let dropped = chain(&x);
    drop(dropped);
    assert_eq!(buffers(before).0, 0, "a graph that nobody uses");

    let _loss = no_grad(|| chain(&x));
    let (held, peak) = buffers(before);
    assert_eq!(held, 0);
    assert!(peak <= STEPS + 1, "from the graph before");
    let _loss = no_grad(|| chain(&x));
    assert!(buffers(before).1 <= 3, "without gradients, nothing is kept");
}
