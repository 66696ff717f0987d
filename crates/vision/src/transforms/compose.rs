//! The two stages of a pipeline, and the step between them.

use std::fmt::Debug;
use std::sync::Arc;

use crate::Result;
use crate::image::Image;
use crate::random::SampleRng;
use crate::transforms::Normalize;
use crate::transforms::byte_table::ByteTable;

/// A transform of bytes. It may change the size and the number of channels.
pub trait ImageTransform: Debug + Send + Sync {
    /// Transforms one picture, drawing from the sample's own random stream.
    ///
    /// # Errors
    /// If the picture's shape does not fit.
    fn apply(&self, image: Image, rng: &mut SampleRng) -> Result<Image>;
}

/// A transform of floats, in place. It keeps the shape.
pub trait TensorTransform: Debug + Send + Sync {
    /// Transforms one picture, drawing from the sample's own random stream.
    ///
    /// # Errors
    /// If the picture's shape or range does not fit.
    fn apply(&self, pixels: &mut Pixels<'_>, rng: &mut SampleRng) -> Result<()>;

    /// A normalization lets itself be folded into the table that turns bytes into floats.
    fn as_normalize(&self) -> Option<&Normalize> {
        None
    }
}

/// One picture of floats inside a batch, in (height, width, channel) order.
#[derive(Debug)]
pub struct Pixels<'a> {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 or 3.
    pub channels: usize,
    /// `data[(row * width + column) * channels + channel]`.
    pub data: &'a mut [f32],
}

/// The first stage: transforms of bytes, in order.
///
/// Like `torchvision.transforms.Compose`, but [`Compose::to_tensor`] is the only way to floats.
#[derive(Clone, Debug, Default)]
pub struct Compose {
    steps: Vec<Arc<dyn ImageTransform>>,
}

impl Compose {
    /// No transform at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a transform at the end.
    #[must_use]
    pub fn then(mut self, transform: impl ImageTransform + 'static) -> Self {
        self.steps.push(Arc::new(transform));
        self
    }

    /// Runs the stage on one picture.
    ///
    /// # Errors
    /// The first error of a transform.
    pub fn apply(&self, image: Image, rng: &mut SampleRng) -> Result<Image> {
        self.steps.iter().try_fold(image, |image, step| step.apply(image, rng))
    }

    /// Bytes to floats in `[0, 1]`: torchvision's `ToTensor`, except that channels stay last.
    pub fn to_tensor(self) -> Pipeline {
        Pipeline { images: self, table: ByteTable::unit(), normalize: None, tensors: Vec::new() }
    }
}

/// A whole pipeline: transforms of bytes, the step to floats, transforms of floats.
#[derive(Clone, Debug)]
pub struct Pipeline {
    images: Compose,
    table: ByteTable,
    /// What `table` has folded in, if anything.
    normalize: Option<Normalize>,
    tensors: Vec<Arc<dyn TensorTransform>>,
}

impl Pipeline {
    /// Adds a transform of floats at the end. A [`Normalize`] that comes first costs nothing: it is folded into
    /// the step from bytes to floats.
    #[must_use]
    pub fn then(mut self, transform: impl TensorTransform + 'static) -> Self {
        match transform.as_normalize() {
            Some(normalize) if self.normalize.is_none() && self.tensors.is_empty() => {
                self.table = ByteTable::normalized(normalize);
                self.normalize = Some(normalize.clone());
            }
            _ => self.tensors.push(Arc::new(transform)),
        }
        self
    }

    /// The first stage alone, for showing pictures as the model will get them.
    pub fn images(&self) -> &Compose {
        &self.images
    }

    /// The normalization, where it directly follows the step to floats.
    pub fn normalize(&self) -> Option<&Normalize> {
        self.normalize.as_ref()
    }

    /// Runs the pipeline on one picture and appends its floats to `out`, in (height, width, channel) order.
    /// Returns (height, width, channels).
    ///
    /// # Errors
    /// The first error of a transform; `out` is then as it was before.
    pub fn apply(&self, image: Image, rng: &mut SampleRng, out: &mut Vec<f32>) -> Result<[usize; 3]> {
        let image = self.images.apply(image, rng)?;
        let start = out.len();
        out.resize(start + image.pixels().len(), 0.0);
        if let Err(error) = self.to_floats(&image, rng, &mut out[start..]) {
            out.truncate(start);
            return Err(error);
        }
        Ok(image.shape())
    }

    /// What follows the first stage: writes the floats of `image` to `data`, which has a place for each of its bytes.
    pub(crate) fn to_floats(&self, image: &Image, rng: &mut SampleRng, data: &mut [f32]) -> Result<()> {
        self.table.look_up(image, data)?;
        let [height, width, channels] = image.shape();
        let mut pixels = Pixels { height, width, channels, data };
        self.tensors.iter().try_for_each(|step| step.apply(&mut pixels, rng))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn rng() -> SampleRng {
        SampleRng::new(0, Purpose::Augment, 0, 0)
    }

    #[test]
    fn folded_and_separate_normalization_agree_bit_for_bit() {
        let image = Image::new(2, 43, 3, (0..=255).chain([9, 8]).collect()).unwrap();
        let normalize = Normalize::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]).unwrap();
        let mut folded = Vec::new();
        Compose::new()
            .to_tensor()
            .then(normalize.clone())
            .apply(image.clone(), &mut rng(), &mut folded)
            .unwrap();
        let mut separate = Vec::new();
        Compose::new().to_tensor().apply(image, &mut rng(), &mut separate).unwrap();
        assert!(separate.iter().all(|v| (0.0..=1.0).contains(v)) && separate[255] == 1.0);
        let mut pixels = Pixels { height: 2, width: 43, channels: 3, data: &mut separate };
        normalize.apply(&mut pixels, &mut rng()).unwrap();
        assert_eq!(folded, separate);
    }

    #[test]
    fn a_second_normalization_is_refused() {
        let normalize = Normalize::new(&[0.1307], &[0.3081]).unwrap();
        let pipeline = Compose::new().to_tensor().then(normalize.clone()).then(normalize);
        let mut out = vec![7.0];
        let error = pipeline.apply(Image::filled(2, 2, &[0]), &mut rng(), &mut out).unwrap_err();
        assert!(error.to_string().contains("normalized twice"), "{error}");
        assert_eq!(out, [7.0], "what was there before stays");
    }

    #[test]
    fn channels_must_match_the_means() {
        let pipeline = Compose::new().to_tensor().then(Normalize::new(&[0.5], &[0.5]).unwrap());
        let error = pipeline.apply(Image::filled(2, 2, &[0; 3]), &mut rng(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("2x2 with 3 channels"), "{error}");
    }

    #[test]
    fn normalization_refuses_what_cannot_be_meant() {
        for (mean, std) in [
            (vec![0.5], vec![0.0]),
            (vec![0.5], vec![-1.0]),
            (vec![0.5], vec![f32::NAN]),
            (vec![127.0], vec![0.3]),
            (vec![f32::NAN], vec![0.3]),
            (vec![0.5; 3], vec![0.3]),
            (vec![0.5; 2], vec![0.3; 2]),
            (vec![], vec![]),
        ] {
            assert!(Normalize::new(&mean, &std).is_err(), "{mean:?} {std:?}");
        }
    }
}
