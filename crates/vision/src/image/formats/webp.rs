//! WebP, lossy and lossless; of an animation the first frame.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::{Decoded, Layout, check_size, max_memory};
use crate::image::orientation::from_exif;

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    check_size(width, height, bytes.len())?;
    decoder.set_memory_limit(max_memory(bytes.len()));
    let layout = if decoder.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let mut data = vec![0; decoder.output_buffer_size().ok_or("its size overflows")?];
    decoder.read_image(&mut data).map_err(|e| e.to_string())?;
    // Damaged metadata are no reason to refuse a picture.
    let orientation = decoder.exif_metadata().ok().flatten().map_or(1, |exif| from_exif(&exif));
    Ok(Decoded { width, height, layout, data, orientation })
}
