//! Cross entropy with one class index a row.

use super::{CrossEntropy, Reduction, TargetError};
use crate::reduce::sum_lanes;

/// Loss, and on request its gradient, of `logits` (rows, classes) for the class indices `targets` (rows).
///
/// `loss` has [`CrossEntropy::loss_len`] elements. `gradient` (rows, classes) is that of the loss, or without
/// reduction row by row that of the row's loss; multiply it by the incoming gradient. The mean over no row
/// that counts is NaN, as in PyTorch.
///
/// # Errors
/// When a target is neither a class nor `ignore_index`; the outputs are then unspecified.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn class_indices(
    options: &CrossEntropy<'_>,
    logits: &[f32],
    targets: &[i64],
    loss: &mut [f32],
    gradient: Option<&mut [f32]>,
) -> Result<(), TargetError> {
    let classes = options.classes;
    assert_eq!(logits.len(), targets.len() * classes, "cross_entropy: length of logits");
    let counts = |target: i64| target != options.ignore_index;
    let mut total = 0.0;
    for (row, &target) in targets.iter().enumerate().filter(|&(_, &t)| counts(t)) {
        if !(0..classes as i64).contains(&target) {
            return Err(TargetError { row, target, classes });
        }
        total += options.weight(target as usize);
    }
    let divisor = if options.reduction == Reduction::Mean { total } else { 1.0 };
    let smoothing = f64::from(options.label_smoothing);
    let spread = smoothing / classes as f64;
    let all_weights: f64 = (0..classes).map(|class| options.weight(class)).sum();
    options.reduce(
        logits,
        loss,
        gradient,
        divisor,
        #[inline(always)]
        |row, logits, softmax, gradient| {
            if !counts(targets[row]) {
                gradient.into_iter().for_each(|g| g.fill(0.0));
                return 0.0;
            }
            let target = targets[row] as usize;
            let share = (1.0 - smoothing) * options.weight(target);
            let mut loss = share * softmax.loss(logits[target]);
            if spread != 0.0 {
                loss += spread * (all_weights * softmax.log - weighted_sum(options, logits, softmax.max));
            }
            if let Some(gradient) = gradient {
                // Of the softmax times the target's mass, minus the target.
                let factor = ((share + spread * all_weights) / (softmax.sum * divisor)) as f32;
                let even = (spread / divisor) as f32;
                match options.weight {
                    Some(weight) => {
                        for (g, w) in gradient.iter_mut().zip(weight) {
                            *g = *g * factor - even * w;
                        }
                    }
                    None => {
                        for g in gradient.iter_mut() {
                            *g = *g * factor - even;
                        }
                    }
                }
                gradient[target] -= (share / divisor) as f32;
            }
            loss
        },
    );
    Ok(())
}

/// Sum of `weight * (logit - max)` over the classes.
#[inline(always)]
fn weighted_sum(options: &CrossEntropy<'_>, logits: &[f32], max: f32) -> f64 {
    match options.weight {
        None => sum_lanes(logits, |x| x - max),
        Some(weight) => logits.iter().zip(weight).map(|(&x, &w)| f64::from(x - max) * f64::from(w)).sum(),
    }
}
