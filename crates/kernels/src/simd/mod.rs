//! One small vector type per instruction set, and the choice among them at run time.
//!
//! A kernel is written once, generic over [`Simd`], and handed to [`dispatch`], which calls it inside a
//! function compiled for the chosen instruction set. Everything between `dispatch` and the intrinsics has to
//! be `#[inline(always)]`: a function that is not inlined is compiled for the baseline instruction set, and
//! each vector operation in it becomes a call, a hundred times slower. The usual trap is a closure handed to a
//! function that is not inlined (`parallel::for_each_range`, `scratch::with`): call `dispatch` inside of it.
//!
//! ```
//! use cresset_kernels::simd::{Kernel, Simd, dispatch};
//!
//! struct Scale<'a>(f32, &'a mut [f32]);
//!
//! impl Kernel for Scale<'_> {
//!     type Out = ();
//!     #[inline(always)]
//!     unsafe fn run<S: Simd>(self) {
//!         for chunk in self.1.chunks_mut(S::LANES) {
//!             let (p, n) = (chunk.as_mut_ptr(), chunk.len());
//!             // SAFETY: the caller guarantees the instruction set; p points to n floats.
//!             unsafe { S::store_partial(p, S::mul(S::splat(self.0), S::load_partial(p, n)), n) }
//!         }
//!     }
//! }
//!
//! let mut x = [1.0, 2.0, 3.0];
//! dispatch(Scale(2.0, &mut x));
//! assert_eq!(x, [2.0, 4.0, 6.0]);
//! ```

mod detect;
mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod wide;

use crate::Element;
use half::bf16;

pub use detect::{Isa, dispatch, dispatch_narrow, dispatch_on, dispatch_pairs, has_pairs, isa};
pub use scalar::Scalar;

#[cfg(target_arch = "x86_64")]
pub use {avx2::Avx2, avx512::Avx512};

#[cfg(target_arch = "aarch64")]
pub use neon::Neon;

/// Lanes of the longest vector.
pub(crate) const MAX_LANES: usize = 16;

/// A computation that is written once and compiled for every instruction set.
pub trait Kernel {
    /// What the computation returns.
    type Out;

    /// Does the work with the vectors of `S`. Implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The processor must have the instruction set of `S`; [`dispatch`] guarantees it.
    unsafe fn run<S: Simd>(self) -> Self::Out;
}

/// A vector of `LANES` f32 values and the operations kernels need of it.
///
/// # Safety
/// Every method requires that the processor has the instruction set of the implementation. Methods that take
/// a pointer also require it to be valid for the numbers they read or write; alignment beyond theirs is never
/// required.
#[allow(clippy::missing_safety_doc)] // the trait's own section covers all methods
pub unsafe trait Simd: Copy + Send + Sync + 'static {
    /// Number of f32 in a vector.
    const LANES: usize;
    /// Vector registers of the instruction set: micro-kernels choose their tile by it.
    const REGISTERS: usize;
    /// The vector.
    type V: Copy;

    /// All lanes 0.
    unsafe fn zero() -> Self::V;
    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self::V;
    /// Reads `LANES` floats.
    unsafe fn load(p: *const f32) -> Self::V;
    /// Reads the first `n <= LANES` floats; the other lanes are 0 and their memory is not touched.
    unsafe fn load_partial(p: *const f32, n: usize) -> Self::V;
    /// Writes `LANES` floats.
    unsafe fn store(p: *mut f32, v: Self::V);
    /// Writes the first `n <= LANES` floats and touches no others.
    unsafe fn store_partial(p: *mut f32, v: Self::V, n: usize);
    /// Reads `LANES` integers.
    unsafe fn load_u16(p: *const u16) -> Self::V;
    /// Writes lanes that hold integers in `0..=65535`.
    unsafe fn store_u16(p: *mut u16, v: Self::V);
    /// Reads `LANES` bfloat16 numbers.
    #[inline(always)]
    unsafe fn load_bf16(p: *const bf16) -> Self::V {
        let mut lanes = [0.0; MAX_LANES];
        for (i, lane) in lanes.iter_mut().enumerate().take(Self::LANES) {
            // SAFETY: the trait's contract.
            *lane = unsafe { *p.add(i) }.widen();
        }
        // SAFETY: no vector has more than MAX_LANES.
        unsafe { Self::load(lanes.as_ptr()) }
    }
    /// Writes `LANES` bfloat16 numbers, the nearest ones, ties to even. NaN stays NaN.
    #[inline(always)]
    unsafe fn store_bf16(p: *mut bf16, v: Self::V) {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: no vector has more than MAX_LANES.
        unsafe { Self::store(lanes.as_mut_ptr(), v) };
        for (i, lane) in lanes.into_iter().enumerate().take(Self::LANES) {
            // SAFETY: the trait's contract.
            unsafe { *p.add(i) = bf16::narrow(lane) };
        }
    }
    /// `LANES` bfloat16 numbers from `p` and as many from `q`, in pairs, as memory has them.
    #[inline(always)]
    unsafe fn load_pairs(p: *const bf16, q: *const bf16) -> Self::V {
        let mut lanes = [0.0; MAX_LANES];
        for (i, lane) in lanes.iter_mut().enumerate().take(Self::LANES) {
            // SAFETY: the trait's contract.
            *lane = bytemuck::cast(unsafe { [*p.add(i), *q.add(i)] });
        }
        // SAFETY: no vector has more than MAX_LANES.
        unsafe { Self::load(lanes.as_ptr()) }
    }
    /// The nearest bfloat16 numbers, as [`store_bf16`](Self::store_bf16) writes them.
    #[inline(always)]
    unsafe fn round_bf16(v: Self::V) -> Self::V {
        let mut lanes = [bf16::ZERO; MAX_LANES];
        // SAFETY: no vector has more than MAX_LANES.
        unsafe {
            Self::store_bf16(lanes.as_mut_ptr(), v);
            Self::load_bf16(lanes.as_ptr())
        }
    }
    /// Asks for the cache line at `p`, any address, to be brought into L2; without effect where there is no
    /// stable intrinsic for it.
    #[inline(always)]
    unsafe fn prefetch(_p: *const f32) {}

    /// Writes a block of `LANES` rows of `LANES` floats, `from_stride` apart, as columns: float j of row i becomes float i of
    /// row j, `to_stride` apart.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for i in 0..Self::LANES {
            for j in 0..Self::LANES {
                // SAFETY: the caller's blocks have these floats.
                unsafe { *to.add(j * to_stride + i) = *from.add(i * from_stride + j) }
            }
        }
    }

    /// `a + b`
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, rounded once.
    unsafe fn fnma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a0 * b0 + a1 * b1 + c` of lanes of `a` and `b` that hold two bfloat16 numbers each, as memory has them. How the
    /// sum is rounded, and whether the smallest numbers count as 0, depends on the processor.
    ///
    /// # Safety
    /// The vectors of [`Isa::Avx512`] need a processor with [`Isa::Avx512Bf16`] here.
    #[inline(always)]
    unsafe fn dot_pairs(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        let mut lanes = [[0.0; MAX_LANES]; 3];
        for (lanes, v) in lanes.iter_mut().zip([a, b, c]) {
            // SAFETY: no vector has more than MAX_LANES.
            unsafe { Self::store(lanes.as_mut_ptr(), v) };
        }
        let [a, b, mut c] = lanes;
        for ((c, a), b) in c.iter_mut().zip(a).zip(b) {
            let [high, low] = [
                |x: f32| f32::from_bits(x.to_bits() & 0xffff_0000),
                |x: f32| f32::from_bits(x.to_bits() << 16),
            ];
            *c = low(a).mul_add(low(b), high(a).mul_add(high(b), *c));
        }
        // SAFETY: no vector has more than MAX_LANES.
        unsafe { Self::load(c.as_ptr()) }
    }
    /// Square root, correctly rounded.
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// `if a > b { a } else { b }`: `b` when either is NaN, so `max(zero, x)` is a ReLU that keeps NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// `if a < b { a } else { b }`: `b` when either is NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// `if a > b { x } else { y }`; the bits of `x` and `y` are kept as they are.
    unsafe fn select_gt(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `if a == b { x } else { y }`; the bits of `x` and `y` are kept as they are.
    unsafe fn select_eq(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `if a > b || a.is_nan() { x } else { y }`: what max pooling asks of each element of its window.
    unsafe fn select_above(a: Self::V, b: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `if c > 0 { x } else { y }`: the gradient of a ReLU is `select_positive(y, grad, zero)`.
    #[inline(always)]
    unsafe fn select_positive(c: Self::V, x: Self::V, y: Self::V) -> Self::V {
        // SAFETY: as this method's.
        unsafe { Self::select_gt(c, Self::zero(), x, y) }
    }
    /// The nearest integer, ties to even.
    unsafe fn round(a: Self::V) -> Self::V;
    /// `2^n` of lanes that hold integers in `-126..=127`.
    unsafe fn exp2_int(n: Self::V) -> Self::V;

    /// The sum of all lanes, added as a balanced tree: halves, then quarters, and so on.
    unsafe fn reduce_sum(v: Self::V) -> f32;
    /// The largest lane. Unspecified when a lane is NaN.
    unsafe fn reduce_max(v: Self::V) -> f32;
}

/// Asks for bytes to be brought into L2, for whoever will read them soon and knows it before the processor does.
pub fn prefetch(bytes: &[u8]) {
    /// Of a cache line.
    const LINE: usize = 64;
    struct Prefetch<'a>(&'a [u8]);
    impl Kernel for Prefetch<'_> {
        type Out = ();
        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            for line in self.0.chunks(LINE) {
                // SAFETY: the caller guarantees the instruction set; any address will do.
                unsafe { S::prefetch(line.as_ptr().cast()) }
            }
        }
    }
    dispatch(Prefetch(bytes));
}
