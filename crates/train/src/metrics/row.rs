//! What the logits of one sample say.

/// Cross entropy of one row of logits against a class, in float64 (log-sum-exp).
///
/// # Panics
/// If `label` is not an index into `logits`.
#[track_caller]
pub fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    log_sum_exp(logits) - f64::from(logits[label])
}

/// The softmax of one row of logits, in float64.
pub fn probabilities(logits: &[f32]) -> Vec<f64> {
    let log_sum = log_sum_exp(logits);
    logits.iter().map(|&x| (f64::from(x) - log_sum).exp()).collect()
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let max = f64::from(max);
    max + logits.iter().map(|&x| (f64::from(x) - max).exp()).sum::<f64>().ln()
}

/// How many classes come before `label`: 0 if it is the model's first choice. Of equal logits the one with the
/// lower index comes first; a NaN comes before everything, so that it never counts as a hit.
///
/// # Panics
/// If `label` is not an index into `logits`.
#[track_caller]
pub fn rank(logits: &[f32], label: usize) -> usize {
    let own = logits[label];
    let before = logits[..label].iter().filter(|&&x| x >= own || x.is_nan()).count();
    let after = logits[label + 1..].iter().filter(|&&x| x > own || x.is_nan()).count();
    if own.is_nan() { logits.len() } else { before + after }
}

/// The index of the largest value, the first of equals: the model's first choice. 0 for an empty row.
pub fn argmax(values: &[f32]) -> usize {
    let best = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    best.map_or(0, |(index, _)| index)
}

/// The indices of the `k` largest values, largest first; all of them if there are fewer.
pub fn top_k(values: &[f32], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    order.truncate(k);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_of_equal_logits_is_the_log_of_their_number() {
        assert!((cross_entropy(&[3.0; 10], 4) - 10f64.ln()).abs() < 1e-12);
        assert!((cross_entropy(&[1e4, 0.0], 0)).abs() < 1e-12, "large logits do not overflow");
        assert!((cross_entropy(&[-1e4, 0.0], 0) - 1e4).abs() < 1e-9);
    }

    #[test]
    fn probabilities_add_up_to_one() {
        let p = probabilities(&[1.0, 2.0, 300.0]);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12 && p[2] > 0.999);
    }

    #[test]
    fn ranks_break_ties_by_index_and_refuse_nan() {
        let logits = [1.0, 3.0, 3.0, 2.0];
        assert_eq!((0..4).map(|i| rank(&logits, i)).collect::<Vec<_>>(), [3, 0, 1, 2]);
        assert_eq!(rank(&[0.0; 5], 0), 0);
        assert_eq!(rank(&[f32::NAN; 5], 0), 5);
        assert_eq!(rank(&[f32::NAN, 1.0], 1), 1);
    }

    #[test]
    fn top_k_agrees_with_rank() {
        let values = [0.1, 0.7, -2.0, 0.7];
        assert_eq!(top_k(&values, 3), [1, 3, 0]);
        assert_eq!(top_k(&values, 9).len(), 4);
        for (place, &index) in top_k(&values, 4).iter().enumerate() {
            assert_eq!(rank(&values, index), place);
        }
        assert_eq!(argmax(&values), 1);
    }
}
