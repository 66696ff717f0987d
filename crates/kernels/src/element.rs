//! The types of numbers that activations are stored as. Whatever they are, computing is done in float32.

use crate::simd::{MAX_LANES, Simd};
use bytemuck::Pod;
use half::bf16;
use std::fmt::Debug;

/// A stored number: float32, or bfloat16, which is its upper half.
///
/// Plain loops over slices read with [`widen`](Self::widen) and write with [`narrow`](Self::narrow), which cost
/// nothing for float32 and are vectorized for bfloat16.
pub trait Element: Pod + PartialEq + Debug + Default + Send + Sync {
    /// Whether it is bfloat16.
    const IS_BFLOAT16: bool;

    /// The same number as float32.
    fn widen(self) -> f32;

    /// The nearest number of this type, ties to even. NaN stays NaN.
    fn narrow(x: f32) -> Self;

    /// Reads the first `n` numbers; the other lanes are 0.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`, and `p` point to `n` numbers, at most its lanes.
    unsafe fn load<S: Simd>(p: *const Self, n: usize) -> S::V;

    /// Writes the first `n` lanes.
    ///
    /// # Safety
    /// As for [`load`](Self::load).
    unsafe fn store<S: Simd>(p: *mut Self, v: S::V, n: usize);
}

impl Element for f32 {
    const IS_BFLOAT16: bool = false;

    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
    #[inline(always)]
    fn narrow(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(p: *const f32, n: usize) -> S::V {
        // SAFETY: the caller's promise.
        unsafe { crate::channels::load::<S>(p, n) }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(p: *mut f32, v: S::V, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { crate::channels::store::<S>(p, v, n) }
    }
}

impl Element for bf16 {
    const IS_BFLOAT16: bool = true;

    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }
    /// As [`bf16::from_f32`], without branches.
    #[inline(always)]
    fn narrow(x: f32) -> bf16 {
        let bits = x.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
        let bits = if x.is_nan() { bits | 0x0040_0000 } else { rounded };
        bf16::from_bits((bits >> 16) as u16)
    }
    #[inline(always)]
    unsafe fn load<S: Simd>(p: *const bf16, n: usize) -> S::V {
        // SAFETY: the caller's promise.
        unsafe {
            if n == S::LANES {
                return S::load_bf16(p);
            }
            let mut lanes = [bf16::ZERO; MAX_LANES];
            p.copy_to_nonoverlapping(lanes.as_mut_ptr(), n);
            S::load_bf16(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store<S: Simd>(p: *mut bf16, v: S::V, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if n == S::LANES {
                return S::store_bf16(p, v);
            }
            let mut lanes = [bf16::ZERO; MAX_LANES];
            S::store_bf16(lanes.as_mut_ptr(), v);
            p.copy_from_nonoverlapping(lanes.as_ptr(), n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, dispatch};

    #[test]
    fn bfloat16_rounds_as_the_library_does() {
        // Every pattern of the upper half, with lower halves around a tie.
        for upper in 0..=u16::MAX {
            for lower in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let x = f32::from_bits(u32::from(upper) << 16 | lower);
                assert_eq!(bf16::narrow(x).to_bits(), bf16::from_f32(x).to_bits(), "{x:e}");
            }
            let x = bf16::from_bits(upper);
            assert_eq!(x.widen().to_bits(), (u32::from(upper)) << 16);
        }
    }

    /// Every pattern of the upper half, with lower halves around a tie, in every lane.
    #[test]
    fn vectors_of_bfloat16_round_as_the_library_does() {
        struct Round<'a>(&'a [f32], &'a mut [bf16]);
        impl Kernel for Round<'_> {
            type Out = ();
            #[inline(always)]
            unsafe fn run<S: Simd>(self) {
                for n in 0..=S::LANES {
                    self.1.fill(bf16::ONE);
                    // SAFETY: there are MAX_LANES numbers in each.
                    let again = unsafe {
                        bf16::store::<S>(self.1.as_mut_ptr(), S::load(self.0.as_ptr()), n);
                        let mut again = [0.0; MAX_LANES];
                        S::store(again.as_mut_ptr(), bf16::load::<S>(self.1.as_ptr(), n));
                        again
                    };
                    for (i, (found, again)) in self.1.iter().zip(again).enumerate() {
                        let expected = if i < n { bf16::from_f32(self.0[i]) } else { bf16::ONE };
                        assert_eq!(found.to_bits(), expected.to_bits(), "{:e}", self.0[i]);
                        let expected = if i < n { found.to_f32() } else { 0.0 };
                        assert_eq!(again.to_bits(), expected.to_bits());
                    }
                }
            }
        }
        for upper in 0..=u16::MAX {
            let lower = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];
            let x: Vec<f32> = lower
                .iter()
                .cycle()
                .take(MAX_LANES)
                .map(|l| f32::from_bits(u32::from(upper) << 16 | l))
                .collect();
            dispatch(Round(&x, &mut [bf16::ONE; MAX_LANES]));
        }
    }
}
