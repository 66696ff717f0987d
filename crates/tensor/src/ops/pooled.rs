//! Small integers that an op keeps for backward (masks, places of maxima), in buffers of the pool: like arrays,
//! they are wanted in the same sizes again and again.

use crate::pool::Floats;
use bytemuck::Pod;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A fixed-length run of `T`, which is at most as large and as aligned as a float.
pub(super) struct Pooled<T> {
    floats: Floats,
    len: usize,
    element: PhantomData<T>,
}

impl<T: Pod> Pooled<T> {
    /// `len` elements of unspecified value.
    pub fn new(len: usize) -> Self {
        const { assert!(size_of::<f32>().is_multiple_of(size_of::<T>())) };
        let floats = Floats::new(len.div_ceil(size_of::<f32>() / size_of::<T>()));
        Self { floats, len, element: PhantomData }
    }
}

impl<T: Pod> Deref for Pooled<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.floats)[..self.len]
    }
}

impl<T: Pod> DerefMut for Pooled<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.floats)[..self.len]
    }
}
