//! Sixteen portable lanes: generic code is tested at the width of AVX-512 on machines without it.

use super::Simd;
use std::array::from_fn;

/// Sixteen floats in plain Rust, for tests.
#[derive(Clone, Copy, Debug)]
pub struct Wide;

// SAFETY: uses no instructions beyond the baseline, and touches only the memory it is given.
unsafe impl Simd for Wide {
    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    type V = [f32; 16];

    #[inline(always)]
    unsafe fn zero() -> [f32; 16] {
        [0.0; 16]
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 16] {
        [x; 16]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> [f32; 16] {
        // SAFETY: the trait's contract.
        unsafe { p.cast::<[f32; 16]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> [f32; 16] {
        // SAFETY: the trait's contract.
        from_fn(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: [f32; 16]) {
        // SAFETY: the trait's contract.
        unsafe { p.cast::<[f32; 16]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: [f32; 16], n: usize) {
        for (i, x) in v.into_iter().take(n).enumerate() {
            // SAFETY: the trait's contract.
            unsafe { *p.add(i) = x }
        }
    }
    #[inline(always)]
    unsafe fn load_u16(p: *const u16) -> [f32; 16] {
        // SAFETY: the trait's contract.
        unsafe { p.cast::<[u16; 16]>().read_unaligned() }.map(f32::from)
    }
    #[inline(always)]
    unsafe fn store_u16(p: *mut u16, v: [f32; 16]) {
        // SAFETY: the trait's contract.
        unsafe { p.cast::<[u16; 16]>().write_unaligned(v.map(|x| x as u16)) }
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn fnma(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        from_fn(|i| (-a[i]).mul_add(b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn sqrt(a: [f32; 16]) -> [f32; 16] {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn min(a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn select_gt(a: [f32; 16], b: [f32; 16], x: [f32; 16], y: [f32; 16]) -> [f32; 16] {
        from_fn(|i| if a[i] > b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    unsafe fn select_eq(a: [f32; 16], b: [f32; 16], x: [f32; 16], y: [f32; 16]) -> [f32; 16] {
        from_fn(|i| if a[i] == b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    unsafe fn select_above(a: [f32; 16], b: [f32; 16], x: [f32; 16], y: [f32; 16]) -> [f32; 16] {
        from_fn(|i| if a[i] > b[i] || a[i].is_nan() { x[i] } else { y[i] })
    }
    #[inline(always)]
    unsafe fn round(a: [f32; 16]) -> [f32; 16] {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    unsafe fn exp2_int(n: [f32; 16]) -> [f32; 16] {
        n.map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn reduce_sum(v: [f32; 16]) -> f32 {
        let mut v = v;
        let mut half = 8;
        while half > 0 {
            for i in 0..half {
                v[i] += v[i + half];
            }
            half /= 2;
        }
        v[0]
    }
    #[inline(always)]
    unsafe fn reduce_max(v: [f32; 16]) -> f32 {
        v.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
