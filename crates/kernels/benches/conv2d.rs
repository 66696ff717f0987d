//! GFLOP/s and share of peak of every convolution of a network, in all three passes.
//!
//! `cargo bench -p cresset-kernels --bench conv2d -- [cnn|cifar_resnet18|resnet18|resnet50] [batch] [pass] [layer]`
//!
//! Passes are `forward`, `dx`, `dw`, and only if named `infer`, forward with weights packed beforehand, and `bf16`, the first
//! three between bfloat16 activations. A layer is a part of its name. Arrays lie where the engine's do, in large pages.
//!
//! GFLOP/s count the multiply-adds of a direct convolution, so Winograd can exceed the peak. The peak is
//! measured beside each figure with the same threads: `RAYON_NUM_THREADS=1` gives the figures of one core.

use cresset_kernels::arena::Block;
use cresset_kernels::conv2d::{self, Conv2dGeometry, Epilogue, PreparedConv2d};
use cresset_kernels::simd::isa;
use cresset_kernels::{bf16, parallel, peak, pointwise};
use std::time::{Duration, Instant};

/// (name, how often the network has it, geometry)
type Layer = (&'static str, usize, Conv2dGeometry);

fn layer(
    name: &'static str,
    count: usize,
    input: [usize; 4],
    out: usize,
    kernel: usize,
    stride: usize,
) -> Layer {
    let g = Conv2dGeometry::new(input, out, [kernel; 2]);
    (name, count, g.with_stride(stride).with_padding(kernel / 2))
}

fn cnn(n: usize) -> Vec<Layer> {
    vec![layer("conv1", 1, [n, 1, 28, 28], 8, 3, 1), layer("conv2", 1, [n, 8, 14, 14], 16, 3, 1)]
}

/// The convolutions of a ResNet of basic blocks, two a stage, after its stem.
fn basic_blocks(n: usize, size: usize, mut layers: Vec<Layer>) -> Vec<Layer> {
    layers.push(layer("layer1 3x3", 4, [n, 64, size, size], 64, 3, 1));
    for (i, [first, rest, down]) in [
        ["layer2 3x3/2", "layer2 3x3", "layer2 1x1/2"],
        ["layer3 3x3/2", "layer3 3x3", "layer3 1x1/2"],
        ["layer4 3x3/2", "layer4 3x3", "layer4 1x1/2"],
    ]
    .into_iter()
    .enumerate()
    {
        let (size, c) = (size >> i, 64 << i);
        layers.push(layer(first, 1, [n, c, size, size], 2 * c, 3, 2));
        layers.push(layer(rest, 3, [n, 2 * c, size / 2, size / 2], 2 * c, 3, 1));
        layers.push(layer(down, 1, [n, c, size, size], 2 * c, 1, 2));
    }
    layers
}

fn resnet18(n: usize) -> Vec<Layer> {
    basic_blocks(n, 56, vec![layer("conv1", 1, [n, 3, 224, 224], 64, 7, 2)])
}

fn cifar_resnet18(n: usize) -> Vec<Layer> {
    basic_blocks(n, 32, vec![layer("conv1", 1, [n, 3, 32, 32], 64, 3, 1)])
}

fn resnet50(n: usize) -> Vec<Layer> {
    let mut layers = vec![
        layer("conv1", 1, [n, 3, 224, 224], 64, 7, 2),
        layer("layer1 1x1 in", 1, [n, 64, 56, 56], 64, 1, 1),
        layer("layer1 1x1 reduce", 2, [n, 256, 56, 56], 64, 1, 1),
        layer("layer1 3x3", 3, [n, 64, 56, 56], 64, 3, 1),
        layer("layer1 1x1 expand", 4, [n, 64, 56, 56], 256, 1, 1),
    ];
    for (i, (count, names)) in [
        (
            4,
            [
                "layer2 1x1 in",
                "layer2 3x3/2",
                "layer2 1x1/2",
                "layer2 1x1 reduce",
                "layer2 3x3",
                "layer2 1x1 expand",
            ],
        ),
        (
            6,
            [
                "layer3 1x1 in",
                "layer3 3x3/2",
                "layer3 1x1/2",
                "layer3 1x1 reduce",
                "layer3 3x3",
                "layer3 1x1 expand",
            ],
        ),
        (
            3,
            [
                "layer4 1x1 in",
                "layer4 3x3/2",
                "layer4 1x1/2",
                "layer4 1x1 reduce",
                "layer4 3x3",
                "layer4 1x1 expand",
            ],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let (size, c) = (56 >> i, 128 << i);
        layers.push(layer(names[0], 1, [n, 2 * c, size, size], c, 1, 1));
        layers.push(layer(names[1], 1, [n, c, size, size], c, 3, 2));
        layers.push(layer(names[2], 1, [n, 2 * c, size, size], 4 * c, 1, 2));
        layers.push(layer(names[3], count - 1, [n, 4 * c, size / 2, size / 2], c, 1, 1));
        layers.push(layer(names[4], count - 1, [n, c, size / 2, size / 2], c, 3, 1));
        layers.push(layer(names[5], count, [n, c, size / 2, size / 2], 4 * c, 1, 1));
    }
    layers
}

fn best(repeat: Duration, mut f: impl FnMut()) -> Duration {
    f();
    let (start, mut best) = (Instant::now(), Duration::MAX);
    let mut runs = 0;
    while runs < 3 || start.elapsed() < repeat {
        let t = Instant::now();
        f();
        best = best.min(t.elapsed());
        runs += 1;
    }
    best
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let network = args.next().unwrap_or_else(|| "resnet18".into());
    let batch = args.next().and_then(|n| n.parse().ok());
    let wanted = args.next();
    let layer = args.next().unwrap_or_default();
    let repeat =
        Duration::from_millis(std::env::var("REPEAT_MS").ok().and_then(|s| s.parse().ok()).unwrap_or(150));
    let layers = match network.as_str() {
        "cnn" => cnn(batch.unwrap_or(64)),
        "cifar_resnet18" => cifar_resnet18(batch.unwrap_or(64)),
        "resnet50" => resnet50(batch.unwrap_or(16)),
        _ => resnet18(batch.unwrap_or(16)),
    };
    println!("{network}, {} thread(s), {}", parallel::num_threads(), isa());
    println!("{:<20} {:>5} {:>9} {:>9} {:>9} {:>7}", "layer", "times", "pass", "ms", "GFLOP/s", "% peak");
    let mut totals = [0.0; 4];
    for (name, count, g) in layers.into_iter().filter(|(name, ..)| name.contains(&layer)) {
        let fill = |len: usize| {
            let mut block = Block::new(len);
            block[..len]
                .iter_mut()
                .enumerate()
                .for_each(|(i, v)| *v = (i * 7919 % 1000) as f32 / 500.0 - 1.0);
            block
        };
        let mut arrays = [g.in_len(), g.weight_len(), g.out_len()].map(fill);
        let [x, w, y] = &mut arrays;
        let (x, w, y) = (&mut x[..g.in_len()], &mut w[..g.weight_len()], &mut y[..g.out_len()]);
        // The last convolution of a bottleneck adds the shortcut.
        let add = name.ends_with("expand").then(|| fill(g.out_len()));
        // The gradient of a shortcut's projection is added to that of the block's own convolutions.
        let added = name.ends_with("1x1/2");
        let bias = fill(g.out_channels);
        let (mut short_x, mut short_y) = (fill(g.in_len().div_ceil(2)), fill(g.out_len().div_ceil(2)));
        let short_x: &mut [bf16] = &mut bytemuck::cast_slice_mut(&mut short_x)[..g.in_len()];
        let short_y: &mut [bf16] = &mut bytemuck::cast_slice_mut(&mut short_y)[..g.out_len()];
        pointwise::convert(&*x, short_x);
        pointwise::convert(&*y, short_y);
        for (pass, total) in ["forward", "dx", "dw", "infer"].into_iter().zip(&mut totals) {
            let bfloat16 = wanted.as_deref() == Some("bf16");
            let asked = match wanted.as_deref() {
                None | Some("bf16") => pass != "infer",
                Some(wanted) => wanted == pass,
            };
            if !asked || (pass == "dx" && name == "conv1") {
                continue;
            }
            let peak = peak::flops(Duration::from_millis(20));
            let prepared =
                PreparedConv2d::new(&g, w, Some(&bias[..g.out_channels])).expect("the geometries are valid");
            let input = [g.batch, g.in_height, g.in_width];
            let time = best(repeat, || match (pass, bfloat16) {
                ("forward", false) => conv2d::forward(&g, x, w, Epilogue::default(), y),
                ("dx", false) if added => conv2d::add_input_gradient(&g, y, w, x),
                ("dx", false) => conv2d::input_gradient(&g, y, w, x),
                ("dw", false) => conv2d::weight_gradient(&g, x, y, w),
                ("forward", true) => conv2d::bfloat16::forward(&g, short_x, w, Epilogue::default(), short_y),
                ("dx", true) => conv2d::bfloat16::input_gradient(&g, short_y, w, short_x, added),
                ("dw", true) => conv2d::bfloat16::weight_gradient(&g, short_x, short_y, w),
                _ => prepared.forward(input, x, add.as_ref().map(|add| &add[..g.out_len()]), true, y),
            })
            .as_secs_f64();
            *total += count as f64 * time;
            let flops = 2.0 * g.macs() as f64 / time;
            println!(
                "{name:<20} {count:>5} {pass:>9} {:>9.3} {:>9.1} {:>6.0}%",
                time * 1e3,
                flops / 1e9,
                100.0 * flops / peak
            );
            for v in [&mut *x, &mut *w, &mut *y] {
                v.iter_mut().for_each(|v| *v = v.clamp(-1.0, 1.0)); // repeated runs must not overflow
            }
            pointwise::convert(&*x, short_x);
            pointwise::convert(&*y, short_y);
        }
    }
    let [f, dx, dw, infer] = totals.map(|t| t * 1e3);
    println!("all layers: forward {f:.2} ms, dx {dx:.2} ms, dw {dw:.2} ms, sum {:.2} ms", f + dx + dw);
    println!("inference {infer:.2} ms");
}
