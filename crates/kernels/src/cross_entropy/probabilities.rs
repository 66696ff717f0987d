//! Cross entropy with a distribution over the classes in each row.

use super::{CrossEntropy, Reduction};

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
    assert_eq!(targets.len(), logits.len(), "cross_entropy: length of targets");
    let rows = logits.len().checked_div(classes).unwrap_or(0);
    let divisor = if options.reduction == Reduction::Mean { rows as f64 } else { 1.0 };
    let smoothing = f64::from(options.label_smoothing);
    let spread = smoothing / classes as f64;
    let share =
        |class: usize, target: f32| options.weight(class) * (f64::from(target) * (1.0 - smoothing) + spread);
    options.reduce(
        logits,
        loss,
        gradient,
        divisor,
        #[inline(always)]
        |row, logits, softmax, gradient| {
            let targets = &targets[row * classes..][..classes];
            let (mut loss, mut mass) = (0.0, 0.0);
            for (class, (&logit, &target)) in logits.iter().zip(targets).enumerate() {
                let share = share(class, target);
                loss += share * softmax.loss(logit);
                mass += share;
            }
            if let Some(gradient) = gradient {
                let factor = mass / (softmax.sum * divisor);
                for (class, (g, &target)) in gradient.iter_mut().zip(targets).enumerate() {
                    *g = (f64::from(*g) * factor - share(class, target) / divisor) as f32;
                }
            }
            loss
        },
    );
}
