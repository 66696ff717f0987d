//! The linear map of a layer, as `torch.nn.functional.linear`.

use super::matmul::{product_2d, product_2d_like, rows};
use super::optional::{given, one_a_channel, or_absent};
use super::relu;
use crate::array::Array;
use crate::autocast;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::gemm::Epilogue;
use cresset_kernels::reduce;

/// `y = x w^T + b` for x (..., in), w (out, in), b (out); then `max(0, y)` if wanted.
#[derive(Debug)]
struct Linear {
    relu: bool,
}

impl Op<3> for Linear {
    /// x and w, and the output if there was a ReLU.
    type Saved = ([Array; 2], Option<Array>);

    fn name(&self) -> &'static str {
        "linear"
    }

    fn shape(&self, [x, w, b]: [&Shape; 3]) -> Result<Shape, ShapeError> {
        let [out, inputs] = w[..] else {
            return Err(ShapeError::new("linear", format!("the weight must be (out, in), found shape {w}")));
        };
        if x.last() != Some(&inputs) {
            return Err(ShapeError::new(
                "linear",
                format!(
                    "input of shape {x} does not fit a weight (out, in) of shape {w}: its last dimension must \
                     be {inputs}{}",
                    if x.rank() > 2 && x[1..].iter().product::<usize>() == inputs {
                        "; call flatten(1) first"
                    } else {
                        ""
                    }
                ),
            ));
        }
        one_a_channel("linear", "the bias", b, out, x)?;
        Ok(x.with(x.rank() - 1, out))
    }

    fn forward(&self, [x, w, b]: [&Array; 3]) -> (Array, Self::Saved) {
        let bias = given(b).map(Array::contiguous);
        let epilogue =
            Epilogue { bias: bias.as_ref().map(Array::memory), relu: self.relu, ..Default::default() };
        let y = product_2d(&rows(x), &w.permute(&[1, 0]), epilogue);
        let saved = self.relu.then(|| y.clone());
        (y.reshape(x.shape().with(x.rank() - 1, w.shape()[0])), ([x.clone(), w.clone()], saved))
    }

    fn backward(&self, ([x, w], y): Self::Saved, grad: Array, needs: [bool; 3]) -> [Option<Array>; 3] {
        let dy = rows(&grad).dense();
        drop(grad);
        let dy = if let Some(y) = y { relu::gradient(&y, dy) } else { dy };
        let dx = needs[0].then(|| product_2d(&dy, &w, Epilogue::default()).reshape(x.shape()));
        let dw = needs[1].then(|| product_2d_like(&w, &dy.permute(&[1, 0]), &rows(&x)));
        let db = needs[2].then(|| {
            let (m, n) = (dy.shape()[0], dy.shape()[1]);
            let mut db = Array::empty([n]);
            reduce::sum_columns(m, n, dy.contiguous().memory(), db.memory_mut());
            db
        });
        [dx, dw, db]
    }

    fn macs(&self, [_, w, _]: [&Shape; 3], y: &Shape) -> u64 {
        (y.numel() * w[1]) as u64
    }
}

impl Tensor {
    /// `x w^T + b`: x (..., in), weight (out, in), bias (out), result (..., out).
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
        linear(self, weight, bias, false)
    }
}

/// `max(0, x weight^T + bias)`: [`Tensor::linear`], then ReLU, in fewer passes.
///
/// # Panics
/// If the shapes do not fit.
#[track_caller]
pub fn linear_relu(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    linear(x, weight, bias, true)
}

#[track_caller]
fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, relu: bool) -> Tensor {
    apply(Linear { relu }, [&autocast::operand(x), &autocast::operand(weight), &or_absent(bias)])
}
