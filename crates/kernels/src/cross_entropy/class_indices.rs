//! Cross entropy with one class index a row.

use super::{CrossEntropy, Reduction, TargetError, log_sum_exp};

/// Loss, and on request its gradient, of `logits` (rows, classes) for the class indices `targets` (rows).
///
/// `loss` has [`CrossEntropy::loss_len`] elements. `gradient` (rows, classes) is that of the loss, or without
/// reduction row by row that of the row's loss; multiply it by the incoming gradient. The mean over no row that
/// counts is NaN, as in PyTorch.
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
    let (rows, classes) = (targets.len(), options.classes);
    assert_eq!(logits.len(), rows * classes, "cross_entropy: length of logits");
    assert_eq!(loss.len(), options.loss_len(rows), "cross_entropy: length of loss");
    assert_eq!(options.weight.map_or(classes, <[f32]>::len), classes, "cross_entropy: length of weight");
    let counts = |target: i64| target != options.ignore_index;
    for (row, &target) in targets.iter().enumerate() {
        if counts(target) && !(0..classes as i64).contains(&target) {
            return Err(TargetError { row, target, classes });
        }
    }
    let total: f64 = targets.iter().filter(|&&t| counts(t)).map(|&t| options.weight(t as usize)).sum();
    let divisor = if options.reduction == Reduction::Mean { total } else { 1.0 };
    let smoothing = f64::from(options.label_smoothing);
    let spread = smoothing / classes as f64;
    let mut gradient = gradient;
    if let Some(gradient) = &gradient {
        assert_eq!(gradient.len(), logits.len(), "cross_entropy: length of gradient");
    }
    let mut sum = 0.0;
    for (row, &target) in targets.iter().enumerate() {
        let logits = &logits[row * classes..][..classes];
        let mut value = 0.0;
        let (max, log) = log_sum_exp(logits);
        let share = |class: usize| {
            options.weight(class) * (spread + if class as i64 == target { 1.0 - smoothing } else { 0.0 })
        };
        if counts(target) {
            for (class, x) in logits.iter().enumerate() {
                if share(class) != 0.0 {
                    value -= share(class) * (f64::from(x - max) - log);
                }
            }
        }
        if let Some(gradient) = &mut gradient {
            let total: f64 = (0..classes).map(share).sum();
            for (class, g) in gradient[row * classes..][..classes].iter_mut().enumerate() {
                let p = (f64::from(logits[class] - max) - log).exp();
                *g = if counts(target) { ((p * total - share(class)) / divisor) as f32 } else { 0.0 };
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
    Ok(())
}
