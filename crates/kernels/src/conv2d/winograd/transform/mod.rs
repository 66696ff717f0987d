//! The transforms of tiles, on vectors of channels. In two dimensions they are those of one dimension, down and across.

mod stride1;
mod stride2;

pub(super) use stride1::Stride1;
pub(super) use stride2::{Stride2, Stride2Transposed};

use super::{OUT, WEIGHTS};
use crate::Element;
use crate::gemm::outer_kernel::LINE;
use crate::simd::Simd;

/// An algorithm in one dimension: `IN` inputs and the taps become frequencies, these are multiplied, and the products become
/// `TO` outputs.
pub(super) trait Transform<const IN: usize, const FREQ: usize, const TO: usize> {
    /// `B^T d`: inputs to frequencies.
    ///
    /// # Safety
    /// The processor has the instruction set of `S`.
    unsafe fn input<S: Simd>(d: [S::V; IN]) -> [S::V; FREQ];

    /// `A^T m`: frequencies to outputs.
    ///
    /// # Safety
    /// As [`input`](Self::input).
    unsafe fn output<S: Simd>(m: [S::V; FREQ]) -> [S::V; TO];
}

/// What becomes of the taps, and the transposed algorithm: the gradient of the taps.
pub(super) trait TapTransform<const FREQ: usize> {
    /// `G g`: taps to frequencies.
    ///
    /// # Safety
    /// The processor has the instruction set of `S`.
    unsafe fn weight<S: Simd>(g: [S::V; 3]) -> [S::V; WEIGHTS];

    /// `G^T m`: frequencies to taps, the transpose of [`weight`](Self::weight).
    ///
    /// # Safety
    /// As [`weight`](Self::weight).
    unsafe fn weight_gradient<S: Simd>(m: [S::V; WEIGHTS]) -> [S::V; 3];

    /// `A e`: output gradients to frequencies, the transpose of [`Transform::output`].
    ///
    /// # Safety
    /// As [`weight`](Self::weight).
    unsafe fn output_gradient<S: Simd>(e: [S::V; OUT]) -> [S::V; FREQ];
}

/// `B^T d B` of a tile of pixels of `channels` channels, while the `next` tile's are asked for. Frequency f of line l of 16
/// channels is written `f * strides[0] + l * strides[1]` floats from `to`.
///
/// # Safety
/// Pixels and frequencies have `channels` numbers, a multiple of `LANES`; the processor has the instruction
/// set of `S`.
#[inline(always)]
pub(super) unsafe fn input_tile<S, E, T, const IN: usize, const FREQ: usize, const TO: usize>(
    pixels: &[[*const E; IN]; IN],
    next: &[[*const E; IN]; IN],
    channels: usize,
    to: *mut f32,
    strides: [usize; 2],
) where
    S: Simd,
    E: Element,
    T: Transform<IN, FREQ, TO>,
{
    for channel in (0..channels).step_by(S::LANES) {
        // SAFETY: the caller's guarantees.
        unsafe {
            let to = to.add(channel / LINE * strides[1] + channel % LINE);
            let mut half = [[S::zero(); IN]; FREQ];
            for j in 0..IN {
                let mut d = [S::zero(); IN];
                for (d, row) in d.iter_mut().zip(pixels) {
                    *d = E::load::<S>(row[j].add(channel), S::LANES);
                }
                for row in next {
                    S::prefetch(row[j].wrapping_add(channel).cast());
                }
                for (half, v) in half.iter_mut().zip(T::input::<S>(d)) {
                    half[j] = v;
                }
            }
            for (i, row) in half.into_iter().enumerate() {
                for (j, v) in T::input::<S>(row).into_iter().enumerate() {
                    S::store(to.add((i * FREQ + j) * strides[0]), v);
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
pub(super) unsafe fn output_tile<S, T, const IN: usize, const FREQ: usize, const TO: usize>(
    from: *const f32,
    stride: usize,
) -> [[S::V; TO]; TO]
where
    S: Simd,
    T: Transform<IN, FREQ, TO>,
{
    // SAFETY: the caller's guarantees.
    unsafe {
        let mut half = [[S::zero(); FREQ]; TO];
        for j in 0..FREQ {
            let mut column = [S::zero(); FREQ];
            for (i, v) in column.iter_mut().enumerate() {
                *v = S::load(from.add((i * FREQ + j) * stride));
            }
            for (half, v) in half.iter_mut().zip(T::output::<S>(column)) {
                half[j] = v;
            }
        }
        let mut tile = [[S::zero(); TO]; TO];
        for (tile, row) in tile.iter_mut().zip(half) {
            *tile = T::output::<S>(row);
        }
        tile
    }
}

/// `A e A^T` of a tile of output gradients of `channels` channels, written as [`input_tile`] does.
///
/// # Safety
/// As [`input_tile`].
#[inline(always)]
pub(super) unsafe fn output_gradient_tile<S: Simd, E: Element, T: TapTransform<FREQ>, const FREQ: usize>(
    pixels: &[[*const E; OUT]; OUT],
    next: &[[*const E; OUT]; OUT],
    channels: usize,
    to: *mut f32,
    strides: [usize; 2],
) {
    for channel in (0..channels).step_by(S::LANES) {
        // SAFETY: the caller's guarantees.
        unsafe {
            let to = to.add(channel / LINE * strides[1] + channel % LINE);
            let mut half = [[S::zero(); OUT]; FREQ];
            for j in 0..OUT {
                let mut e = [S::zero(); OUT];
                for (e, row) in e.iter_mut().zip(pixels) {
                    *e = E::load::<S>(row[j].add(channel), S::LANES);
                }
                for row in next {
                    S::prefetch(row[j].wrapping_add(channel).cast());
                }
                for (half, v) in half.iter_mut().zip(T::output_gradient::<S>(e)) {
                    half[j] = v;
                }
            }
            for (i, row) in half.into_iter().enumerate() {
                for (j, v) in T::output_gradient::<S>(row).into_iter().enumerate() {
                    S::store(to.add((i * FREQ + j) * strides[0]), v);
                }
            }
        }
    }
}

/// `G^T m G` of one vector of channels, where m is added up from `parts`; the sum of a weight is read `strides[0]` floats from
/// the one before, that of a part `strides[1]`.
///
/// # Safety
/// As [`output_tile`].
#[inline(always)]
pub(super) unsafe fn weight_gradient_tile<S: Simd, T: TapTransform<FREQ>, const FREQ: usize>(
    from: *const f32,
    strides: [usize; 2],
    parts: usize,
) -> [[S::V; 3]; 3] {
    // SAFETY: the caller's guarantees.
    unsafe {
        let mut half = [[S::zero(); WEIGHTS]; 3];
        for j in 0..WEIGHTS {
            let mut m = [S::zero(); WEIGHTS];
            for (i, m) in m.iter_mut().enumerate() {
                let from = from.add((i * WEIGHTS + j) * strides[0]);
                *m = S::load(from);
                for part in 1..parts {
                    *m = S::add(*m, S::load(from.add(part * strides[1])));
                }
            }
            for (half, v) in half.iter_mut().zip(T::weight_gradient::<S>(m)) {
                half[j] = v;
            }
        }
        let mut taps = [[S::zero(); 3]; 3];
        for (taps, row) in taps.iter_mut().zip(half) {
            *taps = T::weight_gradient::<S>(row);
        }
        taps
    }
}
