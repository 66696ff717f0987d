//! F(4, 3), for stride 1: six products for four outputs of three taps.

use super::{TapTransform, Transform};
use crate::simd::Simd;

/// F(4, 3), and its transpose for the gradient of the weight.
pub(in super::super) struct Stride1;

/// The points a and b, of 0, a, -a, b, -b and infinity. Their product is 1, which keeps the transforms better
/// conditioned than the customary 1 and 2: less than half the error at the same cost.
const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;
/// Their squares.
const AA: f32 = 0.5;
const BB: f32 = 2.0;

impl Transform<6, 6, 4> for Stride1 {
    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
        // SAFETY: the caller guarantees the instruction set.
        unsafe {
            let (a, b) = (S::splat(A), S::splat(B));
            let squares = S::splat(AA + BB);
            let even = S::fnma(S::splat(BB), d[2], d[4]);
            let odd = S::fnma(b, d[1], S::mul(a, d[3]));
            let even2 = S::fnma(S::splat(AA), d[2], d[4]);
            let odd2 = S::fnma(a, d[1], S::mul(b, d[3]));
            [
                S::fnma(squares, d[2], S::add(d[0], d[4])),
                S::add(even, odd),
                S::sub(even, odd),
                S::add(even2, odd2),
                S::sub(even2, odd2),
                S::fnma(squares, d[3], S::add(d[1], d[5])),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
        // SAFETY: the caller guarantees the instruction set.
        unsafe {
            let (sum1, diff1) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            let (sum2, diff2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            [
                S::add(m[0], S::add(sum1, sum2)),
                S::fma(S::splat(B), diff2, S::mul(S::splat(A), diff1)),
                S::fma(S::splat(BB), sum2, S::mul(S::splat(AA), sum1)),
                S::fma(S::splat(B * BB), diff2, S::fma(S::splat(A * AA), diff1, m[5])),
            ]
        }
    }
}

impl TapTransform<6> for Stride1 {
    #[inline(always)]
    unsafe fn weight<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
        // SAFETY: the caller guarantees the instruction set.
        unsafe {
            let third = S::mul(S::splat(1.0 / 3.0), g[2]);
            let even = S::fnma(S::splat(2.0 / 3.0), g[0], S::sub(S::zero(), third));
            let odd = S::mul(S::splat(-2.0 / 3.0 * A), g[1]);
            let even2 = S::fma(S::splat(1.0 / 6.0), g[0], third);
            let odd2 = S::mul(S::splat(B / 6.0), g[1]);
            [g[0], S::add(even, odd), S::sub(even, odd), S::add(even2, odd2), S::sub(even2, odd2), g[2]]
        }
    }

    #[inline(always)]
    unsafe fn weight_gradient<S: Simd>(m: [S::V; 6]) -> [S::V; 3] {
        // SAFETY: the caller guarantees the instruction set.
        unsafe {
            let (sum1, diff1) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            let (sum2, diff2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            [
                S::fma(S::splat(1.0 / 6.0), sum2, S::fnma(S::splat(2.0 / 3.0), sum1, m[0])),
                S::fma(S::splat(B / 6.0), diff2, S::mul(S::splat(-2.0 / 3.0 * A), diff1)),
                S::fma(S::splat(1.0 / 3.0), S::sub(sum2, sum1), m[5]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output_gradient<S: Simd>(e: [S::V; 4]) -> [S::V; 6] {
        // SAFETY: the caller guarantees the instruction set.
        unsafe {
            let even = S::fma(S::splat(AA), e[2], e[0]);
            let odd = S::fma(S::splat(A * AA), e[3], S::mul(S::splat(A), e[1]));
            let even2 = S::fma(S::splat(BB), e[2], e[0]);
            let odd2 = S::fma(S::splat(B * BB), e[3], S::mul(S::splat(B), e[1]));
            [e[0], S::add(even, odd), S::sub(even, odd), S::add(even2, odd2), S::sub(even2, odd2), e[3]]
        }
    }
}
