//! Running a kernel on all threads.
//!
//! Work is cut by size, never by the number of threads, and partial results are combined in the order of
//! their blocks: the same input gives the same bits at any number of threads. Work that fits in one block
//! runs on the caller's thread, without a launch.

mod pool;
mod sums;

pub use sums::sum_blocks;

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::OnceLock;

/// Fewest elements of an element-wise kernel that are worth handing to another thread. (Miri is to see several blocks
/// without computing that many.)
pub const MIN_BLOCK: usize = if cfg!(miri) { 256 } else { 16 * 1024 };

/// Threads that parallel regions use: those of the rayon pool around the caller, so that its global pool or
/// `ThreadPool::install` limit kernels too.
pub fn num_threads() -> usize {
    rayon::current_num_threads()
}

/// Threads that can run at the same time. More would only wait for each other.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// How a thread goes through its share of the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the first to the last.
    Forwards,
    /// From the last to the first: what a kernel before this one wrote forwards is in the caches at its end.
    Backwards,
}

/// Calls `f(0)`, ..., `f(tasks - 1)`, each once, in any order and possibly at the same time.
///
/// Each thread begins with a share of its own, the first the first tasks and so on, whatever the kernel: if all of them count
/// their tasks along the images of a batch, a thread finds in its caches what it wrote there before. (Two cores that share no
/// cache need hundreds of nanoseconds for each cache line that goes from one to the other.)
pub fn for_each_index(tasks: usize, f: impl Fn(usize) + Sync) {
    for_each_index_in(Order::Forwards, tasks, f);
}

/// [`for_each_index`] in an order.
pub fn for_each_index_in(order: Order, tasks: usize, f: impl Fn(usize) + Sync) {
    pool::run(tasks, threads_for(tasks), order, &|_, task| f(task));
}

/// Threads that take part in so many tasks at most.
fn threads_for(tasks: usize) -> usize {
    if tasks <= 1 { 1 } else { num_threads().min(cores()) }
}

/// Cuts `0..len` into ranges of `block` items (the last may be shorter) and calls `f` with each.
pub fn for_each_range(len: usize, block: usize, f: impl Fn(Range<usize>) + Sync) {
    for_each_range_in(Order::Forwards, len, block, f);
}

/// [`for_each_range`] in an order.
pub fn for_each_range_in(order: Order, len: usize, block: usize, f: impl Fn(Range<usize>) + Sync) {
    let block = block.max(1);
    for_each_index_in(order, len.div_ceil(block), |i| f(i * block..len.min((i + 1) * block)));
}

/// Cuts `data` into chunks of whole granules with about [`MIN_BLOCK`] elements each, and calls
/// `f(index of the chunk's first element, chunk)` for each.
///
/// A granule is what must stay together, for instance a row; data smaller than a block runs inline. Chunks are of even size,
/// and an even number, so that two threads have equal shares.
pub fn for_each_chunk<T: Send>(data: &mut [T], granule: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    for_each_chunk_in(Order::Forwards, data, granule, f);
}

/// [`for_each_chunk`] in an order.
pub fn for_each_chunk_in<T: Send>(
    order: Order,
    data: &mut [T],
    granule: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    let chunk = data.len().div_ceil(even_chunks(data.len()));
    for_each_part_in(order, data, chunk.next_multiple_of(granule.max(1)), f);
}

/// Into how many chunks of even size [`for_each_chunk`] cuts so many elements.
pub fn even_chunks(elements: usize) -> usize {
    let chunks = elements.div_ceil(MIN_BLOCK);
    if chunks > 1 { chunks.next_multiple_of(2) } else { 1 }
}

/// Cuts `data` into parts of `len` elements (the last may be shorter) and calls
/// `f(index of the part's first element, part)` for each.
pub fn for_each_part<T: Send>(data: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    for_each_part_in(Order::Forwards, data, len, f);
}

fn for_each_part_in<T: Send>(order: Order, data: &mut [T], len: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let total = data.len();
    let writer = DisjointMut::new(data);
    for_each_range_in(order, total, len, |range| {
        let start = range.start;
        // SAFETY: the ranges of for_each_range_in do not overlap.
        f(start, unsafe { writer.slice(range) });
    });
}

/// Maps each range of `block` items of `0..len`, possibly in parallel, then combines the results from the
/// first block to the last, in whatever order they were computed. `None` when `len` is 0.
pub fn reduce_blocks<A: Send>(
    len: usize,
    block: usize,
    map: impl Fn(Range<usize>) -> A + Sync,
    combine: impl FnMut(A, A) -> A,
) -> Option<A> {
    reduce_blocks_in(Order::Forwards, len, block, map, combine)
}

/// [`reduce_blocks`], whose blocks are computed in an order. It changes no result.
pub fn reduce_blocks_in<A: Send>(
    order: Order,
    len: usize,
    block: usize,
    map: impl Fn(Range<usize>) -> A + Sync,
    combine: impl FnMut(A, A) -> A,
) -> Option<A> {
    let block = block.max(1);
    let mut parts: Vec<Option<A>> = (0..len.div_ceil(block)).map(|_| None).collect();
    let writer = DisjointMut::new(&mut parts);
    for_each_range_in(order, len, block, |range| {
        let i = range.start / block;
        // SAFETY: each block writes its own entry.
        unsafe { writer.slice(i..i + 1)[0] = Some(map(range)) };
    });
    parts.into_iter().flatten().reduce(combine)
}

/// A mutable slice of which several threads may each take a part, for kernels whose parts are disjoint in a
/// way that the borrow checker cannot see.
#[derive(Debug)]
pub struct DisjointMut<'a, T> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

impl<'a, T> DisjointMut<'a, T> {
    /// Wraps `data`, which stays borrowed.
    pub fn new(data: &'a mut [T]) -> Self {
        Self { start: data.as_mut_ptr(), len: data.len(), lifetime: PhantomData }
    }

    /// Elements in the whole slice.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// While the result lives, no other part that overlaps it may be taken.
    ///
    /// # Panics
    /// When the range reaches beyond the slice.
    #[allow(clippy::mut_from_ref)] // the point of the type
    #[inline]
    pub unsafe fn slice(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} elements", self.len);
        // SAFETY: in bounds, checked above; the caller guarantees that no other slice overlaps.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The first element, for kernels that compute addresses themselves under the same rule as [`Self::slice`].
    #[inline]
    pub fn as_mut_ptr(&self) -> *mut T {
        self.start
    }
}

// SAFETY: only hands out parts that callers promise to be disjoint, as split_at_mut does.
unsafe impl<T: Send> Send for DisjointMut<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for DisjointMut<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_everything_once_and_respect_granules() {
        for len in [0, 1, 5, MIN_BLOCK - 1, MIN_BLOCK, 3 * MIN_BLOCK + 7] {
            let mut data = vec![0usize; len];
            for_each_chunk(&mut data, 7, |start, chunk| {
                assert_eq!(start % 7, 0);
                chunk.iter_mut().enumerate().for_each(|(i, x)| *x += start + i + 1);
            });
            assert!(data.iter().enumerate().all(|(i, &x)| x == i + 1));
        }
    }

    #[test]
    fn reductions_combine_in_order() {
        for order in [Order::Forwards, Order::Backwards] {
            let text = reduce_blocks_in(order, 10, 3, |r| format!("{r:?} "), |a, b| a + &b);
            assert_eq!(text.as_deref(), Some("0..3 3..6 6..9 9..10 "));
            assert_eq!(reduce_blocks_in(order, 0, 3, |r| r.len(), |a, b| a + b), None);
        }
    }
}
