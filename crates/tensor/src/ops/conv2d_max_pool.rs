//! Convolution, ReLU and max pooling as one op, where there is a kernel that never writes the feature map between.

use super::conv2d::{Conv2dOptions, Operands as Convolution};
use super::max_pool2d::MaxPool2dOptions;
use super::optional::{given, one_a_channel, or_absent};
use super::pooled::Pooled;
use crate::array::Array;
use crate::autocast::is_autocast_enabled;
use crate::error::ShapeError;
use crate::graph;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::conv2d::Conv2dGeometry;
use cresset_kernels::conv2d_max_pool::{self, Gradients, OutputGradient};

/// `y = max_pool2d(max(0, conv2d(x, w) + b), 2)`
#[derive(Debug)]
struct Conv2dReluMaxPool {
    options: Conv2dOptions,
    /// Whether backward will want the places of the maxima.
    record: bool,
}

/// What backward needs.
struct Saved {
    convolution: Convolution,
    y: Array,
    /// Where in its window each element of `y` was, in memory order.
    places: Pooled<u16>,
}

fn pooled_shape(g: &Conv2dGeometry) -> Shape {
    [g.batch, g.out_channels, g.out_height() / 2, g.out_width() / 2].into()
}

impl Op<3> for Conv2dReluMaxPool {
    type Saved = Saved;

    fn name(&self) -> &'static str {
        "conv2d_relu_max_pool"
    }

    fn shape(&self, [x, w, b]: [&Shape; 3]) -> Result<Shape, ShapeError> {
        let g = self.options.geometry(x, w)?;
        one_a_channel(self.name(), "the bias", b, g.out_channels, x)?;
        Ok(pooled_shape(&g))
    }

    fn forward(&self, [x, w, b]: [&Array; 3]) -> (Array, Saved) {
        let convolution = Convolution::new(&self.options, x, w);
        let Convolution { geometry, x, w } = &convolution;
        let mut y = Array::empty_channels_last(pooled_shape(geometry));
        let mut places = Pooled::new(if self.record { y.numel() } else { 0 });
        let record = self.record.then_some(&mut places[..]);
        let bias = given(b).map(Array::contiguous);
        let bias = bias.as_ref().map(Array::memory);
        conv2d_max_pool::forward(geometry, x.memory(), w.memory(), bias, y.memory_mut(), record);
        (y.clone(), Saved { convolution, y, places })
    }

    fn backward(&self, saved: Saved, grad: Array, needs: [bool; 3]) -> [Option<Array>; 3] {
        let Saved { convolution: Convolution { geometry, x, w }, y, places } = saved;
        let dy = if grad.is_contiguous() { grad } else { grad.channels_last() };
        let output_gradient = if dy.is_channels_last() {
            OutputGradient::ChannelsLast(dy.memory())
        } else {
            OutputGradient::ChannelsFirst(dy.memory())
        };
        let mut dx = needs[0].then(|| Array::empty_like(&x));
        let mut dw = needs[1].then(|| Array::empty_like(&w));
        let mut db = needs[2].then(|| Array::empty([geometry.out_channels]));
        let gradients = Gradients {
            dx: dx.as_mut().map(Array::memory_mut),
            dw: dw.as_mut().map(Array::memory_mut),
            db: db.as_mut().map(Array::memory_mut),
        };
        conv2d_max_pool::backward(
            &geometry,
            x.memory(),
            w.memory(),
            y.memory(),
            &places,
            output_gradient,
            gradients,
        );
        [dx, dw, db]
    }

    fn macs(&self, [x, w, _]: [&Shape; 3], _: &Shape) -> u64 {
        self.options.geometry(x, w).map_or(0, |g| g.macs())
    }
}

/// `x.conv2d(weight, bias, conv).relu().max_pool2d(pool)` in one pass forward and one backward; `None` if there is
/// no kernel for these sizes, or they do not fit.
///
/// There is one for 3x3 convolutions with stride 1 and few input channels, pooled by 2x2. The feature map before
/// the pooling, and its gradient, are never in memory.
#[track_caller]
pub fn conv2d_relu_max_pool(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    conv: &Conv2dOptions,
    pool: &MaxPool2dOptions,
) -> Option<Tensor> {
    let g = conv.geometry(x.shape(), weight.shape()).ok()?;
    let pool = pool.geometry([g.batch, g.out_channels, g.out_height(), g.out_width()]);
    // In mixed precision the three ops, one by one, say where is rounded.
    if is_autocast_enabled() || !conv2d_max_pool::applies(&g, &pool) {
        return None;
    }
    let bias = or_absent(bias);
    let record = graph::is_grad_enabled() && [x, weight, &bias].iter().any(|t| t.needs_grad());
    Some(apply(Conv2dReluMaxPool { options: *conv, record }, [x, weight, &bias]))
}
