//! Which module is running: the thread's current layer, for messages, summaries and profiles.

use crate::error::ShapeError;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::sync::{Arc, RwLock};

thread_local! {
    static CURRENT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
    static CALLER: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
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

/// While this lives, shape mistakes also tell the line that made it (with `#[track_caller]`, the line of its caller).
///
/// For code that calls layers through `dyn`: there the compiler loses track of the caller, and a panic would point
/// into the layer instead of at the user's line. An outer note is kept.
#[must_use = "the note ends when this is dropped"]
pub struct NoteCaller {
    before: Option<&'static Location<'static>>,
}

impl NoteCaller {
    /// Notes the caller's line.
    #[track_caller]
    #[allow(clippy::new_without_default, reason = "a guard is made on purpose, never by default")]
    pub fn new() -> Self {
        let before = CALLER.get();
        CALLER.set(before.or(Some(Location::caller())));
        Self { before }
    }
}

impl Drop for NoteCaller {
    fn drop(&mut self) {
        CALLER.set(self.before);
    }
}

/// Panics over shapes that do not fit, naming the layer.
#[cold]
#[track_caller]
pub fn misfit(error: ShapeError) -> ! {
    let layer = current().map(|name| format!("layer {name:?}: ")).unwrap_or_default();
    match CALLER.get() {
        Some(caller) if caller != Location::caller() => panic!("{layer}{error} (called at {caller})"),
        _ => panic!("{layer}{error}"),
    }
}
