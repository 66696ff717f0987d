//! Vectors along the channels of one position, with a shorter one at the end.

use crate::simd::{MAX_LANES, Simd};

/// Calls `f(first channel, n)` for each vector of `n` channels: as many as it holds, and fewer in the last.
///
/// Where `n` is full the compiler knows it, if `f` is `#[inline(always)]`, so that [`load`] and its kin cost
/// nothing.
#[inline(always)]
pub(crate) fn for_each_block<S: Simd>(channels: usize, mut f: impl FnMut(usize, usize)) {
    let mut c = 0;
    while c + S::LANES <= channels {
        f(c, S::LANES);
        c += S::LANES;
    }
    if c < channels {
        f(c, channels - c);
    }
}

/// The first `n` floats, the other lanes 0.
///
/// # Safety
/// As for [`Simd::load_partial`].
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(p: *const f32, n: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe { if n == S::LANES { S::load(p) } else { S::load_partial(p, n) } }
}

/// Writes the first `n` lanes.
///
/// # Safety
/// As for [`Simd::store_partial`].
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(p: *mut f32, v: S::V, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { if n == S::LANES { S::store(p, v) } else { S::store_partial(p, v, n) } }
}

/// The first `n` integers, the other lanes 0.
///
/// # Safety
/// The processor must have the instruction set of `S`, and `p` point to `n` integers, at most its lanes.
#[inline(always)]
pub(crate) unsafe fn load_u16<S: Simd>(p: *const u16, n: usize) -> S::V {
    if n == S::LANES {
        // SAFETY: the caller's promise.
        return unsafe { S::load_u16(p) };
    }
    let mut lanes = [0; MAX_LANES];
    // SAFETY: the caller's promise; n is less than the lanes of S, of which there are at most MAX_LANES.
    unsafe {
        p.copy_to_nonoverlapping(lanes.as_mut_ptr(), n);
        S::load_u16(lanes.as_ptr())
    }
}

/// Writes the first `n` lanes, which hold integers in `0..=65535`.
///
/// # Safety
/// The processor must have the instruction set of `S`, and `p` point to `n` integers, at most its lanes.
#[inline(always)]
pub(crate) unsafe fn store_u16<S: Simd>(p: *mut u16, v: S::V, n: usize) {
    if n == S::LANES {
        // SAFETY: the caller's promise.
        return unsafe { S::store_u16(p, v) };
    }
    let mut lanes = [0; MAX_LANES];
    // SAFETY: the caller's promise; n is less than the lanes of S, of which there are at most MAX_LANES.
    unsafe {
        S::store_u16(lanes.as_mut_ptr(), v);
        p.copy_from_nonoverlapping(lanes.as_ptr(), n);
    }
}
