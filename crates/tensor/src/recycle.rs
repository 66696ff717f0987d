//! Vectors that are used again: the memory of a loader's batches.
//!
//! A loader makes a `Vec` for each batch, an array takes it over, and a step later it is dropped. Returned to the
//! allocator, and often by that to the system, its pages would have to be mapped and zeroed again for the next batch.

use std::sync::Mutex;

/// Vectors of dropped arrays, the oldest first.
static IDLE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// How many are kept. One waits while the next batch is made; more would only hold memory.
const KEPT: usize = 2;
/// Floats from which on the allocator tends to return a freed vector to the system.
const LARGE: usize = 16 * 1024;

/// A vector of `len` floats, whatever they are: if possible the memory of a dropped array that was made from a
/// `Vec` ([`Array::from_vec`](crate::Array::from_vec)), which is then not filled again.
pub fn recycled_vec(len: usize) -> Vec<f32> {
    let fits = |v: &Vec<f32>| (len..=len.saturating_mul(2)).contains(&v.capacity());
    let found = {
        let mut idle = IDLE.lock().unwrap_or_else(|e| e.into_inner());
        idle.iter().position(fits).map(|found| idle.remove(found))
    };
    let mut vector = found.unwrap_or_default();
    vector.resize(len, 0.0);
    vector
}

/// Keeps a large vector for [`recycled_vec`], in place of the one that has waited longest.
pub(crate) fn recycle(vector: Vec<f32>) {
    if vector.capacity() < LARGE {
        return;
    }
    let mut idle = IDLE.lock().unwrap_or_else(|e| e.into_inner());
    let oldest = (idle.len() == KEPT).then(|| idle.remove(0));
    idle.push(vector);
    drop(idle);
    drop(oldest); // outside of the lock: the system takes its time
}

/// Lets all of them go.
pub(crate) fn release() {
    drop(std::mem::take(&mut *IDLE.lock().unwrap_or_else(|e| e.into_inner())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_dropped_array_is_used_again() {
        let mut vector = recycled_vec(1 << 20);
        vector.fill(7.0);
        let address = vector.as_ptr();
        recycle(vector);
        let again = recycled_vec((1 << 20) - 5);
        assert_eq!((again.as_ptr(), again.len()), (address, (1 << 20) - 5));
        assert!(again.iter().all(|&v| v == 7.0), "it is not filled a second time");
        recycle(again);
        assert!(recycled_vec(1 << 10).capacity() < 1 << 20, "a small one is not made of a large one");
    }
}
