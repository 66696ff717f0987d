//! Mean and standard deviation of a dataset, for `Normalize`.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::datasets::Dataset;
use crate::{Result, VisionError};

/// Mean and standard deviation of each channel over all pixels of a dataset, in units of `[0, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelStats {
    /// The mean of each channel.
    pub mean: Vec<f64>,
    /// The population standard deviation of each channel.
    pub std: Vec<f64>,
    /// How many pictures were counted.
    pub images: usize,
    /// How many pixels were counted.
    pub pixels: u64,
}

/// Sums in whole numbers: exact, so that neither order nor the number of workers can matter.
#[derive(Clone, Copy, Default)]
struct Sums {
    channels: usize,
    pixels: u64,
    sum: [u64; 3],
    squares: [u128; 3],
}

impl Sums {
    fn of(dataset: &dyn Dataset, index: usize) -> Result<Self> {
        let image = dataset.sample(index)?.image;
        // A picture has well below 2^48 bytes, so its squares of bytes fit 64 bits.
        let (mut sum, mut squares) = ([0u64; 3], [0u64; 3]);
        for pixel in image.pixels().chunks_exact(image.channels()) {
            for (channel, &byte) in pixel.iter().enumerate() {
                sum[channel] += u64::from(byte);
                squares[channel] += u64::from(byte) * u64::from(byte);
            }
        }
        let pixels = (image.height() * image.width()) as u64;
        Ok(Self { channels: image.channels(), pixels, sum, squares: squares.map(u128::from) })
    }

    fn add(&mut self, other: &Self, what: impl Fn() -> String) -> Result<()> {
        if self.channels == 0 {
            self.channels = other.channels;
        } else if other.channels != self.channels && other.channels != 0 {
            return Err(VisionError::shape(
                "stats",
                format!("{} has {} channels, others have {}", what(), other.channels, self.channels),
                "expected one number of channels; convert grey images to colour or all to grey",
            ));
        }
        self.pixels += other.pixels;
        for channel in 0..3 {
            self.sum[channel] += other.sum[channel];
            self.squares[channel] += other.squares[channel];
        }
        Ok(())
    }
}

/// Mean and population standard deviation of every channel, over every pixel of every sample, decoded by
/// `workers` threads (at least one). MNIST gives 0.1307 and 0.3081.
///
/// # Errors
/// If the dataset is empty, a sample cannot be read, or the number of channels varies.
pub fn stats(dataset: &dyn Dataset, workers: usize) -> Result<ChannelStats> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Sums> {
        let mut sums = Sums::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= dataset.len() {
                return Ok(sums);
            }
            sums.add(&Sums::of(dataset, index)?, || dataset.describe(index))?;
        }
    };
    let parts: Vec<Result<Sums>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1)).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
    });
    let mut total = Sums::default();
    for part in parts {
        total.add(&part?, || "one image".into())?;
    }
    if total.pixels == 0 {
        return Err(VisionError::shape("stats", "the dataset is empty", "expected at least one image"));
    }
    let n = total.pixels as f64;
    let mean = |channel: usize| total.sum[channel] as f64 / n;
    let std = |channel: usize| (total.squares[channel] as f64 / n - mean(channel).powi(2)).max(0.0).sqrt();
    Ok(ChannelStats {
        mean: (0..total.channels).map(|c| mean(c) / 255.0).collect(),
        std: (0..total.channels).map(|c| std(c) / 255.0).collect(),
        images: dataset.len(),
        pixels: total.pixels,
    })
}

fn panicked() -> VisionError {
    VisionError::Panic { batch: 0, message: "a dataset panicked while its statistics were computed".into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::InMemory;

    #[test]
    fn counts_exactly_with_any_number_of_workers() {
        let pixels = vec![0, 255, 51, 255, 255, 51];
        let data =
            InMemory::new("two", vec!["a".into()], [1, 1, 3], pixels, vec![0, 0], "x".as_ref()).unwrap();
        let one = stats(&data, 1).unwrap();
        assert_eq!(one.mean, [0.5, 1.0, 0.2]);
        assert_eq!(one.std, [0.5, 0.0, 0.0]);
        assert_eq!((one.images, one.pixels), (2, 2));
        assert_eq!(one, stats(&data, 3).unwrap());
    }

    #[test]
    fn nothing_has_no_mean() {
        let data = InMemory::new("none", vec![], [1, 1, 1], vec![], vec![], "x".as_ref()).unwrap();
        assert!(stats(&data, 1).is_err());
    }
}
