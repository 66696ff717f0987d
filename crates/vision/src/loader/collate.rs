//! Samples into one batch.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::loader::{Batch, Core, Targets};
use crate::random::{Purpose, SampleRng};
use crate::{Result, VisionError};

impl Core {
    /// Makes batch number `position` of `epoch` out of the samples `indices`; `None` if all were skipped as
    /// broken or `cancelled` said so in between. A panic of the dataset or a transform becomes an error.
    pub(crate) fn batch(
        &self,
        epoch: u64,
        position: usize,
        indices: &[usize],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Batch>> {
        // Nothing of a half-made batch outlives the panic.
        catch_unwind(AssertUnwindSafe(|| self.collate(epoch, position, indices, cancelled))).unwrap_or_else(
            |payload| {
                let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
                let message = text.unwrap_or_else(|| "it gave no message".into());
                Err(VisionError::Panic { batch: position, message })
            },
        )
    }

    fn collate(
        &self,
        epoch: u64,
        position: usize,
        indices: &[usize],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Batch>> {
        let mut images = Vec::new();
        let mut first: Option<([usize; 3], usize)> = None;
        let mut labels = Vec::with_capacity(indices.len());
        let mut kept = Vec::with_capacity(indices.len());
        for &index in indices {
            if cancelled() {
                return Ok(None);
            }
            let (shape, label) = match self.load(epoch, index, &mut images) {
                Ok(loaded) => loaded,
                Err(error) if self.options.skip_broken && is_broken_file(&error) => {
                    let mut broken = self.broken.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    broken.entry(index).or_insert_with(|| error.to_string());
                    continue;
                }
                Err(error) => return Err(self.name(index, error)),
            };
            match first {
                None => {
                    first = Some((shape, index));
                    // Now the size is known: one block for the whole batch.
                    let mut block = (self.buffers)(images.len() * indices.len());
                    block.clear();
                    block.extend_from_slice(&images);
                    images = block;
                }
                Some((expected, other)) if expected != shape => {
                    return Err(VisionError::shape(
                        "batch",
                        format!(
                            "{} is {}, but {} is {}",
                            self.dataset.describe(index),
                            text(shape),
                            self.dataset.describe(other),
                            text(expected)
                        ),
                        "expected one shape in a batch: add a Resize with a crop, or Channels",
                    ));
                }
                Some(_) => {}
            }
            labels.push(label);
            kept.push(index);
        }
        let Some(([height, width, channels], _)) = first else { return Ok(None) };
        let shape = [kept.len(), channels, height, width];
        let mut batch = Batch { images, shape, targets: Targets::Indices(labels), indices: kept, position };
        if let Some(mix) = &self.options.mix {
            let mut rng = SampleRng::new(self.options.seed, Purpose::Mix, epoch, position as u64);
            mix.apply(&mut batch, self.dataset.classes().len(), &mut rng)?;
        }
        Ok(Some(batch))
    }

    /// Appends one transformed picture to `images`; returns its (height, width, channels) and label.
    fn load(&self, epoch: u64, index: usize, images: &mut Vec<f32>) -> Result<([usize; 3], i64)> {
        let sample = self.dataset.sample(index)?;
        let mut rng = SampleRng::new(self.options.seed, Purpose::Augment, epoch, index as u64);
        Ok((self.transforms.apply(sample.image, &mut rng, images)?, sample.label))
    }

    /// Adds the sample's name to an error that does not carry its path already.
    fn name(&self, index: usize, error: VisionError) -> VisionError {
        match error {
            VisionError::Decode { path, reason } => {
                let reason =
                    format!("{reason}; mend or remove it, or leave out what is broken with --skip-broken");
                VisionError::Decode { path, reason }
            }
            VisionError::Io { .. } | VisionError::BadFile { .. } => error,
            other => VisionError::Sample { sample: self.dataset.describe(index), source: Box::new(other) },
        }
    }
}

/// Skipping is for files that cannot be read, not for mistakes in the pipeline.
fn is_broken_file(error: &VisionError) -> bool {
    matches!(error, VisionError::Io { .. } | VisionError::BadFile { .. } | VisionError::Decode { .. })
}

fn text([height, width, channels]: [usize; 3]) -> String {
    format!("{height}x{width} with {channels} channels")
}
