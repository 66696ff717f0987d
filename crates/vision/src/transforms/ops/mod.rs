//! Deterministic changes of a picture, as Pillow makes them; the random transforms choose among these.

pub(crate) mod enhance;
pub(crate) mod geometry;
pub(crate) mod histogram;
pub(crate) mod hue;
