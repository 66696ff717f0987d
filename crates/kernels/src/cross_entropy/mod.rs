//! Softmax cross entropy, loss and gradient in one pass, as `torch.nn.functional.cross_entropy`.

mod class_indices;
mod probabilities;
#[cfg(test)]
mod tests;

pub use class_indices::class_indices;
pub use probabilities::probabilities;

use std::ops::Range;
use thiserror::Error;

use crate::parallel::{self, DisjointMut};
use crate::reduce::sum_lanes;
use crate::scratch;
use crate::softmax::exp_rows;
use crate::vectorize::vectorize;

/// How the losses of the rows become the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// One loss a row.
    None,
    /// For class indices the sum divided by the summed weight of the targets, for probabilities by the number
    /// of rows.
    #[default]
    Mean,
    /// The sum.
    Sum,
}

/// Options of the loss.
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy<'a> {
    /// Number of classes: columns of the logits.
    pub classes: usize,
    /// Weight of each class (classes); `None` is 1 for each.
    pub weight: Option<&'a [f32]>,
    /// Share of the target that is spread evenly over all classes, in `0..=1` (Szegedy et al., 2015).
    pub label_smoothing: f32,
    /// Rows with this class index count neither in the loss nor in the gradient. Not used for probabilities.
    pub ignore_index: i64,
    /// How the losses of the rows become the result.
    pub reduction: Reduction,
}

impl CrossEntropy<'_> {
    /// PyTorch's defaults: no weights, no smoothing, `ignore_index` -100, mean.
    pub fn new(classes: usize) -> Self {
        Self { classes, weight: None, label_smoothing: 0.0, ignore_index: -100, reduction: Reduction::Mean }
    }

    /// Elements of the loss for a number of rows: 1, or one a row without reduction.
    pub fn loss_len(&self, rows: usize) -> usize {
        if self.reduction == Reduction::None { rows } else { 1 }
    }

    fn weight(&self, class: usize) -> f64 {
        self.weight.map_or(1.0, |w| f64::from(w[class]))
    }

    /// Calls `row(number, logits, softmax, gradient)` for each row, which returns the row's loss and makes its
    /// gradient of the exponentials that it finds there, and reduces the losses. `divisor` is that of the mean.
    ///
    /// `row` runs inside of [`vectorize`].
    #[track_caller]
    #[inline(always)]
    fn reduce(
        &self,
        logits: &[f32],
        loss: &mut [f32],
        gradient: Option<&mut [f32]>,
        divisor: f64,
        row: impl Fn(usize, &[f32], &Softmax, Option<&mut [f32]>) -> f64 + Sync,
    ) {
        let classes = self.classes;
        let rows = logits.len().checked_div(classes).unwrap_or(0);
        assert_eq!(logits.len(), rows * classes, "cross_entropy: length of logits");
        assert_eq!(self.weight.map_or(classes, <[f32]>::len), classes, "cross_entropy: length of weight");
        assert_eq!(loss.len(), self.loss_len(rows), "cross_entropy: length of loss");
        let gradient = gradient.map(|gradient| {
            assert_eq!(gradient.len(), logits.len(), "cross_entropy: length of gradient");
            DisjointMut::new(gradient)
        });
        let each_loss = (self.reduction == Reduction::None).then(|| DisjointMut::new(&mut *loss));
        let block = |range: Range<usize>| {
            let at = range.start * classes..range.end * classes;
            // The exponentials lie where the gradient will, if there is one.
            let spare = if gradient.is_some() { 0 } else { at.len() };
            scratch::with(spare + range.len(), |memory: &mut [f32]| {
                let (spare, maxima) = memory.split_at_mut(spare);
                let exponentials = match &gradient {
                    // SAFETY: rows do not overlap.
                    Some(gradient) => unsafe { gradient.slice(at.clone()) },
                    None => spare,
                };
                vectorize(
                    #[inline(always)]
                    || {
                        let logits = &logits[at];
                        exp_rows(classes, logits, maxima, exponentials);
                        let each = logits.chunks_exact(classes).zip(exponentials.chunks_exact_mut(classes));
                        let mut sum = 0.0;
                        for ((r, (logits, exponentials)), &mut max) in range.zip(each).zip(maxima) {
                            let softmax = Softmax::new(max, exponentials);
                            let value = row(r, logits, &softmax, gradient.is_some().then_some(exponentials));
                            if let Some(loss) = &each_loss {
                                // SAFETY: as above.
                                unsafe { loss.slice(r..r + 1)[0] = value as f32 };
                            }
                            sum += value;
                        }
                        sum
                    },
                )
            })
        };
        let rows_a_block = (parallel::MIN_BLOCK / 4).div_ceil(classes.max(1));
        let sum = parallel::reduce_blocks(rows, rows_a_block, block, |a, b| a + b).unwrap_or(0.0);
        if self.reduction != Reduction::None {
            loss[0] = (sum / divisor) as f32;
        }
    }
}

/// A class index that names no class.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("target {target} in row {row} is not a class: there are {classes} classes, numbered from 0")]
pub struct TargetError {
    /// Row of the target.
    pub row: usize,
    /// Its value.
    pub target: i64,
    /// How many classes there are.
    pub classes: usize,
}

/// What the softmax of a row of logits is made of.
struct Softmax {
    /// Largest logit.
    max: f32,
    /// Sum of `exp(logit - max)`.
    sum: f64,
    /// Its logarithm.
    log: f64,
}

impl Softmax {
    /// Of a row with this largest logit.
    #[inline(always)]
    fn new(max: f32, exponentials: &[f32]) -> Self {
        let sum = sum_lanes(exponentials, |e| e);
        Self { max, sum, log: sum.ln() }
    }

    /// `-log(softmax)` of one logit.
    fn loss(&self, logit: f32) -> f64 {
        self.log - f64::from(logit - self.max)
    }
}
