//! Large buffers, cut out of few mappings and put back.
//!
//! A step of training wants buffers of many sizes and gives them back in nearly the opposite order. Kept apart by
//! size, or left to the system's allocator, what one layer has freed is of no use to the next, whose arrays are half
//! as large: memory grows to the sum of what each size needs at its worst moment, or is returned to the system and
//! faulted in again at every step. Here a buffer that is given back joins its free neighbours, and a request takes
//! the first gap that is large enough: of the simple rules the one that leaves least unused (Johnstone and Wilson,
//! "The memory fragmentation problem: solved?", 1998). Pages are touched from the lowest address on, and stay.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard};

/// Bytes from which on a buffer should come from here: searching for a gap costs nothing against filling it.
/// (Miri keeps books of every byte: both sizes are smaller there.)
pub const LARGE: usize = if cfg!(miri) { 16 << 10 } else { 1 << 20 };

/// Buffers are whole pages.
const PAGE: usize = 4096;
/// What the processor's next larger pages hold: segments start there.
const LARGE_PAGE: usize = if cfg!(miri) { PAGE } else { 2 << 20 };
/// Bytes of address space that are reserved at a time. They become memory when they are first written to.
const SEGMENT: usize = if cfg!(miri) { 256 << 10 } else { 256 << 20 };

/// Segments in the order in which they are searched; `None` was released.
static SEGMENTS: Mutex<Vec<Option<Segment>>> = Mutex::new(Vec::new());

fn segments() -> MutexGuard<'static, Vec<Option<Segment>>> {
    SEGMENTS.lock().unwrap_or_else(|e| e.into_inner())
}

/// A buffer of floats, aligned to a page, whose contents are unspecified at first. Given back when dropped.
#[derive(Debug)]
pub struct Block {
    start: NonNull<f32>,
    bytes: usize,
    segment: usize,
    offset: usize,
}

impl Block {
    /// A buffer of at least `len` floats.
    ///
    /// # Panics
    /// When the size in bytes exceeds `isize::MAX`.
    pub fn new(len: usize) -> Self {
        let bytes =
            len.checked_mul(size_of::<f32>()).and_then(|bytes| bytes.max(1).checked_next_multiple_of(PAGE));
        let bytes =
            bytes.filter(|&bytes| bytes <= isize::MAX as usize - LARGE_PAGE).expect("buffer size overflows");
        let mut segments = segments();
        let gap = segments.iter_mut().enumerate().find_map(|(i, s)| Some((i, s.as_mut()?.take(bytes)?)));
        let (segment, offset) = gap.unwrap_or_else(|| {
            let slot = segments.iter().position(Option::is_none).unwrap_or_else(|| {
                segments.push(None);
                segments.len() - 1
            });
            let offset = segments[slot].insert(Segment::new(bytes)).take(bytes);
            (slot, offset.expect("a new segment holds what it was made for"))
        });
        let start = segments[segment].as_ref().expect("just found").address(offset);
        Self { start, bytes, segment, offset }
    }

    /// Floats in the buffer.
    fn floats(&self) -> usize {
        self.bytes / size_of::<f32>()
    }
}

impl Clone for Block {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.floats());
        copy.copy_from_slice(self);
        copy
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut segments = segments();
        let segment = segments[self.segment].as_mut().expect("a segment with a buffer is never released");
        segment.give_back(self.offset, self.bytes);
    }
}

impl Deref for Block {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: the range is inside of a live segment and this block's alone; it was zeroed when the segment was
        // made and has held floats since.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.floats()) }
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and the block is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.floats()) }
    }
}

// SAFETY: a block owns its floats as a Box would.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

/// Returns the address space in which no buffer is left.
pub fn release_idle() {
    segments().iter_mut().for_each(|segment| {
        segment.take_if(|segment| segment.is_idle());
    });
}

/// Kernels walk through more small pages than the processor keeps addresses of. Linux gives large ones where they are
/// asked for; elsewhere, or where it refuses, nothing is lost.
fn ask_for_large_pages(_start: NonNull<u8>, _len: usize) {
    #[cfg(all(target_os = "linux", not(miri)))]
    // SAFETY: whole pages of memory that was just allocated; advice changes no content.
    unsafe {
        libc::madvise(_start.as_ptr().cast(), _len, libc::MADV_HUGEPAGE);
    }
}

/// One allocation of the system's, in parts.
struct Segment {
    memory: NonNull<u8>,
    layout: Layout,
    /// The first page.
    start: NonNull<u8>,
    len: usize,
    /// Bytes of each gap by its offset. No two touch.
    gaps: BTreeMap<usize, usize>,
}

impl Segment {
    /// Of [`SEGMENT`] bytes, or as many as are wanted if those are more or there are not so many.
    fn new(bytes: usize) -> Self {
        // Zeroed without being touched: the allocator only asks the system for aligned memory if it must, and then
        // fills it itself. So one large page more.
        let allocate = |len: usize| {
            let layout = Layout::from_size_align(len + LARGE_PAGE, 16).expect("checked by Block::new");
            // SAFETY: the size is not zero.
            NonNull::new(unsafe { alloc_zeroed(layout) }).map(|memory| (memory, layout, len)).ok_or(layout)
        };
        let (memory, layout, len) = allocate(bytes.max(SEGMENT))
            .or_else(|_| allocate(bytes))
            .unwrap_or_else(|layout| handle_alloc_error(layout));
        // SAFETY: there is a large page more than `len`.
        let start = unsafe { memory.add(memory.align_offset(LARGE_PAGE)) };
        ask_for_large_pages(start, len);
        Self { memory, layout, start, len, gaps: BTreeMap::from([(0, len)]) }
    }

    fn address(&self, offset: usize) -> NonNull<f32> {
        debug_assert!(offset < self.len);
        // SAFETY: inside of the segment.
        unsafe { self.start.add(offset) }.cast()
    }

    /// Takes the first gap that is large enough, or its beginning.
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let (&offset, &gap) = self.gaps.iter().find(|&(_, &gap)| gap >= bytes)?;
        self.gaps.remove(&offset);
        if gap > bytes {
            self.gaps.insert(offset + bytes, gap - bytes);
        }
        Some(offset)
    }

    /// Makes a gap, joined with those on both sides.
    fn give_back(&mut self, offset: usize, bytes: usize) {
        let (mut start, mut end) = (offset, offset + bytes);
        if let Some(after) = self.gaps.remove(&end) {
            end += after;
        }
        if let Some((&before, &len)) = self.gaps.range(..start).next_back()
            && before + len == start
        {
            start = before;
        }
        self.gaps.insert(start, end - start);
    }

    fn is_idle(&self) -> bool {
        self.gaps.get(&0) == Some(&self.len)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout; blocks keep their segment in place.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}

// SAFETY: the segment owns its memory; only blocks, each of its own part, reach into it.
unsafe impl Send for Segment {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets are of a segment that only this test uses.
    fn segment(len: usize) -> Segment {
        let mut segment = Segment::new(PAGE);
        (segment.len, segment.gaps) = (len, BTreeMap::from([(0, len)]));
        segment
    }

    #[test]
    fn neighbours_join_when_they_are_given_back() {
        let mut s = segment(100);
        let offsets = [10, 20, 30].map(|bytes| s.take(bytes).unwrap());
        assert_eq!(offsets, [0, 10, 30]);
        assert_eq!(s.take(41), None);
        s.give_back(0, 10);
        s.give_back(30, 30);
        assert_eq!(s.gaps, BTreeMap::from([(0, 10), (30, 70)]));
        assert_eq!(s.take(10), Some(0), "the first gap that is large enough");
        s.give_back(0, 10);
        s.give_back(10, 20);
        assert!(s.is_idle());
    }

    #[test]
    fn blocks_are_disjoint_whole_pages_and_used_again() {
        let mut blocks: Vec<Block> = (1..8).map(|i| Block::new(i * 700)).collect();
        for (i, block) in blocks.iter_mut().enumerate() {
            assert_eq!(block.as_ptr() as usize % PAGE, 0);
            block.fill(i as f32);
        }
        for (i, block) in blocks.iter().enumerate() {
            assert!(block.len() >= (i + 1) * 700 && block.iter().all(|&v| v == i as f32));
        }
        let huge = Block::new(SEGMENT / size_of::<f32>() + 1);
        assert!(huge.len() > SEGMENT / size_of::<f32>(), "in a segment of its own");
        drop(huge);
        release_idle();
        blocks.drain(..).for_each(drop);
        assert!(!Block::new(0).is_empty());
    }
}
