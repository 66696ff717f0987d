//! Elementary functions without branches or tables, so that loops over them vectorize.
//!
//! They use only operations that round the same way everywhere, hence return the same bits on every
//! instruction set. Polynomials for `exp` and `tanh` after Moshier's Cephes library.

use std::f32::consts::LOG2_E;

/// ln 2 in two parts: the first has few enough bits that its product with a small integer is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Adding it to a float of magnitude below 2^22 leaves the nearest integer in the low bits of the mantissa.
const ROUND: f32 = 12_582_912.0;

/// `e^x` within 2 units in the last place, infinite above 88.8 and zero below -103.9.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    exp_sum(x, 0.0)
}

/// `e^(x + low)` for a `low` that is small beside 1: the part of an exponent that does not fit into `x`.
#[inline(always)]
fn exp_sum(x: f32, low: f32) -> f32 {
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = ((x - n * LN2_HIGH) - n * LN2_LOW) + low;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_6e-1;
    let p = p * r + 0.5;
    let p = p * (r * r) + r + 1.0;
    // In two factors, because 2^n itself may be infinite or zero where the result is not.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    p * power(half) * power(n.wrapping_sub(half))
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// [`sigmoid`] and its derivative, which keeps its accuracy where the function is close to 1.
#[inline(always)]
pub(crate) fn sigmoid_and_slope(x: f32) -> (f32, f32) {
    let e = exp(-x.abs());
    let r = 1.0 / (1.0 + e);
    (if x < 0.0 { e * r } else { r }, e * r * r)
}

/// Hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = -5.704_989e-3;
    let p = p * z + 2.063_909e-2;
    let p = p * z - 5.373_971_5e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    let near = p * z * x + x;
    let magnitude = x.abs();
    let far = (1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0)).copysign(x);
    if magnitude < 0.625 { near } else { far }
}

/// Distribution function and density of the standard normal distribution at `x`.
///
/// The tail `Phi(-|x|)` is `exp(-x^2 / 2)` times a slowly varying function (Mills' ratio up to a constant),
/// which a polynomial in `(|x| - 3) / (|x| + 3)`, fitted to minimize the largest relative error, gives to
/// 1e-8. So the tails keep their relative accuracy, which `1 + erf(x)` would lose to cancellation.
#[inline(always)]
pub(crate) fn normal(x: f32) -> (f32, f32) {
    const FRAC_1_SQRT_2PI: f32 = 0.398_942_3;
    let magnitude = x.abs();
    // Beyond 14.5 everything is zero in single precision; the bound keeps infinities out of what follows.
    let a = if magnitude > 15.0 { 15.0 } else { magnitude };
    // a^2 / 2 without rounding: the leading 12 bits of a have an exact square.
    let lead = f32::from_bits(a.to_bits() & 0xffff_f000);
    let gauss = exp_sum(-0.5 * lead * lead, -0.5 * (a - lead) * (a + lead));
    let t = (a - 3.0) / (a + 3.0);
    let q = 5.316_175e-5;
    let q = q * t + 1.150_137_4e-4;
    let q = q * t - 3.390_126_8e-4;
    let q = q * t - 9.832_883e-4;
    let q = q * t + 2.904_387_4e-3;
    let q = q * t + 6.131_942_4e-3;
    let q = q * t - 4.621_326e-2;
    let q = q * t + 1.232_250_4e-1;
    let q = q * t - 2.064_026_1e-1;
    let q = q * t + 1.215_139_5e-1;
    let tail = gauss * q;
    (if x < 0.0 { tail } else { 1.0 - tail }, FRAC_1_SQRT_2PI * gauss)
}
