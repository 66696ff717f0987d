//! The one-dimensional transforms, on vectors of channels. Two dimensions are two passes.

use crate::simd::Simd;

/// The points a and b, of 0, a, -a, b, -b and infinity. Their product is 1, which keeps the transforms better
/// conditioned than the customary 1 and 2: less than half the error at the same cost.
const A: f32 = std::f32::consts::FRAC_1_SQRT_2;
const B: f32 = std::f32::consts::SQRT_2;
/// Their squares.
const AA: f32 = 0.5;
const BB: f32 = 2.0;

/// `B^T d`: inputs to frequencies.
///
/// # Safety
/// The processor has the instruction set of `S`.
#[inline(always)]
pub(super) unsafe fn input<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
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

/// `A^T m`: frequencies to outputs.
///
/// # Safety
/// As [`input`].
#[inline(always)]
pub(super) unsafe fn output<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
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

/// `G g`: kernel taps to frequencies.
///
/// # Safety
/// As [`input`].
#[inline(always)]
pub(super) unsafe fn weight<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
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

/// `A e`: output gradients to frequencies, the transpose of [`output`].
///
/// # Safety
/// As [`input`].
#[inline(always)]
pub(super) unsafe fn output_gradient<S: Simd>(e: [S::V; 4]) -> [S::V; 6] {
    // SAFETY: the caller guarantees the instruction set.
    unsafe {
        let even = S::fma(S::splat(AA), e[2], e[0]);
        let odd = S::fma(S::splat(A * AA), e[3], S::mul(S::splat(A), e[1]));
        let even2 = S::fma(S::splat(BB), e[2], e[0]);
        let odd2 = S::fma(S::splat(B * BB), e[3], S::mul(S::splat(B), e[1]));
        [e[0], S::add(even, odd), S::sub(even, odd), S::add(even2, odd2), S::sub(even2, odd2), e[3]]
    }
}

/// `G^T m`: frequencies to kernel taps, the transpose of [`weight`].
///
/// # Safety
/// As [`input`].
#[inline(always)]
pub(super) unsafe fn weight_gradient<S: Simd>(m: [S::V; 6]) -> [S::V; 3] {
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

/// `B^T d B` of a tile of 6x6 pixels of `channels` channels; frequency f is written `f * stride` floats from
/// `to`.
///
/// # Safety
/// Pixels and frequencies have `channels` floats, a multiple of `LANES`; the processor has the instruction
/// set of `S`.
#[inline(always)]
pub(super) unsafe fn input_tile<S: Simd>(
    pixels: &[[*const f32; 6]; 6],
    channels: usize,
    to: *mut f32,
    stride: usize,
) {
    for channel in (0..channels).step_by(S::LANES) {
        // SAFETY: the caller's guarantees.
        unsafe {
            let mut half = [[S::zero(); 6]; 6];
            for j in 0..6 {
                let column = [0, 1, 2, 3, 4, 5].map(|i: usize| pixels[i][j]);
                let mut d = [S::zero(); 6];
                for (d, p) in d.iter_mut().zip(column) {
                    *d = S::load(p.add(channel));
                }
                for (half, v) in half.iter_mut().zip(input::<S>(d)) {
                    half[j] = v;
                }
            }
            for (i, row) in half.into_iter().enumerate() {
                for (j, v) in input::<S>(row).into_iter().enumerate() {
                    S::store(to.add((i * 6 + j) * stride + channel), v);
                }
            }
        }
    }
}

/// `A^T m A` of one vector of channels; frequency f is read `f * stride` floats from `from`.
///
/// # Safety
/// Frequencies have `LANES` floats; the processor has the instruction set of `S`.
#[inline(always)]
pub(super) unsafe fn output_tile<S: Simd>(from: *const f32, stride: usize) -> [[S::V; 4]; 4] {
    // SAFETY: the caller's guarantees.
    unsafe {
        let mut half = [[S::zero(); 6]; 4];
        for j in 0..6 {
            let mut column = [S::zero(); 6];
            for (i, v) in column.iter_mut().enumerate() {
                *v = S::load(from.add((i * 6 + j) * stride));
            }
            for (half, v) in half.iter_mut().zip(output::<S>(column)) {
                half[j] = v;
            }
        }
        let mut tile = [[S::zero(); 4]; 4];
        for (tile, row) in tile.iter_mut().zip(half) {
            *tile = output::<S>(row);
        }
        tile
    }
}

/// `A e A^T` of a tile of 4x4 pixels of `channels` channels; frequency f is written `f * stride` floats from
/// `to`.
///
/// # Safety
/// As [`input_tile`].
#[inline(always)]
pub(super) unsafe fn output_gradient_tile<S: Simd>(
    pixels: &[[*const f32; 4]; 4],
    channels: usize,
    to: *mut f32,
    stride: usize,
) {
    for channel in (0..channels).step_by(S::LANES) {
        // SAFETY: the caller's guarantees.
        unsafe {
            let mut half = [[S::zero(); 4]; 6];
            for j in 0..4 {
                let mut e = [S::zero(); 4];
                for (e, row) in e.iter_mut().zip(pixels) {
                    *e = S::load(row[j].add(channel));
                }
                for (half, v) in half.iter_mut().zip(output_gradient::<S>(e)) {
                    half[j] = v;
                }
            }
            for (i, row) in half.into_iter().enumerate() {
                for (j, v) in output_gradient::<S>(row).into_iter().enumerate() {
                    S::store(to.add((i * 6 + j) * stride + channel), v);
                }
            }
        }
    }
}

/// `G^T m G` of one vector of channels; frequency f is read `f * stride` floats from `from`.
///
/// # Safety
/// As [`output_tile`].
#[inline(always)]
pub(super) unsafe fn weight_gradient_tile<S: Simd>(from: *const f32, stride: usize) -> [[S::V; 3]; 3] {
    // SAFETY: the caller's guarantees.
    unsafe {
        let mut half = [[S::zero(); 6]; 3];
        for j in 0..6 {
            let mut m = [S::zero(); 6];
            for (i, m) in m.iter_mut().enumerate() {
                *m = S::load(from.add((i * 6 + j) * stride));
            }
            for (half, v) in half.iter_mut().zip(weight_gradient::<S>(m)) {
                half[j] = v;
            }
        }
        let mut taps = [[S::zero(); 3]; 3];
        for (taps, row) in taps.iter_mut().zip(half) {
            *taps = weight_gradient::<S>(row);
        }
        taps
    }
}
