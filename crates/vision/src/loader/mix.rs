//! Mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019), on whole batches.

use crate::loader::{Batch, Targets};
use crate::random::SampleRng;
use crate::{Result, VisionError};

/// Blends each sample of a batch with its predecessor, as torchvision's reference scripts do: when both are
/// on, each batch gets one of the two with equal probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    mixup_alpha: f64,
    cutmix_alpha: f64,
}

impl Mix {
    /// The parameters of the two Beta distributions; 0 switches one off. Reference recipes use 0.2 for mixup and
    /// 1 for cutmix. `None` if both are 0.
    ///
    /// # Errors
    /// If one is negative or not finite.
    pub fn new(mixup_alpha: f64, cutmix_alpha: f64) -> Result<Option<Self>> {
        for (option, alpha) in [("mixup alpha", mixup_alpha), ("cutmix alpha", cutmix_alpha)] {
            if !(alpha >= 0.0 && alpha.is_finite()) {
                return Err(VisionError::option(option, alpha, "0 (off) or more; 0.2 and 1 are usual"));
            }
        }
        let any = mixup_alpha > 0.0 || cutmix_alpha > 0.0;
        Ok(any.then_some(Self { mixup_alpha, cutmix_alpha }))
    }

    pub(crate) fn apply(&self, batch: &mut Batch, classes: usize, rng: &mut SampleRng) -> Result<()> {
        let mixup = match (self.mixup_alpha > 0.0, self.cutmix_alpha > 0.0) {
            (true, true) => rng.chance(0.5),
            (mixup, _) => mixup,
        };
        let keep = if mixup {
            let lambda = rng.symmetric_beta(self.mixup_alpha);
            blend(batch, lambda as f32);
            lambda
        } else {
            let lambda = rng.symmetric_beta(self.cutmix_alpha);
            paste(batch, lambda, rng)
        };
        batch.targets = mixed_targets(&batch.targets, classes, keep as f32)?;
        Ok(())
    }
}

/// `x[i] <- keep * x[i] + (1 - keep) * x[i - 1]`, the first sample taking from the last.
fn blend(batch: &mut Batch, keep: f32) {
    with_predecessors(batch, |sample, previous| {
        for (x, p) in sample.iter_mut().zip(previous) {
            *x = p * (1.0 - keep) + *x * keep;
        }
    });
}

/// Pastes a box of each sample's predecessor at the same place; returns the share of pixels that stay.
fn paste(batch: &mut Batch, lambda: f64, rng: &mut SampleRng) -> f64 {
    let [_, channels, height, width] = batch.shape;
    let (x, y) = (rng.below(width), rng.below(height));
    let half = 0.5 * (1.0 - lambda).sqrt();
    let (half_w, half_h) = ((half * width as f64) as usize, (half * height as f64) as usize);
    let (left, right) = (x.saturating_sub(half_w), (x + half_w).min(width));
    let (top, bottom) = (y.saturating_sub(half_h), (y + half_h).min(height));
    with_predecessors(batch, |sample, previous| {
        for row in top..bottom {
            let span = (row * width + left) * channels..(row * width + right) * channels;
            sample[span.clone()].copy_from_slice(&previous[span]);
        }
    });
    1.0 - ((right - left) * (bottom - top)) as f64 / (width * height) as f64
}

/// Calls `change(sample, predecessor)` for each sample, the predecessor as it was before any change.
fn with_predecessors(batch: &mut Batch, mut change: impl FnMut(&mut [f32], &[f32])) {
    let count = batch.shape[0];
    let size = batch.images.len() / count;
    let last = batch.images[(count - 1) * size..].to_vec();
    // From the end backwards each predecessor is still untouched; only the first one's needs a copy.
    for i in (1..count).rev() {
        let (before, from) = batch.images.split_at_mut(i * size);
        change(&mut from[..size], &before[(i - 1) * size..]);
    }
    change(&mut batch.images[..size], &last);
}

fn mixed_targets(targets: &Targets, classes: usize, keep: f32) -> Result<Targets> {
    let Targets::Indices(labels) = targets else {
        return Err(VisionError::shape("mixup", "found probabilities as targets", "expected class indices"));
    };
    let mut data = vec![0.0; labels.len() * classes];
    let previous = labels.iter().cycle().skip(labels.len().saturating_sub(1));
    for ((row, &label), &previous) in data.chunks_exact_mut(classes).zip(labels).zip(previous) {
        for (label, share) in [(label, keep), (previous, 1.0 - keep)] {
            match usize::try_from(label).ok().and_then(|label| row.get_mut(label)) {
                Some(slot) => *slot += share,
                None => {
                    return Err(VisionError::shape(
                        "mixup",
                        format!("found label {label}"),
                        format!("expected an index of one of {classes} classes"),
                    ));
                }
            }
        }
    }
    Ok(Targets::Probabilities { data, classes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn batch(n: usize) -> Batch {
        let images = (0..n).flat_map(|i| vec![i as f32 * 10.0; 16 * 16]).collect();
        Batch {
            images,
            shape: [n, 1, 16, 16],
            targets: Targets::Indices((0..n as i64).collect()),
            indices: (0..n).collect(),
            position: 0,
        }
    }

    fn rows(batch: &Batch) -> Vec<&[f32]> {
        let Targets::Probabilities { data, classes } = &batch.targets else { panic!("indices") };
        data.chunks_exact(*classes).collect()
    }

    #[test]
    fn mixup_blends_pictures_and_targets_alike() {
        let mix = Mix::new(0.4, 0.0).unwrap().unwrap();
        let mut batch = batch(3);
        mix.apply(&mut batch, 3, &mut SampleRng::new(3, Purpose::Mix, 0, 0)).unwrap();
        let keep = rows(&batch)[1][1];
        assert!(keep > 0.0 && keep < 1.0);
        for (i, previous) in [(0, 2), (1, 0), (2, 1)] {
            let expected = i as f32 * 10.0 * keep + previous as f32 * 10.0 * (1.0 - keep);
            let sample = &batch.images[i * 256..(i + 1) * 256];
            assert!(sample.iter().all(|x| (x - expected).abs() < 1e-5), "{} {expected}", sample[0]);
            assert!((rows(&batch)[i][i] - keep).abs() < 1e-6);
            assert!((rows(&batch)[i][previous] - (1.0 - keep)).abs() < 1e-6);
        }
    }

    #[test]
    fn cutmix_pastes_the_share_that_the_targets_say() {
        let mix = Mix::new(0.0, 1.0).unwrap().unwrap();
        for seed in 0..20 {
            let mut batch = batch(4);
            mix.apply(&mut batch, 4, &mut SampleRng::new(seed, Purpose::Mix, 0, 0)).unwrap();
            for i in 0..4 {
                let own =
                    batch.images[i * 256..(i + 1) * 256].iter().filter(|&&x| x == i as f32 * 10.0).count();
                let row = rows(&batch)[i];
                assert!((row[i] - own as f32 / 256.0).abs() < 1e-6);
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn one_sample_mixes_with_itself() {
        let mix = Mix::new(1.0, 1.0).unwrap().unwrap();
        let mut batch = batch(1);
        mix.apply(&mut batch, 1, &mut SampleRng::new(0, Purpose::Mix, 0, 0)).unwrap();
        assert!((rows(&batch)[0][0] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn alphas_are_checked() {
        assert_eq!(Mix::new(0.0, 0.0).unwrap(), None);
        assert!(Mix::new(-0.1, 0.0).is_err() && Mix::new(0.0, f64::NAN).is_err());
    }
}
