//! A part of a dataset.

use std::sync::Arc;

use crate::datasets::{Dataset, Sample, check_index};
use crate::random::{Purpose, SampleRng};
use crate::{Result, VisionError};

/// Some samples of a dataset, in a given order.
#[derive(Clone)]
pub struct Subset {
    dataset: Arc<dyn Dataset>,
    indices: Vec<usize>,
}

impl Subset {
    /// The samples `indices` of `dataset`.
    ///
    /// # Errors
    /// If an index is beyond the end of `dataset`.
    pub fn new(dataset: Arc<dyn Dataset>, indices: Vec<usize>) -> Result<Self> {
        indices.iter().try_for_each(|&index| check_index(index, dataset.len()))?;
        Ok(Self { dataset, indices })
    }

    /// The numbers of the samples in the whole dataset.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl Dataset for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        check_index(index, self.len())?;
        self.dataset.sample(self.indices[index])
    }

    fn label(&self, index: usize) -> Result<i64> {
        check_index(index, self.len())?;
        self.dataset.label(self.indices[index])
    }

    fn image_size(&self) -> Option<(usize, usize)> {
        self.dataset.image_size()
    }

    fn is_in_memory(&self) -> bool {
        self.dataset.is_in_memory()
    }

    fn prefetch(&self, index: usize) {
        if let Some(&index) = self.indices.get(index) {
            self.dataset.prefetch(index);
        }
    }

    fn describe(&self, index: usize) -> String {
        match self.indices.get(index) {
            Some(&index) => self.dataset.describe(index),
            None => format!("sample {index}"),
        }
    }
}

/// Splits a dataset into a part for training and a part for validation, at random but by `seed`, and of each class
/// the same share (rounded; at least one sample of a class that has two stays on either side).
///
/// # Errors
/// If `share`, the part held out, is not between 0 and 1, or either side would be empty.
pub fn train_val_split(dataset: &Arc<dyn Dataset>, share: f64, seed: u64) -> Result<(Subset, Subset)> {
    if !(share > 0.0 && share < 1.0) {
        return Err(VisionError::option("validation split", share, "a share between 0 and 1, such as 0.1"));
    }
    let mut by_class = vec![Vec::new(); dataset.classes().len()];
    for index in 0..dataset.len() {
        let label = dataset.label(index)?;
        let class = usize::try_from(label).ok().and_then(|label| by_class.get_mut(label));
        class.ok_or_else(|| VisionError::option("label", label, "an index of a class"))?.push(index);
    }
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for (class, mut indices) in by_class.into_iter().enumerate() {
        let count = indices.len();
        SampleRng::new(seed, Purpose::Split, 0, class as u64).shuffle(&mut indices);
        let mut held_out = (count as f64 * share).round() as usize;
        if count >= 2 {
            held_out = held_out.clamp(1, count - 1);
        }
        val.extend(indices.drain(..held_out));
        train.extend(indices);
    }
    if train.is_empty() || val.is_empty() {
        let found = format!("{share} of {} samples", dataset.len());
        return Err(VisionError::option(
            "validation split",
            found,
            "a share that leaves samples on both sides",
        ));
    }
    train.sort_unstable();
    val.sort_unstable();
    Ok((Subset::new(Arc::clone(dataset), train)?, Subset::new(Arc::clone(dataset), val)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::{Split, digits};

    #[test]
    fn every_class_gives_its_share() {
        let data: Arc<dyn Dataset> = Arc::new(digits::load(Split::Train).unwrap());
        let (train, val) = train_val_split(&data, 0.1, 7).unwrap();
        assert_eq!(train.len() + val.len(), data.len());
        let mut all: Vec<usize> = train.indices().iter().chain(val.indices()).copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..data.len()).collect::<Vec<_>>());
        let of_class =
            |part: &Subset, class| (0..part.len()).filter(|&i| part.label(i).unwrap() == class).count();
        for class in 0..10 {
            let (held_out, kept) = (of_class(&val, class), of_class(&train, class));
            assert_eq!(held_out, ((held_out + kept) as f64 * 0.1).round() as usize);
        }
        assert_eq!(train_val_split(&data, 0.1, 7).unwrap().1.indices(), val.indices());
        assert_ne!(train_val_split(&data, 0.1, 8).unwrap().1.indices(), val.indices());
        for share in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(train_val_split(&data, share, 0).is_err());
        }
    }
}
