//! Adam (Kingma and Ba, 2014) and AdamW (Loshchilov and Hutter, 2017).

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
/// `average` and `average_square` are the state, zero before the first step. Giving `largest_square`, also zero before
/// the first step, selects AMSGrad (Reddi et al., 2018).
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
    mut largest_square: Option<&mut [f32]>,
) {
    let len = parameter.len();
    assert!(step > 0, "adam: steps are counted from 1");
    assert_eq!(gradient.len(), len, "adam: length of gradient");
    assert_eq!(average.len(), len, "adam: length of average");
    assert_eq!(average_square.len(), len, "adam: length of average_square");
    assert_eq!(largest_square.as_ref().map_or(len, |l| l.len()), len, "adam: length of largest_square");
    let (beta1, beta2) = options.betas;
    let correction1 = 1.0 - beta1.powf(step as f64);
    let correction2 = (1.0 - beta2.powf(step as f64)).sqrt() as f32;
    let step_size = (options.lr / correction1) as f32;
    let keep = (1.0 - options.lr * options.weight_decay) as f32;
    let (decay, epsilon) = (options.weight_decay as f32, options.epsilon as f32);
    for i in 0..len {
        let p = &mut parameter[i];
        let mut g = if options.maximize { -gradient[i] } else { gradient[i] };
        if options.weight_decay != 0.0 {
            if options.decoupled {
                *p *= keep;
            } else {
                g += decay * *p;
            }
        }
        average[i] += (1.0 - beta1) as f32 * (g - average[i]);
        average_square[i] = beta2 as f32 * average_square[i] + (1.0 - beta2) as f32 * g * g;
        let mut square = average_square[i];
        if let Some(largest) = &mut largest_square {
            largest[i] = largest[i].max(square);
            square = largest[i];
        }
        *p -= step_size * (average[i] / (square.sqrt() / correction2 + epsilon));
    }
}
