use super::Simd;

/// One float at a time: for processors without a vector implementation, and as a check on the others.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

// SAFETY: uses no instructions beyond the baseline, and touches only the memory it is given.
unsafe impl Simd for Scalar {
    const LANES: usize = 1;
    const REGISTERS: usize = 16;
    type V = f32;

    #[inline(always)]
    unsafe fn zero() -> f32 {
        0.0
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> f32 {
        // SAFETY: the caller guarantees a valid pointer.
        unsafe { *p }
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> f32 {
        // SAFETY: the caller guarantees n valid floats.
        if n == 0 { 0.0 } else { unsafe { *p } }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: f32) {
        // SAFETY: the caller guarantees a valid pointer.
        unsafe { *p = v }
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: f32, n: usize) {
        if n > 0 {
            // SAFETY: the caller guarantees n valid floats.
            unsafe { *p = v }
        }
    }
    #[inline(always)]
    unsafe fn load_u16(p: *const u16) -> f32 {
        // SAFETY: the trait's contract.
        f32::from(unsafe { *p })
    }
    #[inline(always)]
    unsafe fn store_u16(p: *mut u16, v: f32) {
        // SAFETY: the trait's contract.
        unsafe { *p = v as u16 }
    }
    #[inline(always)]
    unsafe fn add(a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    unsafe fn sub(a: f32, b: f32) -> f32 {
        a - b
    }
    #[inline(always)]
    unsafe fn mul(a: f32, b: f32) -> f32 {
        a * b
    }
    #[inline(always)]
    unsafe fn div(a: f32, b: f32) -> f32 {
        a / b
    }
    // Rounds twice on purpose: without the instruction a single rounding is a slow library call.
    #[inline(always)]
    unsafe fn fma(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
    #[inline(always)]
    unsafe fn fnma(a: f32, b: f32, c: f32) -> f32 {
        c - a * b
    }
    #[inline(always)]
    unsafe fn sqrt(a: f32) -> f32 {
        a.sqrt()
    }
    #[inline(always)]
    unsafe fn max(a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }
    #[inline(always)]
    unsafe fn min(a: f32, b: f32) -> f32 {
        if a < b { a } else { b }
    }
    #[inline(always)]
    unsafe fn select_gt(a: f32, b: f32, x: f32, y: f32) -> f32 {
        if a > b { x } else { y }
    }
    #[inline(always)]
    unsafe fn select_eq(a: f32, b: f32, x: f32, y: f32) -> f32 {
        if a == b { x } else { y }
    }
    #[inline(always)]
    unsafe fn select_above(a: f32, b: f32, x: f32, y: f32) -> f32 {
        if a > b || a.is_nan() { x } else { y }
    }
    #[inline(always)]
    unsafe fn round(a: f32) -> f32 {
        a.round_ties_even()
    }
    #[inline(always)]
    unsafe fn exp2_int(n: f32) -> f32 {
        f32::from_bits(((n as i32 + 127) as u32) << 23)
    }
    #[inline(always)]
    unsafe fn reduce_sum(v: f32) -> f32 {
        v
    }
    #[inline(always)]
    unsafe fn reduce_max(v: f32) -> f32 {
        v
    }
}
