//! Cross entropy with a distribution over the classes in each row.

use super::{CrossEntropy, Reduction, log_sum_exp};

/// Loss, and on request its gradient, of `logits` (rows, classes) for `targets` (rows, classes).
///
/// Rows of `targets` are meant to be probabilities, but, as in PyTorch, are not checked. Outputs as for
/// [`class_indices`](super::class_indices).
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn probabilities(
    options: &CrossEntropy<'_>,
    logits: &[f32],
    targets: &[f32],
    loss: &mut [f32],
    gradient: Option<&mut [f32]>,
) {
    let classes = options.classes;
    let rows = logits.len().checked_div(classes).unwrap_or(0);
    assert_eq!(logits.len(), rows * classes, "cross_entropy: length of logits");
    assert_eq!(targets.len(), logits.len(), "cross_entropy: length of targets");
    assert_eq!(loss.len(), options.loss_len(rows), "cross_entropy: length of loss");
    assert_eq!(options.weight.map_or(classes, <[f32]>::len), classes, "cross_entropy: length of weight");
    let divisor = if options.reduction == Reduction::Mean { rows as f64 } else { 1.0 };
    let smoothing = f64::from(options.label_smoothing);
    let spread = smoothing / classes as f64;
    let mut gradient = gradient;
    if let Some(gradient) = &gradient {
        assert_eq!(gradient.len(), logits.len(), "cross_entropy: length of gradient");
    }
    let mut sum = 0.0;
    for row in 0..rows {
        let logits = &logits[row * classes..][..classes];
        let targets = &targets[row * classes..][..classes];
        let (max, log) = log_sum_exp(logits);
        let share =
            |class: usize| options.weight(class) * (f64::from(targets[class]) * (1.0 - smoothing) + spread);
        let mut value = 0.0;
        for (class, x) in logits.iter().enumerate() {
            value -= share(class) * (f64::from(x - max) - log);
        }
        if let Some(gradient) = &mut gradient {
            let total: f64 = (0..classes).map(share).sum();
            for (class, g) in gradient[row * classes..][..classes].iter_mut().enumerate() {
                let p = (f64::from(logits[class] - max) - log).exp();
                *g = ((p * total - share(class)) / divisor) as f32;
            }
        }
        if options.reduction == Reduction::None {
            loss[row] = value as f32;
        }
        sum += value;
    }
    if options.reduction != Reduction::None {
        loss[0] = (sum / divisor) as f32;
    }
}
