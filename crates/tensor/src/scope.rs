//! Which module is running: the thread's current layer, for messages, summaries and profiles.

use crate::error::ShapeError;
use std::cell::RefCell;
use std::sync::{Arc, RwLock};

thread_local! {
    static CURRENT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// The name of the layer whose `forward` (or backward) runs on this thread.
pub fn current() -> Option<Arc<str>> {
    CURRENT.with_borrow(Clone::clone)
}

/// A layer's place in its model (`layer1.0.conv1`), filled in when the model's modules are visited.
#[derive(Debug, Default)]
pub struct LayerName(RwLock<Option<Arc<str>>>);

impl LayerName {
    /// The path from the outermost model that has been visited, if any has.
    pub fn get(&self) -> Option<Arc<str>> {
        self.0.read().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Sets the path; a shorter one than before (seen from a submodule) is ignored.
    pub fn set(&self, path: &str) {
        if self.get().is_none_or(|old| old.len() < path.len()) {
            *self.0.write().unwrap_or_else(|e| e.into_inner()) = Some(path.into());
        }
    }
}

/// A copy of a layer is a layer of another model: it starts without a name.
impl Clone for LayerName {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// While this lives, the thread runs the given layer.
pub struct Enter {
    before: Option<Arc<str>>,
}

impl Enter {
    /// Enters `name`; a nameless layer keeps the name of what surrounds it.
    pub fn new(name: &LayerName) -> Self {
        Self::again(name.get().or_else(current))
    }

    /// Enters a name noted earlier by [`current`].
    pub fn again(name: Option<Arc<str>>) -> Self {
        Self { before: CURRENT.replace(name) }
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}

/// Panics over shapes that do not fit, naming the layer.
#[cold]
#[track_caller]
pub fn misfit(error: ShapeError) -> ! {
    match current() {
        Some(layer) => panic!("layer {layer:?}: {error}"),
        None => panic!("{error}"),
    }
}
