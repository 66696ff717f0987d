//! PNG, read and written.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Transformations};

use super::{Decoded, Layout, check_size, max_memory};
use crate::image::Image;
use crate::image::orientation::from_exif;

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    let text = |e: png::DecodingError| e.to_string();
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: max_memory(bytes.len()) });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(text)?;
    let (width, height) = (header.width as usize, header.height as usize);
    check_size(width, height, bytes.len())?;
    let mut reader = decoder.read_info().map_err(text)?;
    let size = reader.output_buffer_size().ok_or("its size overflows")?;
    let mut data = vec![0; size];
    let frame = reader.next_frame(&mut data).map_err(text)?;
    data.truncate(frame.buffer_size());
    let layout = match frame.color_type {
        ColorType::Grayscale => Layout::Gray,
        ColorType::GrayscaleAlpha => Layout::GrayAlpha,
        ColorType::Rgb => Layout::Rgb,
        ColorType::Rgba => Layout::Rgba,
        ColorType::Indexed => return Err("its palette was not expanded".into()),
    };
    let orientation = reader.info().exif_metadata.as_ref().map_or(1, |exif| from_exif(exif));
    Ok(Decoded { width, height, layout, data, orientation })
}

/// A whole PNG file. The error is the reason alone.
pub(crate) fn encode(image: &Image) -> Result<Vec<u8>, String> {
    let text = |e: png::EncodingError| e.to_string();
    let side = |n: usize| u32::try_from(n).map_err(|_| format!("a side of {n} is too long for PNG"));
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, side(image.width())?, side(image.height())?);
    encoder.set_color(if image.channels() == 1 { ColorType::Grayscale } else { ColorType::Rgb });
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(text)?;
    writer.write_image_data(image.pixels()).map_err(text)?;
    writer.finish().map_err(text)?;
    Ok(out)
}
