//! One file a format: bytes in, pixels out, sizes checked before anything is allocated.

mod bmp;
mod gif;
mod jpeg;
mod png;
mod tiff;
mod webp;

pub(crate) use self::png::encode as encode_png;

/// What a decoder found, before conversion to grey or colour.
pub(crate) struct Decoded {
    pub width: usize,
    pub height: usize,
    pub layout: Layout,
    /// `width * height` pixels of the layout's channels.
    pub data: Vec<u8>,
    /// Which way up it is to be shown: 1 (as it is) to 8, as in EXIF.
    pub orientation: u8,
}

/// The channels of a [`Decoded`] image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
    /// Ink: 255 is full ink.
    Cmyk,
}

impl Layout {
    pub fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// A file format that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jpeg,
    Png,
    WebP,
    Bmp,
    Gif,
    Tiff,
}

/// The most pixels a picture may have: 2^27, four times the 33 megapixels of an 8K frame.
const MAX_PIXELS: usize = 1 << 27;

/// Sizes up to this, 2048x2048, are believed; what claims more must have some bytes to show for it.
const SMALL: usize = 1 << 22;

/// More pixels a byte than any photograph of that size has. (A blank picture may have as many.)
const MAX_PIXELS_PER_BYTE: usize = 512;

/// Refuses a size that no photograph in a file of `len` bytes has, before memory is taken for it.
fn check_size(width: usize, height: usize, len: usize) -> Result<(), String> {
    let claim = format!("it claims {width}x{height} pixels");
    match width.checked_mul(height) {
        Some(0) => Err(format!("{claim}, expected no side of zero")),
        Some(pixels) if pixels <= SMALL.max(len.saturating_mul(MAX_PIXELS_PER_BYTE)).min(MAX_PIXELS) => {
            Ok(())
        }
        Some(pixels) if pixels <= MAX_PIXELS => {
            Err(format!("{claim} in a file of {len} bytes: a decompression bomb?"))
        }
        _ => Err(format!("{claim}, allowed are {MAX_PIXELS}: a decompression bomb?")),
    }
}

/// The most memory that a decoder may take, where it takes a limit: eight bytes a pixel.
fn max_memory(len: usize) -> usize {
    SMALL.max(len.saturating_mul(MAX_PIXELS_PER_BYTE)).min(MAX_PIXELS) * 8
}

impl Format {
    /// Recognizes a format by its first bytes; names of files are not to be trusted.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some(Self::Tiff),
            _ => None,
        }
    }

    /// Decodes a whole file. The error is the reason alone.
    pub fn decode(self, bytes: &[u8]) -> Result<Decoded, String> {
        match self {
            Self::Jpeg => jpeg::decode(bytes),
            Self::Png => png::decode(bytes),
            Self::WebP => webp::decode(bytes),
            Self::Bmp => bmp::decode(bytes),
            Self::Gif => gif::decode(bytes),
            Self::Tiff => tiff::decode(bytes),
        }
    }
}
