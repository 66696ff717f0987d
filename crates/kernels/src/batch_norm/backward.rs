//! Gradients of batch normalization, of the ReLU after it and of the residual before that.

use std::ops::Range;

use crate::parallel::{self, DisjointMut};
use crate::pointwise::gate;
use crate::vectorize::vectorize;
use crate::{rows, scratch};

/// Whose statistics normalized the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Those of the batch (training): mean and variance depend on `x`.
    Batch,
    /// The running ones (evaluation): constants.
    Running,
}

/// What followed the normalization, and how to know where a ReLU was active.
#[derive(Clone, Copy, Debug)]
pub enum Relu<'a> {
    /// No ReLU.
    None,
    /// A ReLU directly behind the normalization: its mask is recomputed from `x`, which costs no memory
    /// traffic.
    Recompute,
    /// A ReLU with this output (rows, channels): needed when a residual was added before it.
    Output(&'a [f32]),
}

/// What the gradient needs to know of the forward pass.
///
/// Two passes over memory: the first sums `dy` and `dy * (x - mean)` of each channel, the second computes
/// `dx`.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// Input of the normalization (rows, channels).
    pub x: &'a [f32],
    /// Mean of each channel that was subtracted.
    pub mean: &'a [f32],
    /// Biased variance of each channel that was divided by.
    pub variance: &'a [f32],
    /// What was added to the variance.
    pub epsilon: f32,
    /// Weight of each channel; `None` is 1.
    pub weight: Option<&'a [f32]>,
    /// Bias of each channel; `None` is 0. Only used to recompute the mask of a ReLU.
    pub bias: Option<&'a [f32]>,
    /// The ReLU behind the normalization.
    pub relu: Relu<'a>,
    /// Batch or running statistics.
    pub mode: Mode,
}

impl Backward<'_> {
    /// Computes `dx`, `dweight` and `dbias` from `dy`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[track_caller]
    pub fn run(&self, dy: &[f32], dx: &mut [f32], dweight: &mut [f32], dbias: &mut [f32]) {
        assert_eq!(dy.len(), dx.len(), "batch_norm: length of dy");
        self.check(dx, dweight, dbias);
        self.with_gate(|gate| {
            let sums = self.sums(gate, &Incoming::Shared(dy));
            self.store(&sums, dweight, dbias);
            self.input_gradient(gate, &sums, Some(dy), dx);
        });
    }

    /// [`Self::run`] with `dx` taking the place of `dy`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[track_caller]
    pub fn run_in_place(&self, dy: &mut [f32], dweight: &mut [f32], dbias: &mut [f32]) {
        self.check(dy, dweight, dbias);
        self.with_gate(|gate| {
            let sums = self.sums(gate, &Incoming::Shared(dy));
            self.store(&sums, dweight, dbias);
            self.input_gradient(gate, &sums, None, dy);
        });
    }

    /// [`Self::run`] when a residual was added before the ReLU: its gradient, which is `dy` where the ReLU
    /// was active and 0 elsewhere, takes the place of `dy`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[track_caller]
    pub fn run_with_residual(&self, dy: &mut [f32], dx: &mut [f32], dweight: &mut [f32], dbias: &mut [f32]) {
        assert_eq!(dy.len(), dx.len(), "batch_norm: length of dy");
        self.check(dx, dweight, dbias);
        self.with_gate(|gate| {
            let sums = self.sums(gate, &Incoming::Gated(DisjointMut::new(dy)));
            self.store(&sums, dweight, dbias);
            let open = Gate { relu: Relu::None, ..*gate };
            self.input_gradient(&open, &sums, Some(dy), dx);
        });
    }

    #[track_caller]
    fn check(&self, dx: &[f32], dweight: &[f32], dbias: &[f32]) {
        let channels = self.mean.len();
        assert_eq!(self.x.len(), dx.len(), "batch_norm: length of x");
        assert_eq!(self.variance.len(), channels, "batch_norm: length of variance");
        assert_eq!(dweight.len(), channels, "batch_norm: length of dweight");
        assert_eq!(dbias.len(), channels, "batch_norm: length of dbias");
        if let Relu::Output(y) = self.relu {
            assert_eq!(y.len(), dx.len(), "batch_norm: length of y");
        }
        assert!(
            dx.is_empty() || (channels > 0 && dx.len().is_multiple_of(channels)),
            "batch_norm: {} elements in rows of {channels}",
            dx.len()
        );
    }

    /// Folds the parameters as the forward pass did, so that a recomputed mask has the same bits.
    fn with_gate(&self, f: impl FnOnce(&Gate<'_>)) {
        let channels = self.mean.len();
        scratch::with(2 * channels, |fold: &mut [f32]| {
            let (scale, shift) = fold.split_at_mut(channels);
            super::fold(self.mean, self.variance, self.epsilon, self.weight, self.bias, scale, shift);
            rows::with_widened([scale, shift], |[scale, shift]| {
                f(&Gate { relu: self.relu, x: self.x, scale, shift });
            });
        });
    }

    /// First pass: sums over the rows, block by block.
    fn sums(&self, gate: &Gate<'_>, dy: &Incoming<'_>) -> Sums {
        let channels = self.mean.len();
        let rows = self.x.len().checked_div(channels).unwrap_or(0);
        let block = rows::block(channels);
        rows::with_widened([self.mean], |[mean]| {
            let partial = |range: Range<usize>| {
                let mut sums = Sums::new(channels);
                for start in range.clone().step_by(block) {
                    let end = range.end.min(start + block);
                    sums.add_block(start * channels..end * channels, gate, mean, dy);
                }
                sums
            };
            let total = parallel::reduce_blocks(rows, block * rows::BLOCKS_PER_TASK, partial, Sums::merge);
            total.unwrap_or_else(|| Sums::new(channels))
        })
    }

    fn inverse_deviation(&self, channel: usize) -> f64 {
        1.0 / (f64::from(self.variance[channel]) + f64::from(self.epsilon)).sqrt()
    }

    fn store(&self, sums: &Sums, dweight: &mut [f32], dbias: &mut [f32]) {
        for c in 0..self.mean.len() {
            dbias[c] = sums.gradient[c] as f32;
            // Without rows the deviation is NaN, but a sum of nothing is 0.
            let inverse = if self.x.is_empty() { 0.0 } else { self.inverse_deviation(c) };
            dweight[c] = (sums.product[c] * inverse) as f32;
        }
    }

    /// Second pass: `dx` of each element from its `dy`, which is in `dx` already when `dy` is `None`.
    fn input_gradient(&self, gate: &Gate<'_>, sums: &Sums, dy: Option<&[f32]>, dx: &mut [f32]) {
        let channels = self.mean.len();
        if dx.is_empty() {
            return;
        }
        let reciprocal = channels as f64 / dx.len() as f64;
        scratch::with(2 * channels, |coefficients: &mut [f32]| {
            let (slope, offset) = coefficients.split_at_mut(channels);
            for c in 0..channels {
                let factor = match self.mode {
                    Mode::Batch => -f64::from(gate.scale[c]) * reciprocal,
                    Mode::Running => 0.0,
                };
                slope[c] = (factor * sums.product[c] * self.inverse_deviation(c).powi(2)) as f32;
                offset[c] = (factor * sums.gradient[c]) as f32;
            }
            rows::with_widened([slope, offset, self.mean], |parameters| {
                parallel::for_each_chunk(dx, channels, |start, dx| {
                    scratch::with(gate.scale.len(), |row: &mut [f32]| {
                        vectorize(
                            #[inline(always)]
                            || input_gradient_rows(start, gate, parameters, dy, row, dx),
                        );
                    });
                });
            });
        });
    }
}

/// `dx = scale * g + (x - mean) * slope + offset`, one wide row after the other.
#[inline(always)]
fn input_gradient_rows(
    start: usize,
    gate: &Gate<'_>,
    [slope, offset, mean]: [&[f32]; 3],
    dy: Option<&[f32]>,
    row: &mut [f32],
    dx: &mut [f32],
) {
    let wide = mean.len();
    for (i, dx) in dx.chunks_mut(wide).enumerate() {
        let at = start + i * wide;
        let row = &mut row[..dx.len()];
        gate.pass(at, dy.map_or(&*dx, |dy| &dy[at..]), row);
        let inputs = gate.x[at..].iter().zip(mean);
        let parameters = gate.scale.iter().zip(slope).zip(offset);
        for (((d, g), (x, m)), ((a, b), c)) in dx.iter_mut().zip(row).zip(inputs).zip(parameters) {
            *d = a * *g + ((x - m) * b + c);
        }
    }
}

/// The gradient that comes in.
enum Incoming<'a> {
    /// Left as it is.
    Shared(&'a [f32]),
    /// Set to 0 where the ReLU was not active.
    Gated(DisjointMut<'a, f32>),
}

/// The ReLU, as seen by a gradient.
#[derive(Clone, Copy)]
struct Gate<'a> {
    relu: Relu<'a>,
    x: &'a [f32],
    /// Of a wide row.
    scale: &'a [f32],
    /// Of a wide row.
    shift: &'a [f32],
}

impl Gate<'_> {
    /// Writes what passes of `dy`, a wide row that starts at element `at`, to `g`.
    ///
    /// Never in place: a choice between a number and what is already there becomes a masked store, which
    /// takes tens of cycles on many processors.
    #[inline(always)]
    fn pass(&self, at: usize, dy: &[f32], g: &mut [f32]) {
        match self.relu {
            Relu::None => g.copy_from_slice(&dy[..g.len()]),
            Relu::Recompute => {
                let parameters = self.scale.iter().zip(self.shift);
                for ((g, dy), (x, (a, b))) in g.iter_mut().zip(dy).zip(self.x[at..].iter().zip(parameters)) {
                    *g = gate(*dy, a * x + b);
                }
            }
            Relu::Output(y) => {
                for ((g, dy), y) in g.iter_mut().zip(dy).zip(&y[at..]) {
                    *g = gate(*dy, *y);
                }
            }
        }
    }
}

/// Sums over the rows, for each channel.
struct Sums {
    /// Of the gradient.
    gradient: Vec<f64>,
    /// Of the gradient times the distance of `x` from its mean.
    product: Vec<f64>,
}

impl Sums {
    fn new(channels: usize) -> Self {
        Self { gradient: vec![0.0; channels], product: vec![0.0; channels] }
    }

    /// Adds the elements of `range`, which are whole rows. `mean` is that of a wide row.
    fn add_block(&mut self, range: Range<usize>, gate: &Gate<'_>, mean: &[f32], dy: &Incoming<'_>) {
        let wide = mean.len();
        scratch::with(3 * wide, |buffer: &mut [f32]| {
            let (row, sums) = buffer.split_at_mut(wide);
            let (gradient, product) = sums.split_at_mut(wide);
            gradient.fill(0.0);
            product.fill(0.0);
            vectorize(
                #[inline(always)]
                || {
                    for at in range.clone().step_by(wide) {
                        let end = range.end.min(at + wide);
                        let g = &mut row[..end - at];
                        match dy {
                            Incoming::Shared(dy) => gate.pass(at, &dy[at..end], g),
                            Incoming::Gated(dy) => {
                                // SAFETY: blocks do not overlap, nor do the wide rows of one.
                                let dy = unsafe { dy.slice(at..end) };
                                gate.pass(at, dy, g);
                                dy.copy_from_slice(g);
                            }
                        }
                        let inputs = gate.x[at..end].iter().zip(mean);
                        for ((s, p), (g, (x, m))) in
                            gradient.iter_mut().zip(&mut *product).zip(g.iter().zip(inputs))
                        {
                            *s += g;
                            *p += g * (x - m);
                        }
                    }
                    rows::narrow(self.gradient.len(), gradient);
                    rows::narrow(self.gradient.len(), product);
                },
            );
            self.gradient.iter_mut().zip(gradient).for_each(|(total, s)| *total += f64::from(*s));
            self.product.iter_mut().zip(product).for_each(|(total, p)| *total += f64::from(*p));
        });
    }

    fn merge(mut self, other: Self) -> Self {
        self.gradient.iter_mut().zip(other.gradient).for_each(|(a, b)| *a += b);
        self.product.iter_mut().zip(other.product).for_each(|(a, b)| *a += b);
        self
    }
}
