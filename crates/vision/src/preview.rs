//! A grid of samples as the model will see them, each with its label.

use font8x8::legacy::BASIC_LEGACY;

use crate::datasets::Dataset;
use crate::image::{Color, Image};
use crate::random::{Purpose, SampleRng};
use crate::transforms::{Compose, Interpolation, functional};
use crate::{Result, VisionError};

/// Letters are this many pixels a side.
const LETTER: usize = 8;

/// Space around pictures and text.
const GAP: usize = 4;

/// Small pictures are enlarged by whole numbers until their cell is at least this wide, so that labels fit.
const MIN_CELL: usize = 96;

/// Pictures are shrunk to this.
const MAX_CELL: usize = 256;

/// Draws `rows` by `columns` samples of `dataset`, chosen by `seed`, after the random transforms that the first epoch
/// would apply to them, each above the name of its class.
///
/// # Errors
/// If the dataset is empty, the grid has no or more than 10,000 cells, or a sample fails.
pub fn preview(
    dataset: &dyn Dataset,
    transforms: &Compose,
    rows: usize,
    columns: usize,
    seed: u64,
) -> Result<Image> {
    let cells = rows.checked_mul(columns).filter(|cells| (1..=10_000).contains(cells));
    let cells = cells.ok_or_else(|| {
        VisionError::option("preview grid", format!("{rows}x{columns}"), "1 to 10,000 cells")
    })?;
    if dataset.is_empty() {
        return Err(VisionError::shape("preview", "the dataset is empty", "expected at least one sample"));
    }
    let mut chosen = SampleRng::new(seed, Purpose::Preview, 0, 0);
    let mut pictures = Vec::with_capacity(cells);
    for _ in 0..cells {
        let index = chosen.below(dataset.len());
        let sample = dataset.sample(index)?;
        let mut rng = SampleRng::new(seed, Purpose::Augment, 0, index as u64);
        let picture = fit(transforms.apply(sample.image, &mut rng)?)?.to_color(Color::Rgb);
        let class = usize::try_from(sample.label).ok().and_then(|label| dataset.classes().get(label));
        pictures.push((picture, class.map_or("?", String::as_str)));
    }
    let width = pictures.iter().map(|(p, _)| p.width()).max().unwrap_or(1).max(MIN_CELL) + 2 * GAP;
    let height = pictures.iter().map(|(p, _)| p.height()).max().unwrap_or(1) + LETTER + 3 * GAP;
    let mut grid = Image::filled(rows * height, columns * width, &[255; 3]);
    for (cell, (picture, label)) in pictures.iter().enumerate() {
        let (top, left) = (cell / columns * height, cell % columns * width);
        paste(&mut grid, picture, top + GAP, left + (width - picture.width()) / 2);
        let letters = label.chars().take((width - GAP) / LETTER);
        for (at, letter) in letters.enumerate() {
            draw(&mut grid, letter, top + height - LETTER - GAP, left + GAP + at * LETTER);
        }
    }
    Ok(grid)
}

fn fit(image: Image) -> Result<Image> {
    let (height, width) = (image.height(), image.width());
    let longer = height.max(width);
    if longer > MAX_CELL {
        let side = |n: usize| (n * MAX_CELL / longer).max(1);
        return functional::resize(image, side(height), side(width), Interpolation::Bilinear);
    }
    let factor = (MIN_CELL / longer).max(1);
    functional::resize(image, height * factor, width * factor, Interpolation::Nearest)
}

fn paste(grid: &mut Image, picture: &Image, top: usize, left: usize) {
    let (stride, width) = (grid.width() * 3, picture.width() * 3);
    let rows = grid.pixels_mut().chunks_exact_mut(stride).skip(top);
    for (row, from) in rows.zip(picture.pixels().chunks_exact(width)) {
        row[left * 3..][..width].copy_from_slice(from);
    }
}

fn draw(grid: &mut Image, letter: char, top: usize, left: usize) {
    let shape = BASIC_LEGACY.get(letter as usize).unwrap_or(&BASIC_LEGACY['?' as usize]);
    let width = grid.width();
    for (y, bits) in shape.iter().enumerate() {
        for x in (0..LETTER).filter(|x| bits >> x & 1 == 1 && left + x < width) {
            let at = ((top + y) * width + left + x) * 3;
            grid.pixels_mut()[at..at + 3].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::{Split, digits};
    use crate::transforms::RandomCrop;

    #[test]
    fn a_grid_shows_pictures_above_labels() {
        let data = digits::load(Split::Train).unwrap();
        let transforms = Compose::new().then(RandomCrop::new(28, 4).unwrap());
        let grid = preview(&data, &transforms, 2, 3, 1).unwrap();
        let (cell_height, cell_width) = (84 + 8 + 12, 96 + 8);
        assert_eq!(grid.shape(), [2 * cell_height, 3 * cell_width, 3]);
        let dark = |top: usize, bottom: usize| {
            let rows = grid.pixels().chunks_exact(3 * cell_width * 3).skip(top).take(bottom - top);
            rows.flatten().filter(|&&byte| byte == 0).count()
        };
        assert!(dark(4, 88) > 1000, "pictures");
        assert!(dark(92, 100) > 50 && dark(92, 100) < 1000, "labels");
        assert_eq!(grid, preview(&data, &transforms, 2, 3, 1).unwrap());
        assert!(preview(&data, &transforms, 0, 3, 1).is_err());
        assert!(preview(&data, &transforms, usize::MAX, 3, 1).is_err());
    }
}
