//! Checks of the data.

use super::{Finding, some};
use cresset_vision::datasets::Dataset;
use cresset_vision::loader::Batch;

/// Reads up to `looked_at` samples from all over a dataset.
pub fn readable(dataset: &dyn Dataset, looked_at: usize) -> Finding {
    const SUBJECT: &str = "data";
    let step = dataset.len().div_ceil(looked_at.max(1)).max(1);
    let (mut read, mut broken) = (0, Vec::new());
    for index in (0..dataset.len()).step_by(step) {
        match dataset.sample(index) {
            Ok(_) => read += 1,
            Err(error) => broken.push(error.to_string()),
        }
    }
    if broken.is_empty() {
        return Finding::good(SUBJECT, format!("{read} of {} samples read", dataset.len()));
    }
    let found =
        format!("{} of {} samples cannot be read: {}", broken.len(), read + broken.len(), some(&broken));
    Finding::bad(SUBJECT, found, "repair or remove them, or leave them out with --skip-broken")
}

/// Counts the samples of each class.
pub fn class_balance(dataset: &dyn Dataset) -> Finding {
    const SUBJECT: &str = "classes";
    /// Above this, plain training neglects the small classes (Johnson and Khoshgoftaar 2019).
    const UNEVEN: f64 = 10.0;
    let mut counts = vec![0u64; dataset.classes().len()];
    for label in (0..dataset.len()).filter_map(|index| dataset.label(index).ok()) {
        if let Some(count) = usize::try_from(label).ok().and_then(|label| counts.get_mut(label)) {
            *count += 1;
        }
    }
    let by_count = |index: &usize| counts[*index];
    let classes = 0..counts.len();
    let (Some(least), Some(most)) = (classes.clone().min_by_key(by_count), classes.max_by_key(by_count))
    else {
        return Finding::bad(SUBJECT, "there are none", "put images into a folder for each class");
    };
    let name = |index: usize| &dataset.classes()[index];
    let (low, high) = (counts[least], counts[most]);
    let found =
        format!("{} classes of {low} ({}) to {high} ({}) samples", counts.len(), name(least), name(most));
    if low == 0 {
        return Finding::bad(SUBJECT, found, format!("add samples of {}, or remove the class", name(least)));
    }
    if high as f64 > UNEVEN * low as f64 {
        let advice = format!("add samples of {}, or judge by the accuracy of each class", name(least));
        return Finding::doubtful(SUBJECT, found, advice);
    }
    Finding::good(SUBJECT, found)
}

/// Looks at mean and spread of the pixels that the model will see.
pub fn normalization(batch: &Batch) -> Finding {
    const SUBJECT: &str = "normalization";
    let channels = batch.shape[1].max(1);
    let mut sums = vec![(0.0f64, 0.0f64); channels];
    for pixel in batch.images.chunks_exact(channels) {
        for ((sum, squares), &value) in sums.iter_mut().zip(pixel) {
            *sum += f64::from(value);
            *squares += f64::from(value) * f64::from(value);
        }
    }
    let pixels = (batch.images.len() / channels).max(1) as f64;
    let moments = sums.iter().map(|(sum, squares)| {
        let mean = sum / pixels;
        (mean, (squares / pixels - mean * mean).max(0.0).sqrt())
    });
    let moments: Vec<(f64, f64)> = moments.collect();
    let list = |values: Vec<f64>| values.iter().map(|v| format!("{v:.2}")).collect::<Vec<_>>().join(" ");
    let means = list(moments.iter().map(|m| m.0).collect());
    let stds = list(moments.iter().map(|m| m.1).collect());
    let found = format!("pixels of mean {means}, standard deviation {stds}");
    let plausible = |&(mean, std): &(f64, f64)| mean.abs() < 1.5 && (0.25..4.0).contains(&std);
    if moments.iter().all(plausible) {
        return Finding::good(SUBJECT, found);
    }
    if moments.iter().any(|(mean, std)| !mean.is_finite() || !std.is_finite()) {
        return Finding::bad(SUBJECT, found, "look at the images with `cresset preview`");
    }
    let advice = "expected about 0 and 1: set --mean and --std to what `cresset stats` says of the data";
    Finding::doubtful(SUBJECT, found, advice)
}
