//! Stride 2: the even inputs meet the outer taps and the odd ones the middle tap (Huang et al., "DWM: A Decomposable
//! Winograd Method for Convolution Acceleration", 2020). Four outputs of the first are F(4, 2), five products; with those
//! of the second nine, where a direct convolution has twelve.
//!
//! Frequencies are the five, then the four products of the middle tap.

use super::{TapTransform, Transform};
use crate::simd::Simd;

/// A convolution with stride 2, and the transpose for the gradient of its weight.
pub(in super::super) struct Stride2;

/// The gradient of the input of a convolution with stride 2 that has one zero in front: of two neighbours in the input
/// the first met the middle tap only, the second the outer ones. Taps come mirrored.
pub(in super::super) struct Stride2Transposed;

/// The points a and b, of a, -a, b, -b and infinity. Of the symmetric ones that are exact in binary they have the smallest
/// error: a tenth of that of 1 and 2, half of that of the square roots of 1/2 and 2.
const A: f32 = 0.5;
const B: f32 = 1.25;
const AA: f32 = A * A;
const BB: f32 = B * B;

/// `B^T d` of F(4, 2).
///
/// # Safety
/// The processor has the instruction set of `S`.
#[inline(always)]
unsafe fn input<S: Simd>(d: [S::V; 5]) -> [S::V; 5] {
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let (aa, bb) = (S::splat(AA), S::splat(BB));
        let (odd, even) = (S::fnma(bb, d[1], d[3]), S::fnma(bb, d[0], d[2]));
        let (odd2, even2) = (S::fnma(aa, d[1], d[3]), S::fnma(aa, d[0], d[2]));
        [
            S::fma(S::splat(A), even, odd),
            S::fnma(S::splat(A), even, odd),
            S::fma(S::splat(B), even2, odd2),
            S::fnma(S::splat(B), even2, odd2),
            S::fma(S::splat(AA * BB), d[0], S::fnma(S::splat(AA + BB), d[2], d[4])),
        ]
    }
}

/// `A^T m` of F(4, 2), plus `sum`.
///
/// # Safety
/// As [`input`].
#[inline(always)]
unsafe fn output<S: Simd>(m: [S::V; 5], sum: [S::V; 4]) -> [S::V; 4] {
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let (sum1, diff1) = (S::add(m[0], m[1]), S::sub(m[0], m[1]));
        let (sum2, diff2) = (S::add(m[2], m[3]), S::sub(m[2], m[3]));
        [
            S::add(sum[0], S::add(sum1, sum2)),
            S::add(sum[1], S::fma(S::splat(B), diff2, S::mul(S::splat(A), diff1))),
            S::add(sum[2], S::fma(S::splat(BB), sum2, S::mul(S::splat(AA), sum1))),
            S::add(sum[3], S::fma(S::splat(B * BB), diff2, S::fma(S::splat(A * AA), diff1, m[4]))),
        ]
    }
}

impl Transform<9, 9, 4> for Stride2 {
    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 9]) -> [S::V; 9] {
        // SAFETY: the caller's guarantees.
        let e = unsafe { input::<S>([d[0], d[2], d[4], d[6], d[8]]) };
        [e[0], e[1], e[2], e[3], e[4], d[1], d[3], d[5], d[7]]
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 9]) -> [S::V; 4] {
        // SAFETY: the caller's guarantees.
        unsafe { output::<S>([m[0], m[1], m[2], m[3], m[4]], [m[5], m[6], m[7], m[8]]) }
    }
}

impl Transform<5, 9, 8> for Stride2Transposed {
    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 5]) -> [S::V; 9] {
        // SAFETY: the caller's guarantees.
        let e = unsafe { input::<S>(d) };
        [e[0], e[1], e[2], e[3], e[4], d[0], d[1], d[2], d[3]]
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 9]) -> [S::V; 8] {
        // SAFETY: the caller's guarantees.
        let y = unsafe { output::<S>([m[0], m[1], m[2], m[3], m[4]], [S::zero(); 4]) };
        [m[5], y[0], m[6], y[1], m[7], y[2], m[8], y[3]]
    }
}

impl TapTransform<9> for Stride2 {
    #[inline(always)]
    unsafe fn weight<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
        const SCALE: f32 = 1.0 / (2.0 * (AA - BB));
        // SAFETY: the caller guarantees the instruction set.
        unsafe {
            let even = S::mul(S::splat(SCALE), g[2]);
            let odd = S::mul(S::splat(SCALE / A), g[0]);
            let odd2 = S::mul(S::splat(SCALE / B), g[0]);
            let minus = S::sub(S::zero(), even);
            [S::add(even, odd), S::sub(even, odd), S::sub(minus, odd2), S::add(minus, odd2), g[2], g[1]]
        }
    }

    #[inline(always)]
    unsafe fn weight_gradient<S: Simd>(m: [S::V; 6]) -> [S::V; 3] {
        const SCALE: f32 = 1.0 / (2.0 * (AA - BB));
        // SAFETY: the caller guarantees the instruction set.
        unsafe {
            let (sum1, diff1) = (S::add(m[0], m[1]), S::sub(m[0], m[1]));
            let (sum2, diff2) = (S::add(m[2], m[3]), S::sub(m[2], m[3]));
            let first = S::fnma(S::splat(SCALE / B), diff2, S::mul(S::splat(SCALE / A), diff1));
            [first, m[5], S::fma(S::splat(SCALE), S::sub(sum1, sum2), m[4])]
        }
    }

    #[inline(always)]
    unsafe fn output_gradient<S: Simd>(e: [S::V; 4]) -> [S::V; 9] {
        // SAFETY: the caller guarantees the instruction set.
        unsafe {
            let even = S::fma(S::splat(AA), e[2], e[0]);
            let odd = S::fma(S::splat(A * AA), e[3], S::mul(S::splat(A), e[1]));
            let even2 = S::fma(S::splat(BB), e[2], e[0]);
            let odd2 = S::fma(S::splat(B * BB), e[3], S::mul(S::splat(B), e[1]));
            let [sum, diff] = [S::add(even, odd), S::sub(even, odd)];
            [sum, diff, S::add(even2, odd2), S::sub(even2, odd2), e[3], e[0], e[1], e[2], e[3]]
        }
    }
}
