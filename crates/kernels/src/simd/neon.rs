use super::Simd;
use core::arch::aarch64::*;
use half::bf16;

/// NEON: four floats.
#[derive(Clone, Copy, Debug)]
pub struct Neon;

// SAFETY: every aarch64 processor has NEON; memory is touched only in the ranges the
// trait's contract names.
unsafe impl Simd for Neon {
    const LANES: usize = 4;
    const REGISTERS: usize = 32;
    type V = float32x4_t;

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vdupq_n_f32(0.0) }
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe {
            let mut lanes = [0.0f32; 4];
            core::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), n);
            vld1q_f32(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: float32x4_t) {
        // SAFETY: the trait's contract.
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: float32x4_t, n: usize) {
        // SAFETY: the trait's contract.
        unsafe {
            let mut lanes = [0.0f32; 4];
            vst1q_f32(lanes.as_mut_ptr(), v);
            core::ptr::copy_nonoverlapping(lanes.as_ptr(), p, n);
        }
    }
    #[inline(always)]
    unsafe fn load_u16(p: *const u16) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vcvtq_f32_u32(vmovl_u16(vld1_u16(p))) }
    }
    #[inline(always)]
    unsafe fn store_u16(p: *mut u16, v: float32x4_t) {
        // SAFETY: the trait's contract.
        unsafe { vst1_u16(p, vmovn_u32(vcvtq_u32_f32(v))) }
    }
    #[inline(always)]
    unsafe fn load_bf16(p: *const bf16) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(p.cast()))) }
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut bf16, v: float32x4_t) {
        // SAFETY: the trait's contract.
        unsafe {
            let bits = vreinterpretq_u32_f32(v);
            let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
            let rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));
            let quiet = vorrq_u32(bits, vdupq_n_u32(0x0040_0000));
            let bits = vbslq_u32(vceqq_f32(v, v), rounded, quiet);
            vst1_u16(p.cast(), vshrn_n_u32::<16>(bits));
        }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vdivq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn fnma(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vfmsq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vsqrtq_f32(a) }
    }
    // Not vmaxq_f32, which returns NaN when either is NaN.
    #[inline(always)]
    unsafe fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }
    #[inline(always)]
    unsafe fn select_gt(a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vbslq_f32(vcgtq_f32(a, b), x, y) }
    }
    #[inline(always)]
    unsafe fn select_eq(a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vbslq_f32(vceqq_f32(a, b), x, y) }
    }
    #[inline(always)]
    unsafe fn select_above(a: float32x4_t, b: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vbslq_f32(vornq_u32(vcgtq_f32(a, b), vceqq_f32(a, a)), x, y) }
    }
    #[inline(always)]
    unsafe fn round(a: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe { vrndnq_f32(a) }
    }
    #[inline(always)]
    unsafe fn exp2_int(n: float32x4_t) -> float32x4_t {
        // SAFETY: the trait's contract.
        unsafe {
            let exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        }
    }
    #[inline(always)]
    unsafe fn reduce_sum(v: float32x4_t) -> f32 {
        // SAFETY: the trait's contract.
        unsafe {
            let halves = vadd_f32(vget_low_f32(v), vget_high_f32(v));
            vget_lane_f32::<0>(halves) + vget_lane_f32::<1>(halves)
        }
    }
    #[inline(always)]
    unsafe fn reduce_max(v: float32x4_t) -> f32 {
        // SAFETY: the trait's contract.
        unsafe { vmaxvq_f32(v) }
    }
}
