//! Small pictures of one size, all in memory.

use std::path::Path;

use cresset_kernels::simd::prefetch;

use crate::datasets::{Dataset, Sample, check_index};
use crate::image::Image;
use crate::{Result, VisionError};

/// A dataset whose pictures share one shape and lie in one block of bytes.
#[derive(Clone)]
pub struct InMemory {
    name: String,
    classes: Vec<String>,
    shape: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<i64>,
}

impl InMemory {
    /// A dataset of `labels.len()` pictures of (height, width, channels) `shape`, one after the other in `pixels`.
    ///
    /// # Errors
    /// If the sizes do not match, or a label is not an index into `classes`. `source` is named in the message.
    pub fn new(
        name: impl Into<String>,
        classes: Vec<String>,
        shape: [usize; 3],
        pixels: Vec<u8>,
        labels: Vec<i64>,
        source: &Path,
    ) -> Result<Self> {
        let [height, width, channels] = shape;
        let size = height.checked_mul(width).and_then(|n| n.checked_mul(channels));
        let bytes = size.and_then(|n| n.checked_mul(labels.len()));
        if size == Some(0) || !matches!(channels, 1 | 3) || bytes != Some(pixels.len()) {
            return Err(VisionError::bad_file(
                source,
                format!(
                    "found {} bytes for {} images of {height}x{width} with {channels} channels",
                    pixels.len(),
                    labels.len()
                ),
            ));
        }
        if let Some(index) = labels.iter().position(|&label| label < 0 || label >= classes.len() as i64) {
            return Err(VisionError::bad_file(
                source,
                format!(
                    "label {} of sample {index} is none of the {} classes; is this the right file?",
                    labels[index],
                    classes.len()
                ),
            ));
        }
        Ok(Self { name: name.into(), classes, shape, pixels, labels })
    }

    /// (height, width, channels) of every picture.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The label of every sample.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// The bytes of one picture; none beyond the last.
    fn pixels_of(&self, index: usize) -> &[u8] {
        let size = self.shape.iter().product();
        self.pixels.chunks_exact(size).nth(index).unwrap_or_default()
    }

    /// The bytes of every picture, in (sample, height, width, channel) order.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

impl Dataset for InMemory {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        check_index(index, self.len())?;
        let [height, width, channels] = self.shape;
        let pixels = self.pixels_of(index).to_vec();
        Ok(Sample { image: Image::from_parts(height, width, channels, pixels), label: self.labels[index] })
    }

    fn label(&self, index: usize) -> Result<i64> {
        check_index(index, self.len())?;
        Ok(self.labels[index])
    }

    fn image_size(&self) -> Option<(usize, usize)> {
        let [height, width, _] = self.shape;
        Some((height, width))
    }

    fn is_in_memory(&self) -> bool {
        true
    }

    fn prefetch(&self, index: usize) {
        // From all over a large array: the processor would ask for one picture after the other.
        prefetch(self.pixels_of(index));
    }

    fn describe(&self, index: usize) -> String {
        format!("sample {index} of {}", self.name)
    }
}

impl std::fmt::Debug for InMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [height, width, channels] = self.shape;
        write!(f, "InMemory({}: {} of {height}x{width}x{channels})", self.name, self.labels.len())
    }
}
