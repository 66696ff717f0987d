//! Bytes to floats by table: `ToTensor` and `Normalize` in one lookup.

use crate::image::Image;
use crate::transforms::Normalize;
use crate::{Result, VisionError};

/// `table[channel][byte]` is the float that the byte becomes.
#[derive(Clone, Debug)]
pub(crate) enum ByteTable {
    /// Division by 255, whatever the number of channels.
    Unit(Box<[f32; 256]>),
    /// Division by 255, then a normalization for a fixed number of channels.
    Normalized(Vec<[f32; 256]>),
}

impl ByteTable {
    pub fn unit() -> Self {
        Self::Unit(Box::new(std::array::from_fn(unit_value)))
    }

    pub fn normalized(normalize: &Normalize) -> Self {
        let channel = |(mean, std): (&f32, &f32)| std::array::from_fn(|byte| (unit_value(byte) - mean) / std);
        Self::Normalized(normalize.mean().iter().zip(normalize.std()).map(channel).collect())
    }

    /// Writes the floats of `image` to `out`, in the same (height, width, channel) order.
    pub fn look_up(&self, image: &Image, out: &mut [f32]) -> Result<()> {
        let one = |table: &[f32; 256], out: &mut [f32]| {
            out.iter_mut().zip(image.pixels()).for_each(|(to, &byte)| *to = table[usize::from(byte)]);
        };
        match self {
            Self::Unit(table) => one(table, out),
            Self::Normalized(tables) if tables.len() != image.channels() => {
                return Err(Normalize::wrong_channels(tables.len(), image.shape()));
            }
            Self::Normalized(tables) => match tables.as_slice() {
                [table] => one(table, out),
                [red, green, blue] => {
                    let pixels = image.pixels().as_chunks::<3>().0;
                    for (to, from) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels) {
                        *to = [red[from[0] as usize], green[from[1] as usize], blue[from[2] as usize]];
                    }
                }
                _ => return Err(VisionError::shape("Normalize", "no channel", "expected 1 or 3")),
            },
        }
        Ok(())
    }
}

/// torchvision's `ToTensor`: a byte divided by 255 in single precision.
fn unit_value(byte: usize) -> f32 {
    byte as f32 / 255.0
}
