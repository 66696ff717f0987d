//! Stochastic gradient descent with momentum.

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
/// `momentum` is the momentum buffer, needed when [`Sgd::momentum`] is not 0. On the `first` step of this parameter it
/// becomes the gradient itself, whatever it held and whatever the dampening.
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
    let gradient_at = |i: usize, p: f32| {
        let g = if options.maximize { -gradient[i] } else { gradient[i] };
        if options.weight_decay != 0.0 { g + options.weight_decay as f32 * p } else { g }
    };
    if options.momentum == 0.0 {
        for (i, p) in parameter.iter_mut().enumerate() {
            *p -= lr * gradient_at(i, *p);
        }
        return;
    }
    let Some(momentum) = momentum else { panic!("sgd: a momentum needs a buffer") };
    assert_eq!(momentum.len(), parameter.len(), "sgd: length of momentum");
    for (i, (p, m)) in parameter.iter_mut().zip(momentum).enumerate() {
        let g = gradient_at(i, *p);
        *m = if first { g } else { options.momentum as f32 * *m + (1.0 - options.dampening) as f32 * g };
        *p -= lr * if options.nesterov { g + options.momentum as f32 * *m } else { *m };
    }
}
