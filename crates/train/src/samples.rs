//! A loader's batch as tensors.

use crate::error::{Result, TrainError};
use crate::metrics::argmax;
use cresset_tensor::Tensor;
use cresset_tensor::ops::Targets;
use cresset_vision::loader::{self, Batch};

/// A batch as the model and the loss want it.
pub(crate) struct Samples {
    /// (N, C, H, W), channels last in memory.
    pub images: Tensor,
    /// What the loss compares with.
    pub targets: Targets,
    /// The class that counts as right for each sample: the most probable one where targets are mixed.
    pub labels: Vec<usize>,
}

/// A loader's batch as images (N, C, H, W) and what the loss compares with. Pixels are not copied.
pub fn to_tensors(batch: Batch) -> (Tensor, Targets) {
    let targets = match batch.targets {
        loader::Targets::Indices(labels) => {
            let n = labels.len();
            Targets::Indices(Tensor::from_i64(labels, [n]))
        }
        loader::Targets::Probabilities { data, classes } => {
            let n = data.len() / classes;
            Targets::Probabilities(Tensor::from_vec(data, [n, classes]))
        }
    };
    (Tensor::from_channels_last(batch.images, batch.shape), targets)
}

impl Samples {
    /// Takes over a batch, and makes sure that every label is a class.
    pub fn new(batch: Batch, classes: usize) -> Result<Self> {
        let labels = match &batch.targets {
            loader::Targets::Indices(labels) => labels
                .iter()
                .zip(&batch.indices)
                .map(|(&label, &index)| class(label, index, classes))
                .collect::<Result<_>>()?,
            loader::Targets::Probabilities { data, classes: columns } if *columns == classes => {
                data.chunks_exact(classes).map(argmax).collect()
            }
            loader::Targets::Probabilities { classes: columns, .. } => {
                return Err(TrainError::Classes { model: classes, data: *columns });
            }
        };
        let (images, targets) = to_tensors(batch);
        Ok(Self { images, targets, labels })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }
}

fn class(label: i64, index: usize, classes: usize) -> Result<usize> {
    usize::try_from(label).ok().filter(|&label| label < classes).ok_or(TrainError::Label {
        index,
        label,
        classes,
    })
}
