//! Adam (Kingma and Ba, 2014) and AdamW (Loshchilov and Hutter, 2017).

use super::average::toward;
use crate::parallel::{self, DisjointMut};
use crate::vectorize::vectorize;

/// Elements that are taken through all steps of the update together.
const BLOCK: usize = 256;

/// Options of [`adam`], as `torch.optim.Adam` and `torch.optim.AdamW`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the averages of gradient and squared gradient.
    pub betas: (f64, f64),
    /// Added to the denominator.
    pub epsilon: f64,
    /// L2 penalty (Adam), or decay of the parameter itself (AdamW).
    pub weight_decay: f64,
    /// Whether the weight decay is decoupled from the gradient: AdamW.
    pub decoupled: bool,
    /// Ascend instead of descend.
    pub maximize: bool,
}

/// Step number `step`, counted from 1, of Adam on `parameter`.
///
/// `average` and `average_square` are the state, zero before the first step. Giving `largest_square`, also
/// zero before the first step, selects AMSGrad (Reddi et al., 2018).
///
/// # Panics
/// When the slices differ in length or `step` is 0.
#[track_caller]
pub fn adam(
    options: &Adam,
    step: u64,
    gradient: &[f32],
    parameter: &mut [f32],
    average: &mut [f32],
    average_square: &mut [f32],
    largest_square: Option<&mut [f32]>,
) {
    let len = parameter.len();
    assert!(step > 0, "adam: steps are counted from 1");
    assert_eq!(gradient.len(), len, "adam: length of gradient");
    assert_eq!(average.len(), len, "adam: length of average");
    assert_eq!(average_square.len(), len, "adam: length of average_square");
    let largest_square = largest_square.map(|largest| {
        assert_eq!(largest.len(), len, "adam: length of largest_square");
        DisjointMut::new(largest)
    });
    let update = Update::new(options, step);
    let (average, average_square) = (DisjointMut::new(average), DisjointMut::new(average_square));
    parallel::for_each_chunk(parameter, BLOCK, |start, parameter| {
        for (i, p) in parameter.chunks_mut(BLOCK).enumerate() {
            let range = start + i * BLOCK..start + i * BLOCK + p.len();
            // SAFETY: chunks do not overlap, nor do the blocks of one.
            let (m, v, largest) = unsafe {
                (
                    average.slice(range.clone()),
                    average_square.slice(range.clone()),
                    largest_square.as_ref().map(|l| l.slice(range.clone())),
                )
            };
            let gradient = &gradient[range];
            vectorize(
                #[inline(always)]
                move || update.run(gradient, p, m, v, largest),
            );
        }
    });
}

/// The scalars of a step, rounded to single precision as PyTorch rounds them.
#[derive(Clone, Copy)]
struct Update {
    sign: f32,
    /// What the parameter is multiplied by.
    keep: f32,
    /// How much of the parameter is added to the gradient.
    penalty: f32,
    intake: f32,
    beta2: f32,
    intake2: f32,
    /// Square root of the bias correction of the average of squares.
    correction: f32,
    epsilon: f32,
    step_size: f32,
}

impl Update {
    fn new(options: &Adam, step: u64) -> Self {
        let (beta1, beta2) = options.betas;
        let (decoupled, decay) = (options.decoupled, options.weight_decay);
        Self {
            sign: if options.maximize { -1.0 } else { 1.0 },
            keep: if decoupled { (1.0 - options.lr * decay) as f32 } else { 1.0 },
            penalty: if decoupled { 0.0 } else { decay as f32 },
            intake: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            intake2: (1.0 - beta2) as f32,
            correction: (1.0 - beta2.powf(step as f64)).sqrt() as f32,
            epsilon: options.epsilon as f32,
            step_size: (options.lr / (1.0 - beta1.powf(step as f64))) as f32,
        }
    }

    /// One block. Several short loops through a buffer, because the compiler vectorizes only loops whose few
    /// slices it can check for overlap.
    #[inline(always)]
    fn run(
        &self,
        gradient: &[f32],
        p: &mut [f32],
        m: &mut [f32],
        v: &mut [f32],
        largest: Option<&mut [f32]>,
    ) {
        let mut buffer = [0.0; BLOCK];
        let buffer = &mut buffer[..p.len()];
        for ((b, g), p) in buffer.iter_mut().zip(gradient).zip(&*p) {
            *b = self.sign * g + self.penalty * p;
        }
        for (m, g) in m.iter_mut().zip(&*buffer) {
            *m = toward(*m, *g, self.intake);
        }
        for (v, g) in v.iter_mut().zip(&*buffer) {
            *v = self.beta2 * *v + self.intake2 * g * g;
        }
        match largest {
            None => buffer.copy_from_slice(v),
            Some(largest) => {
                for (l, v) in largest.iter_mut().zip(&*v) {
                    *l = if *l > *v { *l } else { *v };
                }
                buffer.copy_from_slice(largest);
            }
        }
        for ((p, m), square) in p.iter_mut().zip(&*m).zip(buffer) {
            let denominator = square.sqrt() / self.correction + self.epsilon;
            *p = self.keep * *p - self.step_size * m / denominator;
        }
    }
}
