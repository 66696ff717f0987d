//! TIFF: the first page, of 8 or 16 bits a channel (also 1 bit grey).

use std::io::Cursor;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::{Decoded, Layout, check_size, max_memory};

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    check_directory(bytes)?;
    let text = |e: tiff::TiffError| e.to_string();
    let mut limits = Limits::default();
    limits.decoding_buffer_size = max_memory(bytes.len());
    limits.intermediate_buffer_size = max_memory(bytes.len());
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(text)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(text)?;
    let (width, height) = (width as usize, height as usize);
    check_size(width, height, bytes.len())?;
    let color = decoder.colortype().map_err(text)?;
    let layout = match color {
        ColorType::Gray(1 | 8 | 16) => Layout::Gray,
        ColorType::GrayA(8 | 16) => Layout::GrayAlpha,
        ColorType::RGB(8 | 16) => Layout::Rgb,
        ColorType::RGBA(8 | 16) => Layout::Rgba,
        ColorType::CMYK(8 | 16) => Layout::Cmyk,
        other => return Err(format!("a TIFF of {other:?} is not supported; convert it to PNG")),
    };
    let samples = match decoder.read_image().map_err(text)? {
        DecodingResult::U8(data) => data,
        DecodingResult::U16(data) => data.into_iter().map(|word| (word >> 8) as u8).collect(),
        _ => return Err("a TIFF of signed or floating numbers is not supported; convert it to PNG".into()),
    };
    let data = if color == ColorType::Gray(1) { unpack_bits(&samples, width, height) } else { samples };
    if data.len() != width * height * layout.channels() {
        return Err(format!("found {} bytes for {width}x{height} of {layout:?}", data.len()));
    }
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten().unwrap_or(1);
    Ok(Decoded { width, height, layout, data, orientation })
}

/// The most values that a tag of the picture's layout may have: one for each strip.
const MAX_VALUES: u32 = 1 << 20;

/// Refuses a first directory that claims millions of values, for which the decoder would take memory before it can be
/// told its limits.
fn check_directory(bytes: &[u8]) -> Result<(), String> {
    let big = bytes.starts_with(b"MM");
    let short = |at: usize| {
        let field: [u8; 2] = bytes.get(at..)?.first_chunk().copied()?;
        Some(if big { u16::from_be_bytes(field) } else { u16::from_le_bytes(field) })
    };
    let long = |at: usize| {
        let field: [u8; 4] = bytes.get(at..)?.first_chunk().copied()?;
        Some(if big { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) })
    };
    let start = long(4).and_then(|start| usize::try_from(start).ok()).ok_or("it ends in its header")?;
    for entry in 0..usize::from(short(start).ok_or("its directory is missing")?) {
        let at = start.saturating_add(2 + 12 * entry);
        // The tags of the layout; others are never read.
        if let (Some(tag @ 254..=532), Some(count)) = (short(at), long(at.saturating_add(4)))
            && count > MAX_VALUES
        {
            return Err(format!("tag {tag} claims {count} values"));
        }
    }
    Ok(())
}

/// Rows of bits, each row padded to whole bytes, to black and white.
fn unpack_bits(bits: &[u8], width: usize, height: usize) -> Vec<u8> {
    let row =
        |row: &[u8]| (0..width).map(|x| if row[x / 8] >> (7 - x % 8) & 1 == 1 { 255 } else { 0 }).collect();
    bits.chunks_exact(width.div_ceil(8)).take(height).flat_map(|bytes| -> Vec<u8> { row(bytes) }).collect()
}
