//! Convolutions and fully connected layers, and convolutions with what follows them.

use crate::check::Draw;
use crate::layer::{Case, check, of, rng};
use crate::oracle::{Nd, Window, max};
use cresset_nn::{Conv2d, Linear, ModuleExt, conv_relu, conv_relu_max_pool};

#[test]
fn linear() {
    check("Linear", |d| {
        let mut shape = d.shape(0, 2);
        let (k, n) = (d.size(1, 6), d.size(1, 6));
        shape.push(k);
        let layer = Linear::builder(k, n).bias(d.below(2) == 0).build(&mut rng());
        of(d.any(&shape), layer, move |x| {
            let to = [&x[0].shape[..x[0].shape.len() - 1], &[n]].concat();
            let rows = x[0].reshape(&[x[0].data.len() / k, k]);
            let y = rows.matmul(&x[1].permute(&[1, 0])).reshape(&to);
            x.get(2).map_or(y.clone(), |bias| y.zip(bias, |y, b| y + b))
        })
    });
}

/// A layer, the shape of its input and its window.
struct Convolution {
    layer: Conv2d,
    input: [usize; 4],
    window: Window,
    groups: usize,
}

impl Convolution {
    fn draw(d: &mut Draw, groups: usize) -> Self {
        let (window, image) = loop {
            let window = Window {
                kernel: [d.from(1, 3), d.from(1, 3)],
                stride: [d.from(1, 2), d.from(1, 2)],
                padding: [d.from(0, 1), d.from(0, 1)],
                dilation: [d.from(1, 2), d.from(1, 2)],
            };
            let image = [d.size(1, 4), d.size(1, 4)];
            if window.fits(image) {
                break (window, image);
            }
        };
        let (batch, inner, outer) = (d.size(0, 2), groups * d.size(1, 2), groups * d.size(1, 2));
        let layer = Conv2d::builder(inner, outer, window.kernel)
            .stride(window.stride)
            .padding(window.padding)
            .dilation(window.dilation)
            .groups(groups)
            .bias(d.below(2) == 0)
            .build(&mut rng());
        Self { layer, input: [batch, inner, image[0], image[1]], window, groups }
    }
}

#[test]
fn conv2d() {
    for groups in [1, 2] {
        check(&format!("Conv2d in {groups} groups"), |d| {
            let Convolution { layer, input, window, groups } = Convolution::draw(d, groups);
            of(d.any(&input), layer, move |x| x[0].conv2d(&x[1], x.get(2), &window, groups))
        });
        check(&format!("conv_relu in {groups} groups"), |d| {
            let Convolution { layer, input, window, groups } = Convolution::draw(d, groups);
            Case {
                inputs: vec![d.any(&input)],
                parameters: layer.parameters(),
                ours: Box::new(move |t| conv_relu(&layer, &t[0])),
                oracle: Box::new(move |x| x[0].conv2d(&x[1], x.get(2), &window, groups).relu()),
            }
        });
    }
}

#[test]
fn pooled() {
    // One of the sizes with a kernel of its own, and one without.
    for pool in [2, 3] {
        check(&format!("conv_relu_max_pool by {pool}"), |d| {
            let image = [d.size(pool, 7), d.size(pool, 7)];
            let (batch, inner, outer) = (d.size(0, 2), d.size(1, 3), d.size(1, 4));
            let layer = Conv2d::builder(inner, outer, 3).padding(1).bias(d.below(2) == 0).build(&mut rng());
            let window = Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] };
            let pooling = Window { kernel: [pool; 2], stride: [pool; 2], padding: [0, 0], dilation: [1, 1] };
            let oracle = move |x: &[Nd]| x[0].conv2d(&x[1], x.get(2), &window, 1).relu().pool(&pooling, max);
            Case {
                inputs: vec![d.any(&[batch, inner, image[0], image[1]])],
                parameters: layer.parameters(),
                ours: Box::new(move |t| conv_relu_max_pool(&layer, &t[0], pool)),
                oracle: Box::new(oracle),
            }
        });
    }
}
