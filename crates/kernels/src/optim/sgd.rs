//! Stochastic gradient descent with momentum.

use crate::parallel::{self, DisjointMut};
use crate::pointwise::update2;
use crate::vectorize::vectorize;

/// Options of [`sgd`], as `torch.optim.SGD`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Weight of the momentum buffer; 0 is plain descent.
    pub momentum: f64,
    /// How much less than fully the gradient enters the momentum buffer.
    pub dampening: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
    /// Nesterov's momentum.
    pub nesterov: bool,
    /// Ascend instead of descend.
    pub maximize: bool,
}

/// One step of stochastic gradient descent on `parameter`.
///
/// `momentum` is the momentum buffer, needed when [`Sgd::momentum`] is not 0. On the `first` step of this
/// parameter it becomes the gradient itself, whatever it held and whatever the dampening.
///
/// # Panics
/// When the slices differ in length, or there is no buffer for a momentum.
#[track_caller]
pub fn sgd(
    options: &Sgd,
    first: bool,
    gradient: &[f32],
    parameter: &mut [f32],
    momentum: Option<&mut [f32]>,
) {
    assert_eq!(gradient.len(), parameter.len(), "sgd: length of gradient");
    let lr = options.lr as f32;
    let sign = if options.maximize { -1.0 } else { 1.0 };
    let penalty = options.weight_decay as f32;
    let direction = move |g: f32, p: f32| sign * g + penalty * p;
    if options.momentum == 0.0 {
        return update2(parameter, gradient, move |p, g| p - lr * direction(g, p));
    }
    let Some(momentum) = momentum else { panic!("sgd: a momentum needs a buffer") };
    assert_eq!(momentum.len(), parameter.len(), "sgd: length of momentum");
    let look_ahead = options.momentum as f32;
    let (decay, intake) = if first { (0.0, 1.0) } else { (look_ahead, (1.0 - options.dampening) as f32) };
    let nesterov = options.nesterov;
    let momentum = DisjointMut::new(momentum);
    parallel::for_each_chunk(parameter, 1, |start, parameter| {
        let range = start..start + parameter.len();
        // SAFETY: chunks do not overlap.
        let momentum = unsafe { momentum.slice(range.clone()) };
        if first {
            // What is in the buffer may be anything, even NaN.
            momentum.fill(0.0);
        }
        let gradient = &gradient[range];
        vectorize(
            #[inline(always)]
            move || {
                for ((p, m), &g) in parameter.iter_mut().zip(momentum).zip(gradient) {
                    let g = direction(g, *p);
                    *m = decay * *m + intake * g;
                    *p -= lr * if nesterov { g + look_ahead * *m } else { *m };
                }
            },
        );
    });
}
