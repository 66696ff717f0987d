//! What the model gets.

/// Some samples, ready for the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The pictures in (sample, height, width, channel) order: channels last.
    pub images: Vec<f32>,
    /// The logical shape of `images`: (samples, channels, height, width).
    pub shape: [usize; 4],
    /// What the model should say.
    pub targets: Targets,
    /// Which samples of the dataset these are.
    pub indices: Vec<usize>,
    /// The batch's number in its epoch, from 0.
    pub position: usize,
}

impl Batch {
    /// The number of samples.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no sample. A loader never yields such a batch.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// What the model should say for each sample of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// The index of the class of each sample.
    Indices(Vec<i64>),
    /// The probability of each class for each sample, after mixup or cutmix.
    Probabilities {
        /// `data[sample * classes + class]`; each sample's add up to 1.
        data: Vec<f32>,
        /// The number of classes.
        classes: usize,
    },
}
