//! Loops over the rows of a (rows, columns) matrix with one parameter or one sum for each column.
//!
//! A row of few columns would leave vectors half empty. Rows are contiguous, so several of them are treated
//! as one wide row, with the parameters repeated, or with a set of sums for each of the rows in it.

/// Columns of a wide row at least.
const WIDE: usize = 64;
/// Elements of a block whose sums are formed in single precision; small enough to be read twice from the
/// cache.
const BLOCK: usize = 32 * 1024;
/// Wide rows of a block: the length of a chain of single-precision additions.
const CHAIN: std::ops::RangeInclusive<usize> = 16..=512;

/// Blocks that one task of a parallel reduction over rows takes.
pub(crate) const BLOCKS_PER_TASK: usize = 4;

/// Rows of `columns` elements in a block.
pub(crate) fn block(columns: usize) -> usize {
    let together = together(columns);
    (BLOCK / columns.max(1) / together).clamp(*CHAIN.start(), *CHAIN.end()) * together
}

/// Rows of `columns` elements that make one wide row.
pub(crate) fn together(columns: usize) -> usize {
    WIDE.div_ceil(columns.max(1))
}

/// Elements of a wide row.
pub(crate) fn wide_len(columns: usize) -> usize {
    together(columns) * columns
}

/// Repeats the first row of `wide` in the others.
#[inline(always)]
pub(crate) fn widen(columns: usize, wide: &mut [f32]) {
    let (first, others) = wide.split_at_mut(columns);
    others.chunks_exact_mut(columns.max(1)).for_each(|other| other.copy_from_slice(first));
}

/// Adds the other rows of `wide`, in order, to the first.
#[inline(always)]
pub(crate) fn narrow(columns: usize, wide: &mut [f32]) {
    let (first, others) = wide.split_at_mut(columns);
    for other in others.chunks_exact(columns.max(1)) {
        for (a, b) in first.iter_mut().zip(other) {
            *a += b;
        }
    }
}

/// Calls `f` with the wide rows of several parameters, each given as one row.
pub(crate) fn with_widened<const N: usize, R>(
    parameters: [&[f32]; N],
    f: impl FnOnce([&[f32]; N]) -> R,
) -> R {
    let columns = parameters.first().map_or(0, |p| p.len());
    let len = wide_len(columns);
    crate::scratch::with(N * len, |buffer: &mut [f32]| {
        for (wide, parameter) in buffer.chunks_exact_mut(len.max(1)).zip(parameters) {
            wide[..columns].copy_from_slice(parameter);
            widen(columns, wide);
        }
        f(std::array::from_fn(|i| &buffer[i * len..][..len]))
    })
}
