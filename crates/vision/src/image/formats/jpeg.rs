//! JPEG, baseline and progressive; grey, YCbCr, CMYK and YCCK.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{Decoded, Layout, check_size};
use crate::image::orientation::from_exif;

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    if !is_complete(bytes) {
        return Err("truncated JPEG: its end marker is missing".into());
    }
    let options =
        DecoderOptions::default().set_max_width(65_535).set_max_height(65_535).set_strict_mode(false);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| format!("{e:?}"))?;
    let info = decoder.info().ok_or("no frame header")?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    check_size(width, height, bytes.len())?;
    let (layout, target) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (Layout::Gray, ColorSpace::Luma),
        _ => (Layout::Rgb, ColorSpace::RGB),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(target));
    let data = decoder.decode().map_err(|e| format!("{e:?}"))?;
    let orientation = decoder.exif().map_or(1, |exif| from_exif(exif));
    Ok(Decoded { width, height, layout, data, orientation })
}

/// Whether no scan begins after the last end marker (which may be that of a thumbnail). Decoders fill up what is
/// missing with grey; a file that broke off in a copy should be noticed instead. Inside a scan 0xff is always
/// escaped, so that a marker is one.
fn is_complete(bytes: &[u8]) -> bool {
    let end = bytes.windows(2).rposition(|pair| pair == [0xff, 0xd9]);
    end.is_some_and(|end| !bytes[end..].windows(2).any(|pair| pair == [0xff, 0xda]))
}
