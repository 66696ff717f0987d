//! Loops over the rows of two matrices at once.

use cresset_kernels::parallel::{MIN_BLOCK, for_each_part};

/// Calls `f(row of out, row of x)` for corresponding rows of `out_len` and `x_len` elements. Short rows share a task.
pub(crate) fn for_each_row<T: Send, U: Sync>(
    out: &mut [T],
    out_len: usize,
    x: &[U],
    x_len: usize,
    f: impl Fn(&mut [T], &[U]) + Sync,
) {
    if out_len == 0 || x_len == 0 {
        return;
    }
    let rows = (MIN_BLOCK / out_len.max(x_len)).max(1);
    for_each_part(out, rows * out_len, |start, out| {
        let x = &x[start / out_len * x_len..];
        out.chunks_exact_mut(out_len).zip(x.chunks_exact(x_len)).for_each(|(out, x)| f(out, x));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_met_once() {
        for (rows, x_len) in [(1, 1), (7, 3), (3 * MIN_BLOCK, 3), (3, 3 * MIN_BLOCK)] {
            let x: Vec<usize> = (0..rows * x_len).collect();
            let mut out = vec![0; rows * 2];
            for_each_row(&mut out, 2, &x, x_len, |out, x| {
                out[0] += x[0];
                out[1] += x[x_len - 1];
            });
            let expected = (0..rows).flat_map(|r| [r * x_len, (r + 1) * x_len - 1]);
            assert!(out.into_iter().eq(expected));
        }
    }
}
