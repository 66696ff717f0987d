//! BMP, with and without palette.

use zune_bmp::BmpDecoder;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::{Decoded, Layout, check_size};

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    let options = DecoderOptions::default().set_max_width(1 << 20).set_max_height(1 << 20);
    let mut decoder = BmpDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| format!("{e:?}"))?;
    let (width, height) = decoder.dimensions().ok_or("no header")?;
    check_size(width, height, bytes.len())?;
    let data = decoder.decode().map_err(|e| format!("{e:?}"))?;
    let layout = match decoder.colorspace() {
        Some(ColorSpace::Luma) => Layout::Gray,
        Some(ColorSpace::RGB) => Layout::Rgb,
        Some(ColorSpace::RGBA) => Layout::Rgba,
        other => return Err(format!("a BMP of colour space {other:?} is not supported; convert it to PNG")),
    };
    Ok(Decoded { width, height, layout, data, orientation: 1 })
}
