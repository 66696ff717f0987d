use super::patches::with_patches;
use crate::conv2d::Conv2dGeometry;
use crate::gemm::Epilogue;
use crate::gemm::driver::{Product, with_packed};
use crate::gemm::pack::Columns;
use crate::gemm::rows::{Grid, Placement};

/// A row for each output pixel, a column for each output channel; a segment for each tap or row of taps.
pub(in crate::conv2d) fn forward(
    g: &Conv2dGeometry,
    x: &[f32],
    w: &[f32],
    epilogue: Epilogue,
    y: &mut [f32],
) {
    let outputs = g.group_outputs();
    let grid = Grid { width: g.out_width(), height: g.out_height(), images: g.batch };
    let Epilogue { bias, add, relu, mut statistics } = epilogue;
    for group in 0..g.groups {
        let channels = group * outputs..(group + 1) * outputs;
        let place = Placement {
            start: channels.start,
            image: grid.height * grid.width * g.out_channels,
            row: grid.width * g.out_channels,
            column: g.out_channels,
        };
        let epilogue = Epilogue {
            bias: bias.map(|bias| &bias[channels.clone()]),
            add,
            relu,
            statistics: statistics.as_mut().map(|s| s.columns(channels.clone())),
        };
        with_patches(g, group, x, |a| {
            let segments: Vec<usize> = (0..a.taps.len()).map(|tap| tap * a.len).collect();
            let columns = Columns {
                data: &w[channels.start * g.kernel_len()..channels.end * g.kernel_len()],
                segments: &segments,
                segment_len: a.len,
                columns: outputs,
                row_stride: 1,
                column_stride: g.kernel_len(),
            };
            with_packed(&columns, |packed| {
                Product { grid, a, columns: outputs, packed, place, accumulate: false }.run(y, epilogue);
            });
        });
    }
}
