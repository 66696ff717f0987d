//! Shear, translate, rotate: affine maps with the nearest pixel, black outside.

use crate::image::Image;

/// Shears along the rows: `x` of the source is `x + slope * y`.
pub fn shear_x(image: &Image, slope: f64) -> Image {
    affine(image, [1.0, slope, 0.0, 0.0, 1.0, 0.0])
}

/// Shears along the columns: `y` of the source is `y + slope * x`.
pub fn shear_y(image: &Image, slope: f64) -> Image {
    affine(image, [1.0, 0.0, 0.0, slope, 1.0, 0.0])
}

/// Moves the picture right by `dx` and down by `dy` pixels.
pub fn translate(image: &Image, dx: i64, dy: i64) -> Image {
    affine(image, [1.0, 0.0, -dx as f64, 0.0, 1.0, -dy as f64])
}

/// Turns the picture counter-clockwise about its centre.
pub fn rotate(image: &Image, degrees: f64) -> Image {
    let angle = -degrees.to_radians();
    let (sin, cos) = angle.sin_cos();
    let (x, y) = (image.width() as f64 / 2.0, image.height() as f64 / 2.0);
    affine(image, [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y])
}

/// Each target pixel (x, y) takes the source pixel at `(a x + b y + c, d x + e y + f)`, coordinates meaning pixel
/// centres at halves, in 16-bit fixed point as Pillow's `transform`.
fn affine(image: &Image, [a, b, c, d, e, f]: [f64; 6]) -> Image {
    let [height, width, channels] = image.shape();
    let fixed = |value: f64| (value * 65_536.0 + 0.5).floor() as i64;
    let (step_x, step_y) = ((fixed(a), fixed(d)), (fixed(b), fixed(e)));
    let mut row_start = (fixed(c + 0.5 * a + 0.5 * b), fixed(f + 0.5 * d + 0.5 * e));
    let mut pixels = vec![0; image.pixels().len()];
    for row in pixels.chunks_exact_mut(width * channels) {
        let (mut x, mut y) = row_start;
        for pixel in row.chunks_exact_mut(channels) {
            let (from_x, from_y) = (x >> 16, y >> 16);
            if (0..width as i64).contains(&from_x) && (0..height as i64).contains(&from_y) {
                let at = (from_y as usize * width + from_x as usize) * channels;
                pixel.copy_from_slice(&image.pixels()[at..at + channels]);
            }
            (x, y) = (x + step_x.0, y + step_x.1);
        }
        row_start = (row_start.0 + step_y.0, row_start.1 + step_y.1);
    }
    Image::from_parts(height, width, channels, pixels)
}
