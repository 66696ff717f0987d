//! Working memory that is kept from one call to the next.
//!
//! Fresh pages cost more than many kernels do, so each thread keeps the buffers its kernels asked for and
//! hands them out again; large ones come from the [`arena`], where arrays can have them in between. Nesting is
//! fine: each [`with`] gets a buffer of its own.

use crate::arena::{self, Block};
use bytemuck::Pod;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;

/// Buffers start at a cache line, so that vectors never straddle two.
const ALIGNMENT: usize = 64;
/// Buffers a thread keeps. Nested uses are few; more would only hold memory.
const KEPT: usize = 8;

thread_local! {
    static FREE: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with `len` elements of unspecified content, aligned to a cache line.
///
/// # Panics
/// When the size in bytes exceeds `isize::MAX`.
pub fn with<T: Pod, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    const { assert!(align_of::<T>() <= ALIGNMENT) };
    let bytes = len.checked_mul(size_of::<T>()).expect("scratch size overflows");
    if bytes >= arena::LARGE {
        let mut block = Block::new(bytes.div_ceil(size_of::<f32>()));
        // SAFETY: as below, but for the block, which is this call's until it is dropped.
        return f(unsafe { std::slice::from_raw_parts_mut(block.as_mut_ptr().cast(), len) });
    }
    let buffer = take(bytes);
    // SAFETY: the buffer has at least `bytes` initialized bytes, aligned for T; any bit pattern is a T; it is
    // owned here until it is given back.
    let result = f(unsafe { std::slice::from_raw_parts_mut(buffer.start.as_ptr().cast(), len) });
    FREE.with_borrow_mut(|free| {
        if free.len() < KEPT {
            free.push(buffer);
        }
    });
    result
}

/// The smallest kept buffer that is large enough, else a new one in place of the largest kept.
fn take(bytes: usize) -> Buffer {
    let kept = FREE.with_borrow_mut(|free| {
        let fits = (0..free.len()).filter(|&i| free[i].bytes >= bytes).min_by_key(|&i| free[i].bytes);
        if let Some(i) = fits {
            return Some(free.swap_remove(i));
        }
        // A buffer that has proved too small once will again: let it go rather than keep both.
        if let Some(i) = (0..free.len()).max_by_key(|&i| free[i].bytes) {
            free.swap_remove(i);
        }
        None
    });
    kept.unwrap_or_else(|| Buffer::new(bytes))
}

struct Buffer {
    start: NonNull<u8>,
    bytes: usize,
}

impl Buffer {
    fn new(bytes: usize) -> Self {
        let bytes = bytes.max(ALIGNMENT);
        let layout = Self::layout(bytes);
        // SAFETY: the size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        Self { start: NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout)), bytes }
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, ALIGNMENT).expect("scratch size overflows")
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.bytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn memory_is_reused_and_nested_uses_are_disjoint() {
        let first = with(1000, |a: &mut [f32]| {
            a.fill(1.0);
            with(1000, |b: &mut [f32]| b.fill(2.0));
            assert!(a.iter().all(|&x| x == 1.0));
            assert_eq!(a.as_ptr() as usize % 64, 0);
            a.len()
        });
        assert_eq!(first, 1000);
        let address = with(5000, |a: &mut [f32]| a.as_ptr() as usize);
        assert_eq!(address, with(5000, |a: &mut [f32]| a.as_ptr() as usize));
    }
}
