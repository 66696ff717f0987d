//! GIF: the first frame.

use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, MemoryLimit};

use super::{Decoded, Layout, check_size, max_memory};

pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, String> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    if let Some(limit) = NonZeroU64::new(max_memory(bytes.len()) as u64) {
        options.set_memory_limit(MemoryLimit::Bytes(limit));
    }
    let mut decoder = options.read_info(bytes).map_err(|e| e.to_string())?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    check_size(width, height, bytes.len())?;
    let frame = decoder.read_next_frame().map_err(|e| e.to_string())?.ok_or("it holds no frame")?;
    // A frame may cover a part of the canvas; the rest stays black.
    let mut data = vec![0; width * height * 4];
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let frame_width = usize::from(frame.width).max(1);
    let visible = frame_width.min(width.saturating_sub(left));
    let rows = data.chunks_exact_mut(width * 4).skip(top);
    for (row, from) in rows.zip(frame.buffer.chunks_exact(frame_width * 4)) {
        row[left.min(width) * 4..][..visible * 4].copy_from_slice(&from[..visible * 4]);
    }
    Ok(Decoded { width, height, layout: Layout::Rgba, data, orientation: 1 })
}
