//! The fused convolutions of the small CNN at batch 64, and the products of its linear layer.
//!
//! `cargo bench -p cresset-kernels --bench conv2d_max_pool`; `RAYON_NUM_THREADS` sets the number of threads.
//! GFLOP/s count the multiply-adds of dense passes, of which backward does a quarter.

use cresset_kernels::conv2d::Conv2dGeometry;
use cresset_kernels::conv2d_max_pool::{Gradients, OutputGradient, backward, forward, output_len};
use cresset_kernels::gemm::{Epilogue, MatrixMut, MatrixRef, gemm};
use cresset_kernels::{parallel, simd};
use std::time::Instant;

fn data(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Prints best and median of many calls.
fn run(name: &str, flops: f64, mut f: impl FnMut()) {
    (0..20).for_each(|_| f());
    let mut times: Vec<f64> = (0..500)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (best, median) = (times[0], times[times.len() / 2]);
    println!(
        "{name:<24} median {:>7.1} us, best {:>7.1} us, {:>6.1} GFLOP/s",
        median * 1e6,
        best * 1e6,
        flops / best * 1e-9
    );
}

fn main() {
    println!("{}, {} thread(s)", simd::isa(), parallel::num_threads());
    for (name, size, inputs, outputs) in [("conv1", 28, 1, 8), ("conv2", 14, 8, 16)] {
        let g = Conv2dGeometry::new([64, inputs, size, size], outputs, [3, 3]).with_padding(1);
        let flops = 2.0 * g.macs() as f64;
        let (x, w, dy) = (data(g.in_len()), data(g.weight_len()), data(output_len(&g)));
        let (mut y, mut places) = (vec![0.0; dy.len()], vec![0; dy.len()]);
        let dy = OutputGradient::ChannelsLast(&dy);
        let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; w.len()], vec![0.0; outputs]);
        run(&format!("{name} forward"), flops, || forward(&g, &x, &w, None, &mut y, Some(&mut places)));
        run(&format!("{name} weight gradient"), flops, || {
            let gradients = Gradients { dx: None, dw: Some(&mut dw), db: Some(&mut db) };
            backward(&g, &x, &w, &y, &places, dy, gradients);
        });
        if inputs == 1 {
            continue; // the images themselves have no gradient
        }
        run(&format!("{name} input gradient"), flops, || {
            backward(&g, &x, &w, &y, &places, dy, Gradients { dx: Some(&mut dx), ..Default::default() });
        });
    }
    let (batch, inputs, outputs) = (64, 784, 128);
    let flops = 2.0 * (batch * inputs * outputs) as f64;
    let (x, w, mut y) = (data(batch * inputs), data(outputs * inputs), data(batch * outputs));
    let rows = MatrixRef::row_major;
    run("fc1 forward", flops, || {
        let y = MatrixMut::row_major(&mut y, outputs);
        gemm(
            batch,
            outputs,
            inputs,
            rows(&x, inputs),
            rows(&w, inputs).transposed(),
            y,
            false,
            Epilogue::default(),
        );
    });
    let dy = data(y.len());
    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
    run("fc1 input gradient", flops, || {
        let dx = MatrixMut::row_major(&mut dx, inputs);
        gemm(batch, inputs, outputs, rows(&dy, outputs), rows(&w, inputs), dx, false, Epilogue::default());
    });
    run("fc1 weight gradient", flops, || {
        let dw = MatrixMut::row_major(&mut dw, inputs);
        let dy = rows(&dy, outputs).transposed();
        gemm(outputs, inputs, batch, dy, rows(&x, inputs), dw, false, Epilogue::default());
    });
}
