//! Samples into one batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use cresset_kernels::parallel;

use crate::image::Image;
use crate::loader::{Batch, Core, Targets};
use crate::random::{Purpose, SampleRng};
use crate::{Result, VisionError};

/// A sample between the two stages of its transforms: its shape is known.
struct Loaded {
    image: Image,
    label: i64,
    rng: SampleRng,
}

/// The place of one sample in its batch.
struct Place<'a> {
    index: usize,
    pixels: &'a mut [f32],
    /// The batch's first sample, from which the shape of all was taken.
    loaded: Option<Loaded>,
    /// What came of it, its (height, width, channels) and label; `None` where the batch was cancelled.
    made: Option<Result<([usize; 3], i64)>>,
}

impl Core {
    /// Makes batch number `position` of `epoch` out of the samples `indices`; `None` if all were skipped as
    /// broken or `cancelled` said so in between. A panic of the dataset or a transform becomes an error.
    ///
    /// Where the loader has no workers, the threads that compute make it together.
    pub(crate) fn batch(
        &self,
        epoch: u64,
        position: usize,
        indices: &[usize],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Batch>> {
        // Nothing of a half-made batch outlives the panic.
        catch_unwind(AssertUnwindSafe(|| self.make(epoch, position, indices, cancelled))).unwrap_or_else(
            |payload| {
                let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
                let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
                let message = text.unwrap_or_else(|| "it gave no message".into());
                Err(VisionError::Panic { batch: position, message })
            },
        )
    }

    fn make(
        &self,
        epoch: u64,
        position: usize,
        indices: &[usize],
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Batch>> {
        let Some((before, first)) = self.first(epoch, indices)? else { return Ok(None) };
        let indices = &indices[before..];
        let shape = first.image.shape();
        let size = shape.iter().product::<usize>();
        let images_len = size * indices.len();
        let mut images = (self.buffers)(images_len);
        images.resize(images_len, 0.0); // as long as it should be already, unless a caller's source errs
        let places = indices.iter().zip(images.chunks_exact_mut(size));
        let mut places: Vec<Place> =
            places.map(|(&index, pixels)| Place { index, pixels, loaded: None, made: None }).collect();
        places[0].loaded = Some(first);
        // A task makes as many samples as are a chunk of floats.
        let at_once = places.len().div_ceil(parallel::even_chunks(images_len));
        let fill = |places: &mut [Place]| {
            places.iter().for_each(|place| self.dataset.prefetch(place.index));
            for place in places.iter_mut().take_while(|_| !cancelled()) {
                place.made = Some(self.fill(epoch, place, shape));
            }
        };
        if self.options.workers == 0 {
            parallel::for_each_part(&mut places, at_once, |_, places| fill(places));
        } else {
            places.chunks_mut(at_once).for_each(fill);
        }
        let Some(made) = places.into_iter().map(|place| place.made).collect() else { return Ok(None) };
        self.collate(epoch, position, indices, made, images, shape).map(Some)
    }

    /// The first sample that is not skipped, and how many came before it.
    fn first(&self, epoch: u64, indices: &[usize]) -> Result<Option<(usize, Loaded)>> {
        for (before, &index) in indices.iter().enumerate() {
            if let Some(loaded) = self.unless_skipped(index, self.load(epoch, index))? {
                return Ok(Some((before, loaded)));
            }
        }
        Ok(None)
    }

    /// Reads one sample and runs the first stage of its transforms.
    fn load(&self, epoch: u64, index: usize) -> Result<Loaded> {
        let sample = self.dataset.sample(index)?;
        let mut rng = SampleRng::new(self.options.seed, Purpose::Augment, epoch, index as u64);
        let image = self.transforms.images().apply(sample.image, &mut rng)?;
        Ok(Loaded { image, label: sample.label, rng })
    }

    /// Puts a sample into its place, if it has the `shape` for it.
    fn fill(&self, epoch: u64, place: &mut Place<'_>, shape: [usize; 3]) -> Result<([usize; 3], i64)> {
        let loaded = place.loaded.take().map_or_else(|| self.load(epoch, place.index), Ok);
        let Loaded { image, label, mut rng } = loaded?;
        if image.shape() == shape {
            self.transforms.to_floats(&image, &mut rng, place.pixels)?;
        }
        Ok((image.shape(), label))
    }

    /// A batch of those samples of `indices` that are not skipped; the floats of all are in `images`. The first has the
    /// shape that is `expected` of all.
    fn collate(
        &self,
        epoch: u64,
        position: usize,
        indices: &[usize],
        made: Vec<Result<([usize; 3], i64)>>,
        mut images: Vec<f32>,
        expected: [usize; 3],
    ) -> Result<Batch> {
        let [height, width, channels] = expected;
        let size = height * width * channels;
        let mut kept = Vec::with_capacity(indices.len());
        let mut labels = Vec::with_capacity(indices.len());
        for (i, (&index, made)) in indices.iter().zip(made).enumerate() {
            let Some((shape, label)) = self.unless_skipped(index, made)? else { continue };
            if shape != expected {
                return Err(self.shapes_differ((index, shape), (indices[0], expected)));
            }
            if kept.len() < i {
                images.copy_within(i * size..(i + 1) * size, kept.len() * size);
            }
            kept.push(index);
            labels.push(label);
        }
        images.truncate(kept.len() * size);
        let shape = [kept.len(), channels, height, width];
        let mut batch = Batch { images, shape, targets: Targets::Indices(labels), indices: kept, position };
        if let Some(mix) = &self.options.mix {
            let mut rng = SampleRng::new(self.options.seed, Purpose::Mix, epoch, position as u64);
            mix.apply(&mut batch, self.dataset.classes().len(), &mut rng)?;
        }
        Ok(batch)
    }

    /// `None` for a sample that cannot be read, if such are left out. Other errors get its name.
    fn unless_skipped<T>(&self, index: usize, loaded: Result<T>) -> Result<Option<T>> {
        match loaded {
            Ok(loaded) => Ok(Some(loaded)),
            Err(error) if self.options.skip_broken && is_broken_file(&error) => {
                let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
                broken.entry(index).or_insert_with(|| error.to_string());
                Ok(None)
            }
            Err(error) => Err(self.name(index, error)),
        }
    }

    fn shapes_differ(&self, (index, found): (usize, [usize; 3]), first: (usize, [usize; 3])) -> VisionError {
        let [this, other] = [index, first.0].map(|index| self.dataset.describe(index));
        VisionError::shape(
            "batch",
            format!("{this} is {}, but {other} is {}", text(found), text(first.1)),
            "expected one shape in a batch: add a Resize with a crop, or Channels",
        )
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
