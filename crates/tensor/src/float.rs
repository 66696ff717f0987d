//! Floating-point arrays: float32, and bfloat16 for activations in mixed precision.

use crate::array::{Array, DType};
use crate::strided;
use cresset_kernels::{Element, bf16, pointwise};

/// A floating-point type of arrays.
pub trait Float: Element {
    /// Its name among the types of arrays.
    const DTYPE: DType;
}

impl Float for f32 {
    const DTYPE: DType = DType::F32;
}

impl Float for bf16 {
    const DTYPE: DType = DType::BF16;
}

/// Computes `$body` with `$E` the type of numbers that an array of floats holds.
macro_rules! with_float {
    ($array:expr, $E:ident => $body:expr) => {
        if $array.dtype() == $crate::array::DType::BF16 {
            type $E = cresset_kernels::bf16;
            $body
        } else {
            type $E = f32;
            $body
        }
    };
}
pub(crate) use with_float;

/// # Floats of either size
impl Array {
    /// The same numbers as another type of floats, in the same memory order if they are dense.
    pub(crate) fn to_float<E: Float>(&self) -> Array {
        if self.dtype() == E::DTYPE {
            return self.clone();
        }
        let x = self.dense();
        let mut y = Array::empty_like_of::<E>(&x);
        with_float!(x, F => pointwise::convert(x.memory_of::<F>(), y.memory_of_mut::<E>()));
        y
    }

    /// `self + other`, in place if nobody else holds this buffer and both lie in memory alike.
    pub(crate) fn add_float<E: Float>(self, other: &Array) -> Array {
        let other = other.to_float::<E>();
        let mut sum = if self.dtype() == E::DTYPE { self } else { self.to_float::<E>() };
        if sum.same_layout(&other) {
            pointwise::add_assign(sum.memory_of_mut::<E>(), other.memory_of::<E>());
            return sum;
        }
        strided::update(sum.to_float::<f32>(), &other.to_float::<f32>(), |a, b| a + b).to_float::<E>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_rounds_and_keeps_the_memory_order() {
        let x = Array::from_channels_last((0..24).map(|i| i as f32 * 0.1).collect(), [1, 4, 2, 3]);
        let y = x.to_float::<bf16>();
        assert_eq!((y.dtype(), y.shape(), y.bytes()), (DType::BF16, x.shape(), 48));
        assert!(y.is_channels_last());
        let rounded: Vec<f32> = x.to_vec().iter().map(|&v| bf16::from_f32(v).to_f32()).collect();
        assert_eq!(y.to_vec(), rounded);
        assert_eq!(y.to_float::<f32>().to_vec(), rounded);
        assert_eq!(y.contiguous().memory_of::<bf16>().len(), 24);
        assert_eq!(y.contiguous().to_vec(), rounded);
        assert_eq!(y.permute(&[0, 2, 3, 1]).to_vec(), x.permute(&[0, 2, 3, 1]).to_float::<bf16>().to_vec());
    }

    #[test]
    fn a_view_with_gaps_can_be_read() {
        let x = Array::from_vec((0..12).map(|i| i as f32).collect(), [3, 4]).to_float::<bf16>();
        let part = x.narrow(1, 1, 2);
        assert_eq!(part.to_vec(), [1.0, 2.0, 5.0, 6.0, 9.0, 10.0]);
        assert_eq!(part.contiguous().memory_of::<bf16>()[3].to_f32(), 6.0);
    }

    #[test]
    fn writing_copies_what_is_shared() {
        let x = Array::from_vec(vec![1.0, 2.0, 3.0], [3]).to_float::<bf16>();
        let mut y = x.clone();
        y.memory_of_mut::<bf16>()[1] = bf16::from_f32(7.0);
        assert_eq!((x.to_vec(), y.to_vec()), (vec![1.0, 2.0, 3.0], vec![1.0, 7.0, 3.0]));
    }

    #[test]
    fn sums_of_unlike_layouts() {
        let a =
            Array::from_channels_last((0..24).map(|i| i as f32).collect(), [1, 4, 2, 3]).to_float::<bf16>();
        let b = a.contiguous();
        let twice: Vec<f32> = a.to_vec().iter().map(|v| 2.0 * v).collect();
        assert_eq!(a.clone().add_float::<bf16>(&a).to_vec(), twice);
        assert_eq!(a.add_float::<bf16>(&b).to_vec(), twice);
    }
}
