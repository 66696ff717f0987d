//! Files into pictures, and pictures into files.

use std::fs::{self, File};
use std::io::Read;
use std::panic::catch_unwind;
use std::path::Path;

use crate::image::color::to_image;
use crate::image::formats::{Format, encode_png};
use crate::image::orientation::upright;
use crate::image::{Color, Image};
use crate::{Result, VisionError};

/// The largest file that is read as an image.
const MAX_FILE_BYTES: u64 = 1 << 29;

/// Reads and decodes an image file: JPEG, PNG, WebP, BMP, GIF or TIFF, recognized by content, whatever the name.
///
/// The picture is turned upright as its EXIF data say, alpha is dropped, and the channels are made those of
/// `color`. Of animations and multi-page files the first picture counts.
///
/// # Errors
/// If the file cannot be read, is of no known format, damaged, truncated, or claims an absurd size.
pub fn decode_file(path: &Path, color: Color) -> Result<Image> {
    decode_bytes(&read_file(path)?, color, path)
}

/// As [`decode_file`], for a file in memory. `name` stands for the path in messages.
///
/// # Errors
/// As [`decode_file`].
pub fn decode_bytes(bytes: &[u8], color: Color, name: &Path) -> Result<Image> {
    let failed = |reason: String| VisionError::Decode { path: name.into(), reason };
    if bytes.is_empty() {
        return Err(failed("the file is empty".into()));
    }
    let format = Format::of(bytes).ok_or_else(|| {
        failed("neither JPEG, PNG, WebP, BMP, GIF nor TIFF by its first bytes; convert or remove it".into())
    })?;
    // Decoders are fed with anything that bears the right first bytes: a bug in one must not end a training.
    let decoded = catch_unwind(|| format.decode(bytes))
        .unwrap_or_else(|_| Err(format!("the {format:?} decoder panicked")))
        .map_err(|reason| failed(format!("{format:?}: {}", one_line(&reason))))?;
    let expected = decoded.width * decoded.height * decoded.layout.channels();
    if decoded.data.len() != expected {
        return Err(failed(format!("{format:?}: decoded to {} bytes of {expected}", decoded.data.len())));
    }
    let orientation = decoded.orientation;
    Ok(upright(to_image(decoded), orientation).to_color(color))
}

/// Writes a picture as PNG, whole or not at all.
///
/// # Errors
/// If the file cannot be written.
pub fn write_png(image: &Image, path: &Path) -> Result<()> {
    let bytes = encode_png(image).map_err(|reason| VisionError::bad_file(path, reason))?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.part", std::process::id()));
    let result = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    result.map_err(|e| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
        VisionError::io("write", path, e)
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let io = |e| VisionError::io("read", path, e);
    let metadata = fs::metadata(path).map_err(io)?;
    // A pipe would block, a device never end; links may lead to either.
    if !metadata.is_file() {
        return Err(VisionError::Decode { path: path.into(), reason: "no regular file".into() });
    }
    let file = File::open(path).map_err(io)?;
    let len = metadata.len();
    if len > MAX_FILE_BYTES {
        let reason = format!("{len} bytes, more than the allowed {MAX_FILE_BYTES}");
        return Err(VisionError::Decode { path: path.into(), reason });
    }
    let mut bytes = Vec::with_capacity(len as usize + 1);
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

/// Messages of decoders end up in one line of a log.
fn one_line(reason: &str) -> String {
    reason.split_whitespace().collect::<Vec<_>>().join(" ")
}
