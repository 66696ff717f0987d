//! The types of numbers that activations are stored as. Whatever they are, computing is done in float32.

use crate::simd::Simd;
use bytemuck::Pod;
use half::bf16;
use std::fmt::Debug;

/// Lanes of the longest vector.
const MAX_LANES: usize = 16;

/// A stored number: float32, or bfloat16, which is its upper half.
///
/// Plain loops over slices read with [`widen`](Self::widen) and write with [`narrow`](Self::narrow), which cost
/// nothing for float32 and are vectorized for bfloat16.
pub trait Element: Pod + PartialEq + Debug + Default + Send + Sync {
    /// The same number as float32.
    fn widen(self) -> f32;

    /// The nearest number of this type, ties to even. NaN stays NaN.
    fn narrow(x: f32) -> Self;

    /// Reads the first `n` numbers; the other lanes are 0.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`, and `p` point to `n` numbers, at most its lanes.
    #[inline(always)]
    unsafe fn load<S: Simd>(p: *const Self, n: usize) -> S::V {
        let mut lanes = [0.0; MAX_LANES];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: the caller's promise.
            *lane = unsafe { *p.add(i) }.widen();
        }
        // SAFETY: the caller's promise; no vector has more than MAX_LANES.
        unsafe { S::load(lanes.as_ptr()) }
    }

    /// Writes the first `n` lanes.
    ///
    /// # Safety
    /// As for [`load`](Self::load).
    #[inline(always)]
    unsafe fn store<S: Simd>(p: *mut Self, v: S::V, n: usize) {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: the caller's promise; no vector has more than MAX_LANES.
        unsafe {
            S::store(lanes.as_mut_ptr(), v);
            for (i, &lane) in lanes.iter().enumerate().take(n) {
                *p.add(i) = Self::narrow(lane);
            }
        }
    }
}

impl Element for f32 {
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

    #[test]
    fn vectors_of_bfloat16_hold_what_they_were_made_of() {
        struct Copy<'a>(&'a [bf16], &'a mut [bf16]);
        impl Kernel for Copy<'_> {
            type Out = ();
            #[inline(always)]
            unsafe fn run<S: Simd>(self) {
                for n in 0..=S::LANES {
                    self.1.fill(bf16::ONE);
                    // SAFETY: there are 16 numbers in each.
                    unsafe { bf16::store::<S>(self.1.as_mut_ptr(), bf16::load::<S>(self.0.as_ptr(), n), n) };
                    assert_eq!(self.1[..n], self.0[..n]);
                    assert!(self.1[n..].iter().all(|&x| x == bf16::ONE));
                }
            }
        }
        let x: Vec<bf16> = (0..16).map(|i| bf16::from_f32(i as f32 * 0.37 - 2.0)).collect();
        dispatch(Copy(&x, &mut [bf16::ONE; 16]));
    }
}
