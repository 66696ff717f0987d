//! Deterministic changes of a picture, as Pillow makes them; the random transforms choose among these.
//!
//! Like `torchvision.transforms.functional` on PIL images.

mod enhance;
mod geometry;
mod histogram;
mod hue;

pub use super::crop::crop;
pub use super::resize::resize;
pub use enhance::{brightness, contrast, saturation, sharpness};
pub use geometry::{rotate, shear_x, shear_y, translate};
pub use histogram::{auto_contrast, equalize, posterize, solarize};
pub use hue::hue;
