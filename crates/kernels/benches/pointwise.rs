//! Bandwidth of the memory-bound kernels on the activations of real networks.
//!
//! `cargo bench -p cresset-kernels --bench pointwise [-- NAME...]` runs those whose name contains a NAME.
//! GB/s counts each slice of floats once for each time the kernel must read or write it; `copy` is the
//! yardstick. `RAYON_NUM_THREADS` sets the number of threads.

use std::hint::black_box;
use std::time::Instant;

use cresset_kernels::batch_norm::{self, Backward, Mode, Relu};
use cresset_kernels::cross_entropy::{CrossEntropy, class_indices};
use cresset_kernels::optim::{Adam, Sgd, adam, sgd};
use cresset_kernels::{
    adaptive_pool2d, avg_pool2d, layout, max_pool2d, parallel, pointwise, reduce, simd, softmax,
};

/// Runs and prints the benchmarks whose names were asked for.
struct Bench {
    wanted: Vec<String>,
}

impl Bench {
    /// Times `f`, which moves `bytes` bytes of memory a call: best and median of the calls of about half a
    /// second.
    fn run(&self, name: &str, bytes: usize, mut f: impl FnMut()) {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|w| name.contains(w)) {
            return;
        }
        f();
        let begin = Instant::now();
        let mut times = vec![];
        while times.len() < 5 || begin.elapsed().as_secs_f64() < 0.4 {
            let start = Instant::now();
            f();
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let (best, median) = (times[0], times[times.len() / 2]);
        let rate = |seconds: f64| bytes as f64 / seconds * 1e-9;
        println!(
            "{name:<44} {:>9.1} us  {:>7.1} GB/s  best {:>9.1} us  {:>7.1} GB/s",
            median * 1e6,
            rate(median),
            best * 1e6,
            rate(best)
        );
    }
}

/// Numbers between -1 and 1, without a pattern that a branch predictor could learn.
fn data(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn main() {
    let wanted = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let bench = Bench { wanted };
    println!("{}, {} threads", simd::isa(), parallel::num_threads());
    // A launch from outside of the pool wakes a thread each time; trainers stay inside.
    rayon::scope(|_| {
        elementwise(&bench);
        normalization(&bench);
        pooling(&bench);
        losses(&bench);
        updates(&bench);
        layouts(&bench);
    });
}

fn elementwise(bench: &Bench) {
    for (label, len) in [("cnn 64x14x14x8", 64 * 14 * 14 * 8), ("resnet 16x112x112x64", 16 * 112 * 112 * 64)]
    {
        let (a, b, mut y) = (data(len), data(len), data(len));
        bench.run(&format!("copy {label}"), 8 * len, || pointwise::copy(&a, black_box(&mut y)));
        bench.run(&format!("fill {label}"), 4 * len, || pointwise::fill(1.0, black_box(&mut y)));
        bench.run(&format!("add {label}"), 12 * len, || pointwise::add(&a, &b, black_box(&mut y)));
        bench.run(&format!("add_assign {label}"), 12 * len, || pointwise::add_assign(black_box(&mut y), &a));
        bench.run(&format!("relu {label}"), 8 * len, || pointwise::relu(&a, black_box(&mut y)));
        bench.run(&format!("relu_backward {label}"), 12 * len, || {
            pointwise::relu_backward(&a, &b, black_box(&mut y));
        });
        bench.run(&format!("relu_backward_in_place {label}"), 12 * len, || {
            pointwise::relu_backward_in_place(&a, black_box(&mut y));
        });
        bench.run(&format!("bias_add {label}"), 8 * len, || {
            pointwise::bias_add(&a, &b[..8], black_box(&mut y))
        });
        bench.run(&format!("sigmoid {label}"), 8 * len, || pointwise::sigmoid(&a, black_box(&mut y)));
        bench.run(&format!("tanh {label}"), 8 * len, || pointwise::tanh(&a, black_box(&mut y)));
        let exact = pointwise::Gelu::Exact;
        bench.run(&format!("gelu {label}"), 8 * len, || pointwise::gelu(exact, &a, black_box(&mut y)));
        bench.run(&format!("gelu_backward {label}"), 12 * len, || {
            pointwise::gelu_backward(exact, &a, &b, black_box(&mut y));
        });
        bench.run(&format!("sum {label}"), 4 * len, || _ = black_box(reduce::sum(&a)));
        bench.run(&format!("sum_of_squares {label}"), 4 * len, || _ = black_box(reduce::sum_of_squares(&a)));
        bench.run(&format!("max_abs {label}"), 4 * len, || _ = black_box(reduce::max_abs(&a)));
        bench.run(&format!("all_finite {label}"), 4 * len, || _ = black_box(reduce::all_finite(&a)));
    }
}

fn normalization(bench: &Bench) {
    for (label, rows, channels) in
        [("16x112x112x64", 16 * 112 * 112, 64), ("64x16x16x128", 64 * 256, 128), ("64x4x4x512", 64 * 16, 512)]
    {
        let len = rows * channels;
        let (x, residual, mut y, mut dy) = (data(len), data(len), data(len), data(len));
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        bench.run(&format!("batch_norm statistics {label}"), 4 * len, || {
            batch_norm::statistics(rows, &x, black_box(&mut mean), &mut variance);
        });
        let (scale, shift) = (data(channels), data(channels));
        bench.run(&format!("batch_norm normalize relu {label}"), 8 * len, || {
            batch_norm::normalize(&x, &scale, &shift, None, true, black_box(&mut y));
        });
        bench.run(&format!("batch_norm normalize add relu {label}"), 12 * len, || {
            batch_norm::normalize(&x, &scale, &shift, Some(&residual), true, black_box(&mut y));
        });
        batch_norm::normalize(&x, &scale, &shift, None, true, &mut y);
        let (mut dweight, mut dbias) = (vec![0.0; channels], vec![0.0; channels]);
        let of = |relu| Backward {
            mean: &mean,
            variance: &variance,
            epsilon: 1e-5,
            weight: Some(&scale),
            bias: Some(&shift),
            relu,
            mode: Mode::Batch,
        };
        // The gradient takes the place of the input.
        let mut x = x;
        for (name, relu) in [("backward", Relu::None), ("backward relu", Relu::Recompute)] {
            bench.run(&format!("batch_norm {name} {label}"), 20 * len, || {
                of(relu).run_beside(black_box(&mut x), &dy, &mut dweight, &mut dbias);
            });
        }
        bench.run(&format!("batch_norm backward add relu {label}"), 28 * len, || {
            of(Relu::Output(&y)).run_with_residual(black_box(&mut x), &mut dy, &mut dweight, &mut dbias);
        });
    }
}

fn pooling(bench: &Bench) {
    let two = ("2x2", [2; 2], [2; 2], [0; 2]);
    let three = ("3x3 stride 2", [3; 2], [2; 2], [1; 2]);
    for (label, (window, kernel, stride, padding), batch, size, channels) in [
        ("cnn", two, 64, 28, 8),
        ("cnn", two, 64, 14, 16),
        ("vgg", two, 16, 112, 64),
        ("resnet", three, 16, 112, 64),
        ("image", three, 1, 56, 64),
    ] {
        let g = max_pool2d::Geometry {
            batch,
            height: size,
            width: size,
            channels,
            kernel,
            stride,
            padding,
            dilation: [1; 2],
            ceil_mode: false,
        };
        let label = format!("{window} {label} {batch}x{size}x{size}x{channels}");
        let (mut x, mut y) = (data(g.input_len()), data(g.output_len()));
        let mut taps = vec![0; y.len()];
        bench.run(&format!("max_pool2d inference {label}"), 4 * (x.len() + y.len()), || {
            max_pool2d::forward(&g, &x, black_box(&mut y), None);
        });
        bench.run(&format!("max_pool2d forward {label}"), 4 * x.len() + 6 * y.len(), || {
            max_pool2d::forward(&g, &x, black_box(&mut y), Some(&mut taps));
        });
        bench.run(&format!("max_pool2d backward {label}"), 4 * x.len() + 6 * y.len(), || {
            max_pool2d::backward(&g, &y, &taps, black_box(&mut x));
        });
        let g = avg_pool2d::Geometry {
            batch,
            height: size,
            width: size,
            channels,
            kernel,
            stride,
            padding,
            ceil_mode: false,
            count_include_pad: true,
        };
        bench.run(&format!("avg_pool2d forward {label}"), 4 * (x.len() + y.len()), || {
            avg_pool2d::forward(&g, &x, black_box(&mut y));
        });
        bench.run(&format!("avg_pool2d backward {label}"), 4 * (x.len() + y.len()), || {
            avg_pool2d::backward(&g, &y, black_box(&mut x));
        });
    }
    for (batch, size, channels) in [(16, 7, 512), (16, 7, 2048), (64, 4, 512)] {
        let g = adaptive_pool2d::Geometry { batch, height: size, width: size, channels, output: [1; 2] };
        let (mut x, mut y) = (data(g.input_len()), data(g.output_len()));
        let bytes = 4 * (x.len() + y.len());
        let label = format!("global {batch}x{size}x{size}x{channels}");
        bench.run(&format!("avg_pool2d forward {label}"), bytes, || {
            adaptive_pool2d::avg_forward(&g, &x, black_box(&mut y));
        });
        bench.run(&format!("avg_pool2d backward {label}"), bytes, || {
            adaptive_pool2d::avg_backward(&g, &y, black_box(&mut x));
        });
    }
}

fn losses(bench: &Bench) {
    for (rows, columns) in [(64, 10), (16, 1000), (4096, 1000)] {
        let (x, mut y, mut dx) = (data(rows * columns), data(rows * columns), data(rows * columns));
        let bytes = 8 * x.len();
        bench.run(&format!("softmax {rows}x{columns}"), bytes, || {
            softmax::softmax(columns, &x, black_box(&mut y));
        });
        bench.run(&format!("softmax backward {rows}x{columns}"), 12 * x.len(), || {
            softmax::softmax_backward(columns, &y, &x, black_box(&mut dx));
        });
        bench.run(&format!("log_softmax {rows}x{columns}"), bytes, || {
            softmax::log_softmax(columns, &x, black_box(&mut y));
        });
        let targets: Vec<i64> = (0..rows).map(|r| ((r * 7) % columns) as i64).collect();
        let options = CrossEntropy::new(columns);
        bench.run(&format!("cross_entropy with gradient {rows}x{columns}"), bytes, || {
            class_indices(&options, &x, &targets, &mut [0.0], Some(black_box(&mut dx)))
                .expect("valid targets");
        });
    }
}

fn updates(bench: &Bench) {
    for (label, len) in [("cnn 105866", 105_866), ("resnet18 11689512", 11_689_512)] {
        let (mut p, g, mut m, mut v) = (data(len), data(len), data(len), data(len));
        v.iter_mut().for_each(|v| *v = v.abs());
        let options = Sgd {
            lr: 1e-6,
            momentum: 0.9,
            dampening: 0.0,
            weight_decay: 1e-4,
            nesterov: false,
            maximize: false,
        };
        bench.run(&format!("sgd momentum {label}"), 20 * len, || {
            sgd(&options, false, &g, black_box(&mut p), Some(&mut m));
        });
        let options = Adam {
            lr: 1e-6,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            weight_decay: 1e-4,
            decoupled: true,
            maximize: false,
        };
        bench.run(&format!("adamw {label}"), 28 * len, || {
            adam(&options, 1, &g, black_box(&mut p), &mut m, &mut v, None);
        });
    }
}

fn layouts(bench: &Bench) {
    for (batch, channels, size) in [(64, 3, 32), (16, 3, 224), (16, 64, 112), (16, 512, 7)] {
        let len = batch * channels * size * size;
        let (x, mut y) = (data(len), data(len));
        let label = format!("{batch}x{channels}x{size}x{size}");
        bench.run(&format!("nchw_to_nhwc {label}"), 8 * len, || {
            layout::nchw_to_nhwc(batch, channels, size * size, &x, black_box(&mut y));
        });
        bench.run(&format!("nhwc_to_nchw {label}"), 8 * len, || {
            layout::nhwc_to_nchw(batch, channels, size * size, &x, black_box(&mut y));
        });
    }
    let (n, len) = (1024, 1024 * 1024);
    let (x, mut y) = (data(len), data(len));
    bench.run("transpose 1024x1024", 8 * len, || layout::transpose(n, n, &x, black_box(&mut y)));
}
