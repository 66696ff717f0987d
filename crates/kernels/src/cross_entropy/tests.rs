use super::*;
use crate::testing::{assert_close, on_any_threads, random};

const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

/// Losses and gradients of rows whose targets are distributions, already weighted, in double precision.
fn oracle(
    classes: usize,
    logits: &[f32],
    targets: &[f64],
    divisor: f64,
    reduction: Reduction,
) -> (Vec<f64>, Vec<f64>) {
    let (mut losses, mut gradient) = (vec![], vec![]);
    for (x, t) in logits.chunks(classes).zip(targets.chunks(classes)) {
        let max = x.iter().fold(f64::MIN, |m, &x| m.max(f64::from(x)));
        let log = x.iter().map(|&x| (f64::from(x) - max).exp()).sum::<f64>().ln();
        let log_p: Vec<f64> = x.iter().map(|&x| f64::from(x) - max - log).collect();
        let mass: f64 = t.iter().sum();
        losses.push(-t.iter().zip(&log_p).map(|(t, l)| t * l).sum::<f64>());
        gradient.extend(t.iter().zip(&log_p).map(|(t, l)| (l.exp() * mass - t) / divisor));
    }
    if reduction != Reduction::None {
        losses = vec![losses.iter().sum::<f64>() / divisor];
    }
    (losses, gradient)
}

fn options<'a>(
    classes: usize,
    weight: Option<&'a [f32]>,
    smoothing: f32,
    reduction: Reduction,
) -> CrossEntropy<'a> {
    CrossEntropy { weight, label_smoothing: smoothing, reduction, ..CrossEntropy::new(classes) }
}

fn each_case(mut f: impl FnMut(usize, Option<&[f32]>, f32, Reduction)) {
    for classes in [1, 2, 10, 33, 1000] {
        let weight: Vec<f32> = random(classes, 4).iter().map(|w| w.abs()).collect();
        for weight in [None, Some(&weight[..])] {
            for smoothing in [0.0, 0.1, 1.0] {
                REDUCTIONS.into_iter().for_each(|reduction| f(classes, weight, smoothing, reduction));
            }
        }
    }
}

#[test]
fn class_indices_match_double_precision() {
    each_case(|classes, weight, smoothing, reduction| {
        for rows in [1, 3, 67] {
            let logits: Vec<f32> = random(rows * classes, 1).iter().map(|x| x * 5.0).collect();
            let mut targets: Vec<i64> = (0..rows).map(|r| ((r * 7 + 3) % classes) as i64).collect();
            targets.iter_mut().skip(1).step_by(4).for_each(|t| *t = -100);
            let w = |class: usize| weight.map_or(1.0, |w| f64::from(w[class]));
            let mut distribution = vec![0.0; rows * classes];
            let mut divisor = 0.0;
            for (r, &target) in targets.iter().enumerate().filter(|(_, t)| **t >= 0) {
                let smoothing = f64::from(smoothing);
                for class in 0..classes {
                    let own = if class == target as usize { 1.0 - smoothing } else { 0.0 };
                    distribution[r * classes + class] = w(class) * (own + smoothing / classes as f64);
                }
                divisor += w(target as usize);
            }
            let divisor = if reduction == Reduction::Mean { divisor } else { 1.0 };
            let (losses, gradients) = oracle(classes, &logits, &distribution, divisor, reduction);
            let o = options(classes, weight, smoothing, reduction);
            let (loss, gradient) = on_any_threads(|| {
                let (mut loss, mut gradient) =
                    (vec![f32::NAN; o.loss_len(rows)], vec![f32::NAN; logits.len()]);
                class_indices(&o, &logits, &targets, &mut loss, Some(&mut gradient)).unwrap();
                let mut alone = loss.clone();
                class_indices(&o, &logits, &targets, &mut alone, None).unwrap();
                assert_eq!(alone, loss);
                (loss, gradient)
            });
            let context = (classes, rows, weight.is_some(), smoothing, reduction);
            assert_close(&loss, &losses, 2e-6, 2e-6, context);
            assert_close(&gradient, &gradients, 2e-6, 1e-6 / divisor.min(1.0), context);
        }
    });
}

#[test]
fn probabilities_match_double_precision() {
    each_case(|classes, weight, smoothing, reduction| {
        for rows in [1, 29] {
            let logits: Vec<f32> = random(rows * classes, 1).iter().map(|x| x * 5.0).collect();
            let targets: Vec<f32> =
                random(rows * classes, 2).iter().map(|t| t.abs() / classes as f32).collect();
            let weighted = |(i, &t): (usize, &f32)| {
                let w = weight.map_or(1.0, |w| f64::from(w[i % classes]));
                let smoothing = f64::from(smoothing);
                w * (f64::from(t) * (1.0 - smoothing) + smoothing / classes as f64)
            };
            let distribution: Vec<f64> = targets.iter().enumerate().map(weighted).collect();
            let divisor = if reduction == Reduction::Mean { rows as f64 } else { 1.0 };
            let (losses, gradients) = oracle(classes, &logits, &distribution, divisor, reduction);
            let o = options(classes, weight, smoothing, reduction);
            let (loss, gradient) = on_any_threads(|| {
                let (mut loss, mut gradient) =
                    (vec![f32::NAN; o.loss_len(rows)], vec![f32::NAN; logits.len()]);
                probabilities(&o, &logits, &targets, &mut loss, Some(&mut gradient));
                let mut alone = loss.clone();
                probabilities(&o, &logits, &targets, &mut alone, None);
                assert_eq!(alone, loss);
                (loss, gradient)
            });
            let context = (classes, rows, weight.is_some(), smoothing, reduction);
            assert_close(&loss, &losses, 2e-6, 2e-6, context);
            assert_close(&gradient, &gradients, 2e-6, 1e-6, context);
        }
    });
}

#[test]
fn nothing_to_average_is_nan() {
    let o = CrossEntropy::new(3);
    let (mut loss, mut gradient) = ([0.0], [9.0; 3]);
    class_indices(&o, &[1.0, 2.0, 3.0], &[-100], &mut loss, Some(&mut gradient)).unwrap();
    assert!(loss[0].is_nan());
    assert_eq!(gradient, [0.0; 3]);
    class_indices(&o, &[], &[], &mut loss, None).unwrap();
    assert!(loss[0].is_nan());
    probabilities(&o, &[], &[], &mut loss, None);
    assert!(loss[0].is_nan());
    let o = CrossEntropy { reduction: Reduction::Sum, ..o };
    class_indices(&o, &[1.0, 2.0, 3.0], &[-100], &mut loss, None).unwrap();
    assert_eq!(loss, [0.0]);
}

#[test]
fn a_target_that_is_no_class_is_an_error() {
    let o = CrossEntropy { ignore_index: 1, ..CrossEntropy::new(2) };
    let run = |targets: &[i64]| class_indices(&o, &[0.0; 4], targets, &mut [0.0], None);
    assert_eq!(run(&[0, 1]), Ok(()));
    assert_eq!(run(&[0, 2]), Err(TargetError { row: 1, target: 2, classes: 2 }));
    let error = run(&[-100, 0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "target -100 in row 0 is not a class: there are 2 classes, numbered from 0"
    );
}

#[test]
fn large_logits_do_not_overflow() {
    let (mut loss, mut gradient) = ([0.0], [9.0; 3]);
    let logits = [1e30, 0.0, f32::NEG_INFINITY];
    class_indices(&CrossEntropy::new(3), &logits, &[0], &mut loss, Some(&mut gradient)).unwrap();
    assert_eq!((loss, gradient), ([0.0], [0.0; 3]));
}
