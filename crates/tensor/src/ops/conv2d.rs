//! 2-D convolution, as `torch.nn.functional.conv2d`.

use super::images::{IntoPair, images, misfit};
use super::optional::{given, one_a_channel, or_absent};
use crate::array::{Array, DType};
use crate::autocast;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::profile::{self, Cost};
use crate::recompute::{Input, Source};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::bf16;
use cresset_kernels::conv2d::choose::{Algorithm, Pass};
use cresset_kernels::conv2d::{self, Conv2dGeometry, Epilogue};

/// Zeros around the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// This many above and below, and left and right.
    Explicit([usize; 2]),
    /// As many as make the output as large as the input; an odd one goes to the bottom or right, as in PyTorch.
    /// Only for stride 1.
    Same,
    /// None.
    Valid,
}

impl<P: IntoPair> From<P> for Padding {
    fn from(padding: P) -> Self {
        Padding::Explicit(padding.into_pair())
    }
}

/// Options of [`Tensor::conv2d`]; pairs are (height, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dOptions {
    /// Step of the kernel.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// Step between the elements of the kernel.
    pub dilation: [usize; 2],
    /// Independent groups of channels; as many as there are input channels make a depthwise convolution.
    pub groups: usize,
}

/// Stride 1, no padding, no dilation, one group.
impl Default for Conv2dOptions {
    fn default() -> Self {
        Self { stride: [1, 1], padding: Padding::Explicit([0, 0]), dilation: [1, 1], groups: 1 }
    }
}

impl Conv2dOptions {
    /// Sets the step of the kernel.
    pub fn stride(self, stride: impl IntoPair) -> Self {
        Self { stride: stride.into_pair(), ..self }
    }

    /// Sets the zeros around the input: `1`, `[1, 0]`, `Padding::Same`.
    pub fn padding(self, padding: impl Into<Padding>) -> Self {
        Self { padding: padding.into(), ..self }
    }

    /// Sets the step between the elements of the kernel.
    pub fn dilation(self, dilation: impl IntoPair) -> Self {
        Self { dilation: dilation.into_pair(), ..self }
    }

    /// Sets the number of groups.
    pub fn groups(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// The sizes of a convolution of `x` (N, C, H, W) with `w` (O, C / groups, kh, kw), or why they do not fit.
    pub(super) fn geometry(&self, x: &Shape, w: &Shape) -> Result<Conv2dGeometry, ShapeError> {
        let error = |message: String| Err(ShapeError::new("conv2d", message));
        let input = images("conv2d", x)?;
        let [out_channels, group_inputs, kh, kw] = w[..] else {
            return error(format!("the weight must be (O, C / groups, kh, kw), found shape {w}"));
        };
        if group_inputs.saturating_mul(self.groups) != input[1] {
            return error(format!(
                "input of shape {x} has {} channels, but a weight (O, C / groups, kh, kw) of shape {w} with {} \
                 group{} takes {}",
                input[1],
                self.groups,
                if self.groups == 1 { "" } else { "s" },
                group_inputs.saturating_mul(self.groups),
            ));
        }
        if self.padding == Padding::Same && self.stride != [1, 1] {
            return error(format!("padding \"same\" needs a stride of 1, found {:?}", self.stride));
        }
        let kernel = [kh, kw];
        let padding = [0, 1].map(|axis| match self.padding {
            Padding::Explicit(padding) => [padding[axis]; 2],
            Padding::Valid => [0, 0],
            Padding::Same => {
                let total = self.dilation[axis].saturating_mul(kernel[axis].saturating_sub(1));
                [total / 2, total - total / 2]
            }
        });
        let geometry = Conv2dGeometry {
            stride: self.stride,
            padding,
            dilation: self.dilation,
            groups: self.groups,
            ..Conv2dGeometry::new(input, out_channels, kernel)
        };
        geometry.validate().map_err(|e| misfit("conv2d", x, e))?;
        Ok(geometry)
    }
}

/// The logical shape (N, O, H, W) of the output.
pub(super) fn output_shape(g: &Conv2dGeometry) -> Shape {
    [g.batch, g.out_channels, g.out_height(), g.out_width()].into()
}

#[derive(Debug)]
struct Conv2d {
    options: Conv2dOptions,
    /// Where backward finds the input, if not in memory.
    source: Option<Source>,
}

/// A convolution's inputs in the memory order of the kernels.
pub(super) struct Operands {
    pub geometry: Conv2dGeometry,
    /// (N, C, H, W) in memory order (N, H, W, C).
    pub x: Array,
    /// (O, C / groups, kh, kw) in memory order (O, kh, kw, C / groups).
    pub w: Array,
}

impl Operands {
    pub fn new(options: &Conv2dOptions, x: &Array, w: &Array) -> Self {
        let geometry = options.geometry(x.shape(), w.shape()).expect("checked by shape()");
        Self { geometry, x: x.channels_last(), w: w.channels_last() }
    }

    /// The convolution, and what is done to it while it is in cache; `add` and the result have the type of x.
    pub fn forward(&self, epilogue: Epilogue, add: Option<&Array>) -> Array {
        let (g, w) = (&self.geometry, self.w.memory());
        let Epilogue { bias, relu, statistics, .. } = epilogue;
        let span = profile(g, Pass::Forward, self.x.dtype());
        let y = if self.x.dtype() == DType::BF16 {
            let mut y = Array::empty_channels_last_of::<bf16>(output_shape(g));
            let epilogue = Epilogue { bias, add: add.map(Array::memory_of), relu, statistics };
            conv2d::bfloat16::forward(g, self.x.memory_of(), w, epilogue, y.memory_of_mut());
            y
        } else {
            let mut y = Array::empty_channels_last(output_shape(g));
            let epilogue = Epilogue { bias, add: add.map(Array::memory), relu, statistics };
            conv2d::forward(g, self.x.memory(), w, epilogue, y.memory_mut());
            y
        };
        span.end(|| Cost::new(g.macs(), [&self.x, &self.w], [&y]));
        y
    }

    /// What stays until backward: the input only if `source` cannot compute it again.
    pub fn saved(self, source: Option<&Source>) -> Saved {
        Saved { geometry: self.geometry, x: Input::new(self.x, source), w: self.w }
    }
}

/// What a convolution keeps for backward.
pub(super) struct Saved {
    pub geometry: Conv2dGeometry,
    x: Input,
    w: Array,
}

impl Saved {
    /// The operands as they were.
    pub fn operands(&self) -> Operands {
        Operands { geometry: self.geometry, x: self.x.array().channels_last(), w: self.w.clone() }
    }

    /// The gradients by input, added to `sum`, and by weight, from the channels-last gradient by the output.
    pub fn backward(&self, dy: &Array, [by_x, by_w]: [bool; 2], sum: Option<Array>) -> [Option<Array>; 2] {
        let dw = by_w.then(|| {
            let mut dw = Array::empty_like(&self.w);
            let x = self.operands().x;
            let span = profile(&self.geometry, Pass::WeightGradient, dy.dtype());
            if dy.dtype() == DType::BF16 {
                let (x, dy) = (x.memory_of(), dy.memory_of());
                conv2d::bfloat16::weight_gradient(&self.geometry, x, dy, dw.memory_mut());
            } else {
                conv2d::weight_gradient(&self.geometry, x.memory(), dy.memory(), dw.memory_mut());
            }
            span.end(|| Cost::new(self.geometry.macs(), [&x, dy], [&dw]));
            dw
        });
        [by_x.then(|| self.input_gradient(dy, sum)), dw]
    }

    /// The gradient by bias.
    pub fn bias_gradient(&self, dy: &Array) -> Array {
        let mut db = Array::empty([self.geometry.out_channels]);
        if dy.dtype() == DType::BF16 {
            conv2d::bfloat16::bias_gradient(&self.geometry, dy.memory_of(), db.memory_mut());
        } else {
            conv2d::bias_gradient(&self.geometry, dy.memory(), db.memory_mut());
        }
        db
    }

    fn input_gradient(&self, dy: &Array, sum: Option<Array>) -> Array {
        if dy.dtype() == DType::BF16 {
            return self.input_gradient_bfloat16(dy, sum);
        }
        let (g, dy_memory, w) = (&self.geometry, dy.memory(), self.w.memory());
        if let Some(sum) = sum {
            let mut dx = sum.channels_last();
            drop(sum);
            let span = profile(g, Pass::InputGradient, dy.dtype());
            conv2d::add_input_gradient(g, dy_memory, w, dx.memory_mut());
            span.end(|| Cost::new(g.macs(), [dy, &self.w, &dx], [&dx]));
            return dx;
        }
        let mut dx = Array::empty_channels_last([g.batch, g.in_channels, g.in_height, g.in_width]);
        let span = profile(g, Pass::InputGradient, dy.dtype());
        conv2d::input_gradient(g, dy_memory, w, dx.memory_mut());
        span.end(|| Cost::new(g.macs(), [dy, &self.w], [&dx]));
        dx
    }

    fn input_gradient_bfloat16(&self, dy: &Array, sum: Option<Array>) -> Array {
        let (g, accumulate) = (&self.geometry, sum.is_some());
        let mut dx = match sum {
            Some(sum) => sum.channels_last().to_float::<bf16>(),
            None => Array::empty_channels_last_of::<bf16>([g.batch, g.in_channels, g.in_height, g.in_width]),
        };
        let span = profile(g, Pass::InputGradient, dy.dtype());
        conv2d::bfloat16::input_gradient(g, dy.memory_of(), self.w.memory(), dx.memory_of_mut(), accumulate);
        span.end(|| Cost::new(g.macs(), [dy, &self.w], [&dx]));
        dx
    }
}

fn profile(g: &Conv2dGeometry, pass: Pass, activations: DType) -> profile::Span {
    let event = match pass {
        Pass::Forward => profile::Pass::Forward,
        Pass::InputGradient => profile::Pass::InputGradient,
        Pass::WeightGradient => profile::Pass::WeightGradient,
    };
    let algorithm = match activations {
        DType::BF16 => Algorithm::choose_bfloat16,
        _ => Algorithm::choose,
    };
    profile::begin("conv2d", event).by(|| algorithm(pass, g).name())
}

impl Op<3> for Conv2d {
    const BF16: bool = true;
    type Saved = Saved;

    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn shape(&self, [x, w, b]: [&Shape; 3]) -> Result<Shape, ShapeError> {
        let geometry = self.options.geometry(x, w)?;
        one_a_channel(self.name(), "the bias", b, geometry.out_channels, x)?;
        Ok(output_shape(&geometry))
    }

    fn forward(&self, [x, w, b]: [&Array; 3]) -> (Array, Saved) {
        let operands = Operands::new(&self.options, x, w);
        let bias = given(b).map(Array::contiguous);
        let y =
            operands.forward(Epilogue { bias: bias.as_ref().map(Array::memory), ..Default::default() }, None);
        (y, operands.saved(self.source.as_ref()))
    }

    fn backward(&self, saved: Saved, grad: Array, needs: [bool; 3]) -> [Option<Array>; 3] {
        self.backward_onto(saved, grad, needs, &mut [const { None }; 3])
    }

    fn backward_onto(
        &self,
        saved: Saved,
        grad: Array,
        needs: [bool; 3],
        sums: &mut [Option<Array>; 3],
    ) -> [Option<Array>; 3] {
        let dy = grad.channels_last();
        drop(grad);
        let db = needs[2].then(|| saved.bias_gradient(&dy));
        let [dx, dw] = saved.backward(&dy, [needs[0], needs[1]], sums[0].take());
        [dx, dw, db]
    }

    fn macs(&self, [x, w, _]: [&Shape; 3], _: &Shape) -> u64 {
        self.options.geometry(x, w).map_or(0, |g| g.macs())
    }
}

impl Tensor {
    /// The cross-correlation of images (N, C, H, W) with a weight (O, C / groups, kh, kw), plus a bias (O):
    /// `x.conv2d(&w, Some(&b), &Conv2dOptions::default().stride(2).padding(1))`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Conv2dOptions) -> Tensor {
        let x = autocast::operand(self);
        let op = Conv2d { options: *options, source: Source::of(&x) };
        apply(op, [&x, weight, &or_absent(bias)])
    }
}
