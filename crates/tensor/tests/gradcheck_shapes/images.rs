//! Ops on images (N, C, H, W).

use super::check::{Case, Draw, Input, check, check_values};
use super::oracle::{Nd, Window, max, mean, sum};
use cresset_tensor::ops::{
    AvgPool2dOptions, Conv2dBatchNorm, Conv2dOptions, MaxPool2dOptions, PreparedConv2d,
    batch_norm_add_relu_train, batch_norm_eval, batch_norm_train, conv2d_fused, conv2d_relu_max_pool,
};
use cresset_tensor::{Array, Shape, Tensor};

const EPS: f32 = 1e-5;

/// A convolution of some shape, with a bias or without.
struct Convolution {
    inputs: Vec<Input>,
    options: Conv2dOptions,
    window: Window,
    groups: usize,
}

impl Convolution {
    fn draw(d: &mut Draw, groups: usize, square: bool) -> Self {
        let pair = |d: &mut Draw, low, high| {
            let a = d.from(low, high);
            [a, if square { a } else { d.from(low, high) }]
        };
        let (window, image) = loop {
            let window = Window {
                kernel: pair(d, 1, 3),
                stride: pair(d, 1, 2),
                padding: pair(d, 0, 2),
                dilation: if square { [1, 1] } else { pair(d, 1, 2) },
            };
            let image = [d.size(1, 4), d.size(1, 4)];
            if window.fits(image) {
                break (window, image);
            }
        };
        let (batch, inner, outer) = (d.size(0, 2), d.size(1, 2), groups * d.size(1, 2));
        let mut inputs = vec![
            d.any(&[batch, groups * inner, image[0], image[1]]),
            d.any(&[outer, inner, window.kernel[0], window.kernel[1]]),
        ];
        if d.below(2) == 0 {
            inputs.push(d.any(&[outer]));
        }
        let options = Conv2dOptions::default()
            .stride(window.stride)
            .padding(window.padding)
            .dilation(window.dilation)
            .groups(groups);
        Self { inputs, options, window, groups }
    }
}

#[test]
fn convolutions() {
    for (name, groups, square) in
        [("conv2d", 1, false), ("conv2d, square", 1, true), ("conv2d in groups", 2, false)]
    {
        check(name, |d| {
            let Convolution { inputs, options, window, groups } = Convolution::draw(d, groups, square);
            Case {
                inputs,
                ours: Box::new(move |t| t[0].conv2d(&t[1], t.get(2), &options)),
                oracle: Box::new(move |x| x[0].conv2d(&x[1], x.get(2), &window, groups)),
            }
        });
    }
}

#[test]
fn prepared_convolutions() {
    for (name, groups, square) in [
        ("prepared conv2d", 1, false),
        ("prepared conv2d, square", 1, true),
        ("prepared conv2d in groups", 2, false),
    ] {
        check_values(name, |d| {
            let Convolution { inputs, options, window, groups } = Convolution::draw(d, groups, square);
            let relu = d.below(2) == 0;
            // Prepared for one size, used for another.
            let mut prepared_for = inputs[0].0.clone();
            prepared_for[0] += d.below(2);
            prepared_for[2] += d.below(3);
            Case {
                inputs,
                ours: Box::new(move |t| {
                    let bias = t.get(2).map(Tensor::array);
                    let input = Shape::from(&prepared_for[..]);
                    PreparedConv2d::new(t[1].array(), bias, &options, &input).forward(&t[0], None, relu)
                }),
                oracle: Box::new(move |x| {
                    let y = x[0].conv2d(&x[1], x.get(2), &window, groups);
                    if relu { y.relu() } else { y }
                }),
            }
        });
    }
}

#[test]
fn convolutions_with_pooling() {
    check("conv2d_relu_max_pool", |d| {
        let padding = [d.from(0, 2), d.from(0, 2)];
        let window = Window { kernel: [3, 3], stride: [1, 1], padding, dilation: [1, 1] };
        // At least one window of 2x2.
        let image = padding.map(|p| d.size(4usize.saturating_sub(2 * p).max(1), 7));
        let (batch, inner, outer) = (d.size(0, 2), d.size(1, 3), d.size(1, 4));
        let mut inputs = vec![d.any(&[batch, inner, image[0], image[1]]), d.any(&[outer, inner, 3, 3])];
        if d.below(2) == 0 {
            inputs.push(d.any(&[outer]));
        }
        let options = Conv2dOptions::default().padding(padding);
        let halves = Window { kernel: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1] };
        Case {
            inputs,
            ours: Box::new(move |t| {
                conv2d_relu_max_pool(&t[0], &t[1], t.get(2), &options, &MaxPool2dOptions::new(2))
                    .expect("there is a kernel for these sizes")
            }),
            oracle: Box::new(move |x| x[0].conv2d(&x[1], x.get(2), &window, 1).relu().pool(&halves, max)),
        }
    });
}

fn same_size() -> (Conv2dOptions, Window) {
    let window = Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] };
    (Conv2dOptions::default().padding(1), window)
}

#[test]
fn batch_norms() {
    let shape = |d: &mut Draw| loop {
        let rank = [2, 4][d.below(2)];
        let shape = d.shape_of(1, rank);
        // Of two values the normalized ones are +1 and -1 whatever they are: gradients that are all rounding.
        if shape.iter().product::<usize>() / shape[1] > 2 {
            return shape;
        }
    };
    check("batch_norm_train", |d| {
        let shape = shape(d);
        Case {
            inputs: vec![d.distinct(&shape), d.any(&shape[1..2]), d.any(&shape[1..2])],
            ours: Box::new(|t| batch_norm_train(&t[0], Some(&t[1]), Some(&t[2]), EPS).0),
            oracle: Box::new(|x| x[0].batch_norm(&x[1], &x[2], EPS)),
        }
    });
    check("batch_norm_eval", |d| {
        let rank = [2, 4][d.below(2)];
        let mut shape = d.shape_of(0, rank);
        shape[1] = shape[1].max(1);
        let (mean, variance) = (d.any(&shape[1..2]).1, d.positive(&shape[1..2]).1);
        let of = |v: &[f32]| Nd::new(&[v.len()], v.iter().map(|&v| v.into()).collect());
        let (exact_mean, exact_variance) = (of(&mean), of(&variance));
        let channels = [shape[1]];
        let (mean, variance) = (Array::from_vec(mean, channels), Array::from_vec(variance, channels));
        Case {
            inputs: vec![d.any(&shape), d.any(&channels), d.any(&channels)],
            ours: Box::new(move |t| batch_norm_eval(&t[0], &mean, &variance, Some(&t[1]), Some(&t[2]), EPS)),
            oracle: Box::new(move |x| x[0].normalize([&exact_mean, &exact_variance, &x[1], &x[2]], EPS)),
        }
    });
    check("batch_norm_add_relu_train", |d| {
        let shape = shape(d);
        let mut residual = d.any(&shape);
        // Far from the kink: either all pass or none does.
        let shift = if d.below(4) == 0 { -40.0 } else { 40.0 };
        residual.1.iter_mut().for_each(|v| *v += shift);
        Case {
            inputs: vec![d.distinct(&shape), d.any(&shape[1..2]), d.any(&shape[1..2]), residual],
            ours: Box::new(|t| {
                batch_norm_add_relu_train(&t[0], Some(&t[1]), Some(&t[2]), EPS, Some(&t[3])).0
            }),
            oracle: Box::new(|x| x[0].batch_norm(&x[1], &x[2], EPS).zip(&x[3], |y, r| y + r).relu()),
        }
    });
}

#[test]
fn fused_convolutions() {
    check("conv2d_fused", |d| {
        let (options, window) = same_size();
        let (batch, inner, outer) = (d.size(0, 2), d.size(1, 2), d.size(1, 3));
        let image = [d.size(1, 4), d.size(1, 4)];
        let mut residual = d.any(&[batch, outer, image[0], image[1]]);
        let shift = if d.below(4) == 0 { -200.0 } else { 200.0 };
        residual.1.iter_mut().for_each(|v| *v += shift);
        Case {
            inputs: vec![
                d.any(&[batch, inner, image[0], image[1]]),
                d.any(&[outer, inner, 3, 3]),
                d.any(&[outer]),
                residual,
            ],
            ours: Box::new(move |t| conv2d_fused(&t[0], &t[1], Some(&t[2]), Some(&t[3]), true, &options)),
            oracle: Box::new(move |x| {
                x[0].conv2d(&x[1], Some(&x[2]), &window, 1).zip(&x[3], |y, r| (y + r).max(0.0))
            }),
        }
    });
    check("conv2d_batch_norm", |d| {
        let (conv, window) = same_size();
        let (batch, inner, outer) = (d.from(1, 2), d.size(1, 2), d.size(1, 3));
        let image = [d.from(2, 4), d.from(2, 4)];
        Case {
            inputs: vec![
                d.any(&[batch, inner, image[0], image[1]]),
                d.any(&[outer, inner, 3, 3]),
                d.any(&[outer]),
                d.any(&[outer]),
            ],
            ours: Box::new(move |t| {
                let layer = Conv2dBatchNorm {
                    weight: &t[1],
                    bias: None,
                    conv,
                    norm_weight: Some(&t[2]),
                    norm_bias: Some(&t[3]),
                    eps: EPS,
                    residual: None,
                    relu: false,
                };
                layer.train(&t[0]).0
            }),
            oracle: Box::new(move |x| x[0].conv2d(&x[1], None, &window, 1).batch_norm(&x[2], &x[3], EPS)),
        }
    });
}

/// A window that fits an image, padded by no more than half of itself.
fn pooling(d: &mut Draw, dilates: bool) -> (Window, [usize; 2]) {
    loop {
        let kernel = [d.from(1, 3), d.from(1, 3)];
        let window = Window {
            kernel,
            stride: [d.from(1, 3), d.from(1, 3)],
            padding: [d.from(0, kernel[0] / 2), d.from(0, kernel[1] / 2)],
            dilation: if dilates { [d.from(1, 2), d.from(1, 2)] } else { [1, 1] },
        };
        let image = [d.size(1, 6), d.size(1, 6)];
        if !window.fits(image) {
            continue;
        }
        // A window that sees nothing but padding has a maximum of minus infinity.
        let ones = Nd::from_fn(&[1, 1, image[0], image[1]], |_| 1.0);
        if ones.pool(&window, sum).data.iter().all(|&seen| seen > 0.0) {
            return (window, image);
        }
    }
}

#[test]
fn poolings() {
    check("max_pool2d", |d| {
        let (w, image) = pooling(d, true);
        let options =
            MaxPool2dOptions::new(w.kernel).stride(w.stride).padding(w.padding).dilation(w.dilation);
        let shape = [d.size(0, 2), d.size(1, 3), image[0], image[1]];
        Case {
            inputs: vec![d.distinct(&shape)],
            ours: Box::new(move |t| t[0].max_pool2d(options)),
            oracle: Box::new(move |x| x[0].pool(&w, max)),
        }
    });
    check("avg_pool2d", |d| {
        let (w, image) = pooling(d, false);
        let counts_padding = d.below(2) == 0;
        let options = AvgPool2dOptions::new(w.kernel)
            .stride(w.stride)
            .padding(w.padding)
            .count_include_pad(counts_padding);
        let shape = [d.size(0, 2), d.size(1, 3), image[0], image[1]];
        let area = (w.kernel[0] * w.kernel[1]) as f64;
        Case {
            inputs: vec![d.any(&shape)],
            ours: Box::new(move |t| t[0].avg_pool2d(options)),
            oracle: Box::new(move |x| {
                x[0].pool(&w, |v| if counts_padding { sum(v) / area } else { mean(v) })
            }),
        }
    });
    for (name, is_max) in [("adaptive_max_pool2d", true), ("adaptive_avg_pool2d", false)] {
        check(name, |d| {
            let shape = [d.size(0, 2), d.size(1, 3), d.size(1, 6), d.size(1, 6)];
            let output = [d.from(1, 5), d.from(1, 5)];
            Case {
                inputs: vec![d.distinct(&shape)],
                ours: Box::new(move |t| {
                    if is_max { t[0].adaptive_max_pool2d(output) } else { t[0].adaptive_avg_pool2d(output) }
                }),
                oracle: Box::new(move |x| x[0].adaptive_pool(output, if is_max { max } else { mean })),
            }
        });
    }
}
