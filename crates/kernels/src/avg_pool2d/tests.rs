use super::*;
use crate::testing::{assert_close, on_any_threads, random};

fn geometries() -> Vec<Geometry> {
    let of = |[batch, height, width, channels]: [usize; 4], kernel, stride, padding| Geometry {
        batch,
        height,
        width,
        channels,
        kernel,
        stride,
        padding,
        ceil_mode: false,
        count_include_pad: true,
    };
    let mut all = vec![
        of([2, 4, 4, 8], [2; 2], [2; 2], [0; 2]),
        of([3, 5, 7, 3], [2; 2], [2; 2], [0; 2]),
        of([2, 9, 10, 17], [3; 2], [2; 2], [1; 2]),
        of([3, 28, 29, 33], [3; 2], [1; 2], [1; 2]),
        of([1, 1, 1, 5], [3; 2], [2; 2], [1; 2]),
        of([2, 6, 5, 1], [3, 2], [1, 3], [1, 0]),
        of([2, 12, 11, 40], [5, 6], [4, 5], [2, 3]),
        of([0, 4, 4, 3], [2; 2], [2; 2], [0; 2]),
        of([2, 4, 4, 0], [2; 2], [2; 2], [0; 2]),
    ];
    for i in 0..all.len() {
        all.push(Geometry { count_include_pad: false, ..all[i] });
        all.push(Geometry { ceil_mode: true, ..all[i] });
        all.push(Geometry { ceil_mode: true, count_include_pad: false, ..all[i] });
    }
    all
}

/// Calls `f(output element, input element, factor)` for everything that is averaged, after PyTorch's source.
fn for_each_share(g: &Geometry, mut f: impl FnMut(usize, usize, f64)) {
    let [rows, columns] = g.output_size();
    let bounds = |index: usize, axis: usize, input: usize| {
        let start = (index * g.stride[axis]) as isize - g.padding[axis] as isize;
        let end = (start + g.kernel[axis] as isize).min((input + g.padding[axis]) as isize);
        (end - start, start.max(0) as usize..end.min(input as isize) as usize)
    };
    for i in 0..g.batch * rows * columns * g.channels {
        let (channel, column) = (i % g.channels, i / g.channels % columns);
        let (row, n) = (i / g.channels / columns % rows, i / g.channels / columns / rows);
        let ((padded_height, hs), (padded_width, ws)) =
            (bounds(row, 0, g.height), bounds(column, 1, g.width));
        let count = if g.count_include_pad {
            (padded_height * padded_width) as f64
        } else {
            (hs.len() * ws.len()) as f64
        };
        for h in hs {
            for w in ws.clone() {
                f(i, ((n * g.height + h) * g.width + w) * g.channels + channel, 1.0 / count);
            }
        }
    }
}

#[test]
fn forward_and_backward_match_the_definition() {
    for g in geometries() {
        let (x, dy) = (random(g.input_len(), 1), random(g.output_len(), 2));
        let (mut y64, mut dx64) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
        for_each_share(&g, |output, input, factor| {
            y64[output] += f64::from(x[input]) * factor;
            dx64[input] += f64::from(dy[output]) * factor;
        });
        let (y, dx) = on_any_threads(|| {
            let (mut y, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
            forward(&g, &x, &mut y);
            backward(&g, &dy, &mut dx);
            (y, dx)
        });
        assert_close(&y, &y64, 1e-6, 1e-6, g);
        assert_close(&dx, &dx64, 1e-6, 1e-6, g);
    }
}
