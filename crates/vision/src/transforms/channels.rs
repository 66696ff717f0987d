//! Grey to colour and back.

use crate::Result;
use crate::image::{Color, Image};
use crate::random::SampleRng;
use crate::transforms::ImageTransform;

/// Gives every picture the same channels, whatever it came with.
#[derive(Clone, Copy, Debug)]
pub struct Channels(pub Color);

impl ImageTransform for Channels {
    fn apply(&self, image: Image, _rng: &mut SampleRng) -> Result<Image> {
        Ok(image.to_color(self.0))
    }
}
