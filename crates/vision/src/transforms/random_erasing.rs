//! Blanks a random rectangle.

use crate::Result;
use crate::random::SampleRng;
use crate::transforms::flip::check_probability;
use crate::transforms::{Pixels, TensorTransform};

/// Random erasing (Zhong et al. 2020) with zeros, torchvision's `RandomErasing`: of 2% to 33% of the area, with
/// aspect ratios from 0.3 to 3.3. Put it after `Normalize`, so that zero is the mean.
#[derive(Clone, Copy, Debug)]
pub struct RandomErasing {
    p: f64,
}

impl RandomErasing {
    /// With probability `p`.
    ///
    /// # Errors
    /// If `p` is not from 0 to 1.
    pub fn new(p: f64) -> Result<Self> {
        check_probability("random erasing", p)?;
        Ok(Self { p })
    }
}

impl TensorTransform for RandomErasing {
    fn apply(&self, pixels: &mut Pixels<'_>, rng: &mut SampleRng) -> Result<()> {
        if !rng.chance(self.p) {
            return Ok(());
        }
        let (height, width, channels) = (pixels.height, pixels.width, pixels.channels);
        for _ in 0..10 {
            let area = (height * width) as f64 * rng.uniform(0.02, 0.33);
            // The width is the longer side as often as the height: uniform in the logarithm.
            let ratio = rng.uniform(0.3_f64.ln(), 3.3_f64.ln()).exp();
            let h = (area * ratio).sqrt().round_ties_even() as usize;
            let w = (area / ratio).sqrt().round_ties_even() as usize;
            if h < height && w < width {
                let (top, left) = (rng.below(height - h + 1), rng.below(width - w + 1));
                for row in pixels.data.chunks_exact_mut(width * channels).skip(top).take(h) {
                    row[left * channels..(left + w) * channels].fill(0.0);
                }
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn erases_one_rectangle_of_the_promised_area() {
        let transform = RandomErasing::new(1.0).unwrap();
        for index in 0..100 {
            let mut data = vec![1.0; 40 * 50 * 3];
            let mut pixels = Pixels { height: 40, width: 50, channels: 3, data: &mut data };
            transform.apply(&mut pixels, &mut SampleRng::new(0, Purpose::Augment, 0, index)).unwrap();
            let blank: Vec<usize> = (0..2000).filter(|&at| data[at * 3..at * 3 + 3] == [0.0; 3]).collect();
            assert_eq!(data.iter().filter(|&&x| x == 0.0).count(), blank.len() * 3);
            let (rows, columns) = (blank.iter().map(|at| at / 50), blank.iter().map(|at| at % 50));
            let extent = |values: &mut dyn Iterator<Item = usize>| {
                let (low, high) = values.fold((usize::MAX, 0), |(l, h), v| (l.min(v), h.max(v)));
                high - low + 1
            };
            assert_eq!(extent(&mut rows.into_iter()) * extent(&mut columns.into_iter()), blank.len());
            assert!((0.015..0.35).contains(&(blank.len() as f64 / 2000.0)), "{}", blank.len());
        }
    }

    #[test]
    fn a_single_pixel_is_left_alone() {
        let mut data = [1.0];
        let mut pixels = Pixels { height: 1, width: 1, channels: 1, data: &mut data };
        let mut rng = SampleRng::new(0, Purpose::Augment, 0, 0);
        RandomErasing::new(1.0).unwrap().apply(&mut pixels, &mut rng).unwrap();
    }
}
