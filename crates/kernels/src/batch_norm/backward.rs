//! Gradients of batch normalization, of the ReLU after it and of the residual before that.

use std::ops::Range;

use crate::parallel::{self, DisjointMut, Order};
use crate::pointwise::gate;
use crate::vectorize::vectorize;
use crate::{Element, rows, scratch};

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
pub enum Relu<'a, E = f32> {
    /// No ReLU.
    None,
    /// A ReLU directly behind the normalization: its mask is recomputed from `x`, which costs no memory
    /// traffic.
    Recompute,
    /// A ReLU with this output (rows, channels): needed when a residual was added before it.
    Output(&'a [E]),
}

/// What the gradient needs to know of the forward pass.
///
/// Two passes over memory: the first sums `dy` and `dy * (x - mean)` of each channel, the second computes `dx`,
/// which takes the place of what is no longer wanted. Each starts where the one before it ended, in this file or
/// not: that is what the caches still hold.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a, E = f32> {
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
    pub relu: Relu<'a, E>,
    /// Batch or running statistics.
    pub mode: Mode,
}

impl<E: Element> Backward<'_, E> {
    /// Computes `dx`, which takes the place of `dy`, `dweight` and `dbias` from the input `x` (rows, channels).
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[track_caller]
    pub fn run(&self, x: &[E], dy: &mut [E], dweight: &mut [f32], dbias: &mut [f32]) {
        self.check(x, dy, dweight, dbias);
        self.with_gate(|gate| {
            let sums = self.sums(gate, x, &Incoming::Shared(dy));
            self.store(&sums, x.is_empty(), dweight, dbias);
            self.input_gradient(gate, &sums, Other::X(x), dy);
        });
    }

    /// [`Self::run`] with `dx` taking the place of `x`, for a `dy` that others want too.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[track_caller]
    pub fn run_beside(&self, x: &mut [E], dy: &[E], dweight: &mut [f32], dbias: &mut [f32]) {
        self.check(x, dy, dweight, dbias);
        self.with_gate(|gate| {
            let sums = self.sums(gate, x, &Incoming::Shared(dy));
            self.store(&sums, x.is_empty(), dweight, dbias);
            self.input_gradient(gate, &sums, Other::Dy(dy), x);
        });
    }

    /// [`Self::run`] when a residual was added before the ReLU: `dx` takes the place of `x`, and the residual's
    /// gradient, which is `dy` where the ReLU was active and 0 elsewhere, that of `dy`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    #[track_caller]
    pub fn run_with_residual(&self, x: &mut [E], dy: &mut [E], dweight: &mut [f32], dbias: &mut [f32]) {
        self.check(x, dy, dweight, dbias);
        self.with_gate(|gate| {
            let sums = self.sums(gate, x, &Incoming::Gated(DisjointMut::new(dy)));
            self.store(&sums, x.is_empty(), dweight, dbias);
            let open = Gate { relu: Relu::None, ..*gate };
            self.input_gradient(&open, &sums, Other::Dy(dy), x);
        });
    }

    #[track_caller]
    fn check(&self, x: &[E], dy: &[E], dweight: &[f32], dbias: &[f32]) {
        let channels = self.mean.len();
        assert_eq!(x.len(), dy.len(), "batch_norm: length of x");
        assert_eq!(self.variance.len(), channels, "batch_norm: length of variance");
        assert_eq!(dweight.len(), channels, "batch_norm: length of dweight");
        assert_eq!(dbias.len(), channels, "batch_norm: length of dbias");
        if let Relu::Output(y) = self.relu {
            assert_eq!(y.len(), x.len(), "batch_norm: length of y");
        }
        assert!(
            x.is_empty() || (channels > 0 && x.len().is_multiple_of(channels)),
            "batch_norm: {} elements in rows of {channels}",
            x.len()
        );
    }

    /// Folds the parameters as the forward pass did, so that a recomputed mask has the same bits.
    fn with_gate(&self, f: impl FnOnce(&Gate<'_, E>)) {
        let channels = self.mean.len();
        scratch::with(2 * channels, |fold: &mut [f32]| {
            let (scale, shift) = fold.split_at_mut(channels);
            super::fold(self.mean, self.variance, self.epsilon, self.weight, self.bias, scale, shift);
            rows::with_widened([scale, shift], |[scale, shift]| {
                f(&Gate { relu: self.relu, scale, shift });
            });
        });
    }

    /// First pass: sums over the rows, block by block, each thread's last rows first.
    fn sums(&self, gate: &Gate<'_, E>, x: &[E], dy: &Incoming<'_, E>) -> Sums {
        let channels = self.mean.len();
        let rows = x.len().checked_div(channels).unwrap_or(0);
        let block = rows::block(channels);
        rows::with_widened([self.mean], |[mean]| {
            let partial = |range: Range<usize>| {
                let mut sums = Sums::new(channels);
                for start in range.clone().step_by(block).rev() {
                    let end = range.end.min(start + block);
                    sums.add_block(start * channels..end * channels, gate, mean, x, dy);
                }
                sums
            };
            let task = block * rows::BLOCKS_PER_TASK;
            let total = parallel::reduce_blocks_in(Order::Backwards, rows, task, partial, Sums::merge);
            total.unwrap_or_else(|| Sums::new(channels))
        })
    }

    fn inverse_deviation(&self, channel: usize) -> f64 {
        1.0 / (f64::from(self.variance[channel]) + f64::from(self.epsilon)).sqrt()
    }

    fn store(&self, sums: &Sums, empty: bool, dweight: &mut [f32], dbias: &mut [f32]) {
        for c in 0..self.mean.len() {
            dbias[c] = sums.gradient[c] as f32;
            // Without rows the deviation is NaN, but a sum of nothing is 0.
            let inverse = if empty { 0.0 } else { self.inverse_deviation(c) };
            dweight[c] = (sums.product[c] * inverse) as f32;
        }
    }

    /// Second pass: `dx` of each element from its `x` and `dy`, one of which is in `dx` already.
    fn input_gradient(&self, gate: &Gate<'_, E>, sums: &Sums, other: Other<'_, E>, dx: &mut [E]) {
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
                    let other = other.from(start);
                    scratch::with(gate.scale.len(), |row: &mut [f32]| {
                        vectorize(
                            #[inline(always)]
                            || input_gradient_rows(start, gate, parameters, other, row, dx),
                        );
                    });
                });
            });
        });
    }
}

/// `dx = scale * g + (x - mean) * slope + offset`, one wide row after the other.
#[inline(always)]
fn input_gradient_rows<E: Element>(
    start: usize,
    gate: &Gate<'_, E>,
    [slope, offset, mean]: [&[f32]; 3],
    other: Other<'_, E>,
    row: &mut [f32],
    dx: &mut [E],
) {
    let wide = mean.len();
    for (i, dx) in dx.chunks_mut(wide).enumerate() {
        let row = &mut row[..dx.len()];
        let parameters = gate.scale.iter().zip(slope).zip(offset).zip(mean);
        match other {
            Other::X(x) => {
                let x = &x[i * wide..][..dx.len()];
                gate.pass(start + i * wide, x, dx, row);
                for (((d, g), x), (((a, b), c), m)) in dx.iter_mut().zip(row).zip(x).zip(parameters) {
                    *d = E::narrow(a * *g + ((x.widen() - m) * b + c));
                }
            }
            Other::Dy(dy) => {
                gate.pass(start + i * wide, dx, &dy[i * wide..], row);
                for ((d, g), (((a, b), c), m)) in dx.iter_mut().zip(row).zip(parameters) {
                    *d = E::narrow(a * *g + ((d.widen() - m) * b + c));
                }
            }
        }
    }
}

/// Of `x` and `dy`, the one whose place `dx` does not take.
#[derive(Clone, Copy)]
enum Other<'a, E> {
    X(&'a [E]),
    Dy(&'a [E]),
}

impl<E> Other<'_, E> {
    /// What begins at this element.
    fn from(self, start: usize) -> Self {
        match self {
            Other::X(x) => Other::X(&x[start..]),
            Other::Dy(dy) => Other::Dy(&dy[start..]),
        }
    }
}

/// The gradient that comes in.
enum Incoming<'a, E> {
    /// Left as it is.
    Shared(&'a [E]),
    /// Set to 0 where the ReLU was not active.
    Gated(DisjointMut<'a, E>),
}

/// The ReLU, as seen by a gradient.
#[derive(Clone, Copy)]
struct Gate<'a, E> {
    relu: Relu<'a, E>,
    /// Of a wide row.
    scale: &'a [f32],
    /// Of a wide row.
    shift: &'a [f32],
}

impl<E: Element> Gate<'_, E> {
    /// Writes what passes of `dy`, a wide row that starts at element `at` and whose input is `x`, to `g`.
    ///
    /// Never in place: a choice between a number and what is already there becomes a masked store, which
    /// takes tens of cycles on many processors.
    #[inline(always)]
    fn pass(&self, at: usize, x: &[E], dy: &[E], g: &mut [f32]) {
        match self.relu {
            Relu::None => {
                for (g, dy) in g.iter_mut().zip(dy) {
                    *g = dy.widen();
                }
            }
            Relu::Recompute => {
                let parameters = self.scale.iter().zip(self.shift);
                for ((g, dy), (x, (a, b))) in g.iter_mut().zip(dy).zip(x.iter().zip(parameters)) {
                    *g = gate(dy.widen(), a * x.widen() + b);
                }
            }
            Relu::Output(y) => {
                for ((g, dy), y) in g.iter_mut().zip(dy).zip(&y[at..]) {
                    *g = gate(dy.widen(), y.widen());
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
    fn add_block<E: Element>(
        &mut self,
        range: Range<usize>,
        gate: &Gate<'_, E>,
        mean: &[f32],
        x: &[E],
        dy: &Incoming<'_, E>,
    ) {
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
                        let (g, x) = (&mut row[..end - at], &x[at..end]);
                        match dy {
                            Incoming::Shared(dy) => gate.pass(at, x, &dy[at..end], g),
                            Incoming::Gated(dy) => {
                                // SAFETY: blocks do not overlap, nor do the wide rows of one.
                                let dy = unsafe { dy.slice(at..end) };
                                gate.pass(at, x, dy, g);
                                for (dy, g) in dy.iter_mut().zip(&*g) {
                                    *dy = E::narrow(*g);
                                }
                            }
                        }
                        let inputs = x.iter().zip(mean);
                        for ((s, p), (g, (x, m))) in
                            gradient.iter_mut().zip(&mut *product).zip(g.iter().zip(inputs))
                        {
                            *s += g;
                            *p += g * (x.widen() - m);
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
