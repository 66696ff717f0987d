//! Comparisons, with broadcasting: eq, ne, lt, le, gt, ge; and isnan, isfinite. They give boolean tensors and have no
//! gradient.

use super::binary::broadcast;
use crate::array::{Array, DType};
use crate::op;
use crate::operand::Operand;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The elements of an array broadcast to `shape`, in row-major order.
enum Elements {
    F32(Vec<f32>),
    I64(Vec<i64>),
}

impl Elements {
    fn of(array: &Array, shape: &Shape) -> Self {
        let array = array.expand(shape);
        match array.dtype() {
            DType::F32 | DType::BF16 => Elements::F32(array.to_vec()),
            DType::I64 => Elements::I64(array.to_vec_i64()),
            DType::Bool => Elements::I64(array.to_vec_bool().into_iter().map(i64::from).collect()),
        }
    }

    fn into_f32(self) -> Vec<f32> {
        match self {
            Elements::F32(v) => v,
            Elements::I64(v) => v.into_iter().map(|v| v as f32).collect(),
        }
    }
}

/// A comparison for floats and for integers.
type Comparison = (fn(f32, f32) -> bool, fn(i64, i64) -> bool);

/// Integers are compared as integers; as soon as one side is of floats, both are.
fn compare_arrays(a: &Array, b: &Array, shape: &Shape, (floats, integers): Comparison) -> Array {
    let truth = match (Elements::of(a, shape), Elements::of(b, shape)) {
        (Elements::I64(a), Elements::I64(b)) => a.into_iter().zip(b).map(|(a, b)| integers(a, b)).collect(),
        (a, b) => a.into_f32().into_iter().zip(b.into_f32()).map(|(a, b)| floats(a, b)).collect(),
    };
    Array::from_bools(truth, shape)
}

#[track_caller]
fn compare(op: &'static str, a: &Tensor, b: Operand<'_>, comparison: Comparison) -> Tensor {
    let b = match b {
        Operand::Tensor(b) => b.clone(),
        // A whole number beside integers or truth values stays one.
        Operand::Number(n) if !a.dtype().is_float() && n.fract() == 0.0 => {
            Tensor::from_i64([n as i64], [0; 0])
        }
        Operand::Number(n) => Tensor::scalar(n as f32),
    };
    op::run(op, a.shape(), broadcast(op, a.shape(), b.shape()), DType::Bool, |shape| {
        Tensor::constant(compare_arrays(a.array(), b.array(), &shape, comparison))
    })
}

macro_rules! comparison {
    ($(#[$doc:meta])* $name:ident, $operator:tt) => {
        $(#[$doc])*
        ///
        /// # Panics
        /// If the shapes do not broadcast.
        #[track_caller]
        pub fn $name<'a>(&self, other: impl Into<Operand<'a>>) -> Tensor {
            compare(stringify!($name), self, other.into(), (|a, b| a $operator b, |a, b| a $operator b))
        }
    };
}

#[track_caller]
fn test(op: &'static str, x: &Tensor, test: fn(f32) -> bool) -> Tensor {
    op::run(op, x.shape(), Ok(x.shape().clone()), DType::Bool, |shape| {
        let values = Elements::of(x.array(), &shape).into_f32();
        Tensor::constant(Array::from_bools(values.into_iter().map(test).collect(), shape))
    })
}

/// # Comparisons
///
/// With a tensor of any dtype, which broadcasts, or with a number. Boolean results without gradient; NaN compares as
/// in IEEE 754: it is not equal to anything.
impl Tensor {
    comparison!(
        /// Whether elements are equal.
        eq, ==
    );
    comparison!(
        /// Whether elements differ.
        ne, !=
    );
    comparison!(
        /// Whether elements are less than the other's.
        lt, <
    );
    comparison!(
        /// Whether elements are less than or equal to the other's.
        le, <=
    );
    comparison!(
        /// Whether elements are greater than the other's.
        gt, >
    );
    comparison!(
        /// Whether elements are greater than or equal to the other's.
        ge, >=
    );

    /// Whether elements are NaN.
    #[track_caller]
    pub fn isnan(&self) -> Tensor {
        test("isnan", self, f32::is_nan)
    }

    /// Whether elements are neither NaN nor infinite.
    #[track_caller]
    pub fn isfinite(&self) -> Tensor {
        test("isfinite", self, f32::is_finite)
    }
}
