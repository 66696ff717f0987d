//! Memory order: contiguous.

use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::shape::Shape;
use crate::tensor::Tensor;

#[derive(Debug)]
struct Contiguous;

impl Op<1> for Contiguous {
    const VIEW: bool = true;
    const BF16: bool = true;
    type Saved = ();

    fn name(&self) -> &'static str {
        "contiguous"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(x.clone())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, ()) {
        (x.contiguous(), ())
    }

    fn backward(&self, _: (), grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        [Some(grad)]
    }
}

impl Tensor {
    /// The same values in row-major memory order: itself if they are so already, else a copy. All dtypes.
    ///
    /// Ops take any memory order; this is for what looks at the memory itself.
    #[track_caller]
    pub fn contiguous(&self) -> Tensor {
        if self.is_contiguous() { self.clone() } else { apply(Contiguous, [self]) }
    }

    /// Whether memory order is row-major without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.array().is_contiguous()
    }
}
