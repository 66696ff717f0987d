//! Which way up a photograph is (the EXIF tag 0x0112).

use exif::{In, Reader, Tag};

use crate::image::Image;

/// The orientation that EXIF data say, 1 (as stored) to 8; 1 where they say nothing or nothing sensible.
pub fn from_exif(exif: &[u8]) -> u8 {
    // WebP files often keep the prefix that belongs to JPEG.
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let Ok(exif) = Reader::new().read_raw(exif.to_vec()) else { return 1 };
    let field = exif.get_field(Tag::Orientation, In::PRIMARY);
    match field.and_then(|field| field.value.get_uint(0)) {
        Some(value @ 1..=8) => value as u8,
        _ => 1,
    }
}

/// Turns and mirrors a picture so that it stands upright, given its orientation.
pub(super) fn upright(image: Image, orientation: u8) -> Image {
    if !(2..=8).contains(&orientation) {
        return image;
    }
    let [height, width, channels] = image.shape();
    let (new_height, new_width) = if orientation >= 5 { (width, height) } else { (height, width) };
    let mut pixels = Vec::with_capacity(image.pixels().len());
    for y in 0..new_height {
        for x in 0..new_width {
            let (from_y, from_x) = match orientation {
                2 => (y, width - 1 - x),              // mirrored left to right
                3 => (height - 1 - y, width - 1 - x), // upside down
                4 => (height - 1 - y, x),             // mirrored top to bottom
                5 => (x, y),                          // transposed
                6 => (height - 1 - x, y),             // its top is at the right
                7 => (height - 1 - x, width - 1 - y), // transposed the other way
                _ => (x, width - 1 - y),              // its top is at the left
            };
            let from = (from_y * width + from_x) * channels;
            pixels.extend_from_slice(&image.pixels()[from..from + channels]);
        }
    }
    Image::from_parts(new_height, new_width, channels, pixels)
}
