//! `digits`: 1,797 real handwritten digits inside the binary, so that the first run needs no network.
//!
//! The data are by E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
//! Repository, 1998, <https://doi.org/10.24432/C50P49>, licensed CC BY 4.0, in the selection that scikit-learn
//! carries: 8x8 pixels with 17 grey levels. `assets/make_digits.py` made the embedded files. Here the levels are
//! scaled to bytes and the pictures enlarged to 28x28, MNIST's size, so that the same model fits both.

use std::path::Path;

use crate::Result;
use crate::datasets::{InMemory, Split, idx};

static IMAGES: &[u8] = include_bytes!("../../assets/digits-images-idx3-ubyte.gz");
static LABELS: &[u8] = include_bytes!("../../assets/digits-labels-idx1-ubyte.gz");

/// Pixels a side, after enlarging.
pub const SIZE: usize = 28;

const SOURCE_SIZE: usize = 8;
const SOURCE_MAX: f32 = 16.0;

/// Loads one split of the embedded digits: grey, 28x28, ten classes.
///
/// The split is fixed and stratified: of each class in its original order, every fifth picture (the fifth, the
/// tenth, ...) belongs to the test split. That makes 1,442 for training and 355 for testing.
///
/// # Errors
/// None in practice: only if the embedded files were damaged.
pub fn load(split: Split) -> Result<InMemory> {
    let name = Path::new("embedded digits");
    let images = idx::read_bytes(IMAGES, 3, name)?;
    let labels = idx::read_bytes(LABELS, 1, name)?;
    let mut seen = [0usize; 256];
    let (mut pixels, mut kept) = (Vec::new(), Vec::new());
    for (image, &label) in images.data.chunks_exact(SOURCE_SIZE * SOURCE_SIZE).zip(&labels.data) {
        let count = &mut seen[usize::from(label)];
        *count += 1;
        let of = if *count % 5 == 0 { Split::Test } else { Split::Train };
        if of == split {
            enlarge(image, &mut pixels);
            kept.push(i64::from(label));
        }
    }
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    InMemory::new("digits", classes, [SIZE, SIZE, 1], pixels, kept, name)
}

/// Bilinear from 8x8 to 28x28 with aligned pixel areas (PyTorch's `align_corners=False`), 16 becoming 255.
fn enlarge(image: &[u8], out: &mut Vec<u8>) {
    // For each target pixel: the two source pixels around its centre and the weight of the second.
    let taps: [(usize, usize, f32); SIZE] = std::array::from_fn(|target| {
        let centre = ((target as f32 + 0.5) * SOURCE_SIZE as f32 / SIZE as f32 - 0.5).max(0.0);
        let first = centre as usize;
        (first, (first + 1).min(SOURCE_SIZE - 1), centre - first as f32)
    });
    let at = |y: usize, x: usize| f32::from(image[y * SOURCE_SIZE + x]);
    for (top, bottom, down) in taps {
        for (left, right, along) in taps {
            let upper = at(top, left) * (1.0 - along) + at(top, right) * along;
            let lower = at(bottom, left) * (1.0 - along) + at(bottom, right) * along;
            let value = upper * (1.0 - down) + lower * down;
            out.push((value * (255.0 / SOURCE_MAX)).round() as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::Dataset;

    #[test]
    fn the_split_is_stratified_and_complete() {
        let (train, test) = (load(Split::Train).unwrap(), load(Split::Test).unwrap());
        assert_eq!((train.len(), test.len()), (1442, 355));
        let count = |data: &InMemory, digit| data.labels().iter().filter(|&&l| l == digit).count();
        // How often each digit occurs, as scikit-learn's `load_digits().target` counts.
        let all = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180];
        for (digit, &n) in all.iter().enumerate() {
            let digit = digit as i64;
            assert_eq!(count(&train, digit) + count(&test, digit), n);
            assert_eq!(count(&test, digit), n / 5);
        }
    }

    #[test]
    fn pictures_are_enlarged_and_scaled() {
        let data = load(Split::Train).unwrap();
        let sample = data.sample(0).unwrap();
        assert_eq!((sample.image.shape(), sample.label), ([28, 28, 1], 0));
        // The first digit's first row is 0 0 5 13 9 1 0 0: its corner is black, its middle is not.
        assert_eq!(sample.image.pixels()[0], 0);
        assert!(sample.image.pixels()[12] > 150);
        let (mut flat, mut ramp) = (Vec::new(), Vec::new());
        enlarge(&[16; 64], &mut flat);
        assert!(flat.iter().all(|&p| p == 255));
        enlarge(&std::array::from_fn::<u8, 64, _>(|i| (i % 8) as u8), &mut ramp);
        assert!(ramp[..28].is_sorted() && ramp[0] == 0 && ramp[27] == 112);
    }

    #[test]
    fn an_index_beyond_the_end_is_an_error() {
        let data = load(Split::Test).unwrap();
        assert_eq!(data.sample(355).unwrap_err().to_string(), "sample 355 of a dataset of 355");
        assert!(data.label(usize::MAX).is_err());
    }
}
