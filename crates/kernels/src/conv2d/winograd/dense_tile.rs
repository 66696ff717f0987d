//! The innermost loops of the products: like the micro-kernels of `gemm`, but with operands at fixed distances
//! and nothing done to the result, which matters when there are only 64 channels.

use crate::simd::Simd;

/// `C = A B` or `C += A B` for `MR` rows and `NV` vectors of columns, `depth` deep.
///
/// # Safety
/// `a` has `MR` rows of `depth` floats, `a_stride` apart; `b` has `depth` rows of `NV` vectors; `c` has `MR`
/// rows of `NV` vectors, `c_stride` apart. The processor has the instruction set of `S`.
#[inline(always)]
pub(super) unsafe fn dense_tile<S: Simd, const MR: usize, const NV: usize>(
    depth: usize,
    a: *const f32,
    a_stride: usize,
    b: *const f32,
    c: *mut f32,
    c_stride: usize,
    accumulate: bool,
) {
    // SAFETY: the caller's guarantees.
    unsafe {
        let mut acc = [[S::zero(); NV]; MR];
        let mut b = b;
        for p in 0..depth {
            let mut bv = [S::zero(); NV];
            for (j, bv) in bv.iter_mut().enumerate() {
                *bv = S::load(b.add(j * S::LANES));
            }
            b = b.add(NV * S::LANES);
            for (i, acc) in acc.iter_mut().enumerate() {
                let av = S::splat(*a.add(i * a_stride + p));
                for j in 0..NV {
                    acc[j] = S::fma(av, bv[j], acc[j]);
                }
            }
        }
        for (i, acc) in acc.into_iter().enumerate() {
            for (j, v) in acc.into_iter().enumerate() {
                let c = c.add(i * c_stride + j * S::LANES);
                S::store(c, if accumulate { S::add(v, S::load(c)) } else { v });
            }
        }
    }
}

/// `C = A^T B` or `C += A^T B` for `MR` rows and `NV` vectors of columns: `points` rows of `MR` floats in `a`,
/// of `NV` vectors in `b`. The first `rows` rows are written.
///
/// # Safety
/// As [`dense_tile`].
#[inline(always)]
pub(super) unsafe fn outer_tile<S: Simd, const MR: usize, const NV: usize>(
    points: usize,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    c_stride: usize,
    rows: usize,
    accumulate: bool,
) {
    // SAFETY: the caller's guarantees.
    unsafe {
        let mut acc = [[S::zero(); NV]; MR];
        let (mut a, mut b) = (a, b);
        for _ in 0..points {
            let mut bv = [S::zero(); NV];
            for (j, bv) in bv.iter_mut().enumerate() {
                *bv = S::load(b.add(j * S::LANES));
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let av = S::splat(*a.add(i));
                for j in 0..NV {
                    acc[j] = S::fma(av, bv[j], acc[j]);
                }
            }
            (a, b) = (a.add(MR), b.add(NV * S::LANES));
        }
        for (i, acc) in acc.into_iter().enumerate() {
            if i >= rows {
                break;
            }
            for (j, v) in acc.into_iter().enumerate() {
                let c = c.add(i * c_stride + j * S::LANES);
                S::store(c, if accumulate { S::add(v, S::load(c)) } else { v });
            }
        }
    }
}
