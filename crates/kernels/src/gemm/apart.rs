//! Products of few rows and many terms, of which each task has terms of its own.
//!
//! A linear layer's weight, (in, out) in memory, is far larger than a batch and its outputs. Cut by rows or columns of C, every
//! thread would read most of it; by terms each reads its own part, the same that it updates later.

use super::blocking::{self, Chunk};
use super::pack::Panels;
use super::{Epilogue, MatrixRef, columns_of, rows_of_c, terms_from};
use crate::parallel::{self, DisjointMut};
use crate::pointwise;
use crate::scratch;

/// Rows of a task, and those if its part of B is too large for L2.
const TASK_ROWS: usize = 12;
const TASK_ROWS_OF_LARGE_PARTS: usize = 48;
/// Floats of B from which on a part is large.
const LARGE_PART: usize = 128 * 1024;
/// Floats of all sums at most.
const MOST_SUMS: usize = 512 * 1024;

/// Whether C is better computed so: several chunks of terms, fewer sums of them than numbers in B, which is read in place.
pub(super) fn applies([m, n, k]: [usize; 3], b: MatrixRef) -> bool {
    let parts = blocking::chunks(1, k).count();
    let few = parts > 1 && parts * m * n <= MOST_SUMS.min(n * k);
    few && Panels::in_place(&columns_of([k, n], b), task_rows(n, k)).is_some()
}

/// Rows of a task.
fn task_rows(n: usize, k: usize) -> usize {
    let part = blocking::chunks(1, k).next().map_or(0, |chunk| chunk.len);
    if part * n > LARGE_PART { TASK_ROWS_OF_LARGE_PARTS } else { TASK_ROWS }
}

/// As [`gemm`](super::gemm()) for a dense C. The sums over the chunks of terms are added in order, so the bits are those of a
/// product that is not cut.
pub(super) fn gemm([m, n, k]: [usize; 3], a: MatrixRef, b: MatrixRef, c: &mut [f32], epilogue: &Epilogue) {
    let parts: Vec<Chunk> = blocking::chunks(1, k).collect();
    let task_rows = task_rows(n, k);
    let blocks = m.div_ceil(task_rows);
    let earlier = parts.len() - 1;
    scratch::with(earlier * m * n, |sums: &mut [f32]| {
        let (sums_of, c_of) = (DisjointMut::new(sums), DisjointMut::new(c));
        parallel::for_each_index(parts.len() * blocks, |task| {
            let (part, row) = (task / blocks, task % blocks * task_rows);
            let rows = task_rows.min(m - row);
            let (sums, first_row) = if part < earlier { (&sums_of, part * m + row) } else { (&c_of, row) };
            // SAFETY: each task has its own rows of its part's sums.
            let sums = unsafe { sums.slice(first_row * n..(first_row + rows) * n) };
            let a = MatrixRef { data: &a.data[row * a.row_stride..], ..a };
            let (a, b) = terms_from(parts[part].offset, a, b);
            rows_of_c(rows, n, parts[part].len, a, b, sums, n, false, Epilogue::default());
        });
        finish(sums, c, epilogue);
    });
}

/// Adds the bias of an epilogue to `c`, sums over a last chunk of terms, then the `earlier` sums, one behind the other, which
/// change, and clamps at zero if wanted: the bits of a product that is not cut, in which the bias belongs to the last chunk.
pub(super) fn finish(earlier: &mut [f32], c: &mut [f32], epilogue: &Epilogue) {
    if let Some(bias) = epilogue.bias {
        pointwise::bias_add_in_place(c, bias);
    }
    let mut parts = earlier.chunks_exact_mut(c.len());
    if let Some(sum) = parts.next() {
        parts.for_each(|part| pointwise::add_assign(sum, part));
        pointwise::add_assign(c, sum);
    }
    if epilogue.relu {
        pointwise::relu_in_place(c);
    }
}
