use super::*;
use crate::testing::{on_any_threads, random};

fn geometry(size: [usize; 4], kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Geometry {
    let [batch, height, width, channels] = size;
    Geometry { batch, height, width, channels, kernel, stride, padding, dilation: [1; 2], ceil_mode: false }
}

fn geometries() -> Vec<Geometry> {
    let mut all = vec![
        geometry([2, 4, 4, 8], [2; 2], [2; 2], [0; 2]),
        geometry([3, 5, 7, 3], [2; 2], [2; 2], [0; 2]),
        geometry([1, 2, 2, 1], [2; 2], [2; 2], [0; 2]),
        geometry([5, 28, 28, 16], [2; 2], [2; 2], [0; 2]),
        geometry([2, 9, 10, 17], [3; 2], [2; 2], [1; 2]),
        geometry([3, 14, 15, 64], [3; 2], [2; 2], [1; 2]),
        geometry([1, 1, 1, 5], [3; 2], [2; 2], [1; 2]),
        geometry([2, 6, 5, 33], [3, 2], [1, 3], [1, 0]),
        geometry([2, 6, 5, 7], [1, 4], [2, 1], [0, 2]),
        geometry([1, 30, 40, 2], [20, 17], [3, 5], [10, 8]),
        geometry([0, 4, 4, 3], [2; 2], [2; 2], [0; 2]),
        geometry([2, 4, 4, 0], [2; 2], [2; 2], [0; 2]),
    ];
    for i in 0..all.len() {
        all.push(Geometry { ceil_mode: true, ..all[i] });
        all.push(Geometry { dilation: [2, 3], ..all[i] });
    }
    // A window whose taps all miss the input.
    all.push(Geometry { dilation: [5, 1], ..geometry([1, 4, 3, 2], [2, 1], [1; 2], [1, 0]) });
    all.retain(|g| g.validate().is_ok());
    assert!(all.len() > 25);
    all
}

/// Values, taps, and where in the image each gradient goes, by definition.
fn oracle(g: &Geometry, x: &[f32]) -> (Vec<f32>, Vec<u16>, Vec<Option<usize>>) {
    let [rows, columns] = g.output_size();
    let (mut y, mut taps, mut places) = (vec![], vec![], vec![]);
    for i in 0..g.batch * rows * columns * g.channels {
        let (channel, column) = (i % g.channels, i / g.channels % columns);
        let (row, n) = (i / g.channels / columns % rows, i / g.channels / columns / rows);
        let mut best: Option<(f32, usize, usize)> = None;
        for tap in 0..g.kernel[0] * g.kernel[1] {
            let h = (row * g.stride[0] + tap / g.kernel[1] * g.dilation[0]).wrapping_sub(g.padding[0]);
            let w = (column * g.stride[1] + tap % g.kernel[1] * g.dilation[1]).wrapping_sub(g.padding[1]);
            if h < g.height && w < g.width {
                let at = ((n * g.height + h) * g.width + w) * g.channels + channel;
                if best.is_none_or(|(max, ..)| x[at] > max || x[at].is_nan()) {
                    best = Some((x[at], tap, at));
                }
            }
        }
        y.push(best.map_or(f32::NEG_INFINITY, |b| b.0));
        taps.push(best.map_or(0, |b| b.1) as u16);
        places.push(best.map(|b| b.2));
    }
    (y, taps, places)
}

/// Numbers with many ties, and some NaN and infinities.
fn awkward(len: usize) -> Vec<f32> {
    let odd = |(i, x): (usize, f32)| match i % 97 {
        13 | 14 => f32::NAN,
        40 => f32::INFINITY,
        50..56 => f32::NEG_INFINITY,
        _ => (x * 2.0).round() / 2.0,
    };
    random(len, 7).into_iter().enumerate().map(odd).collect()
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
}

#[test]
fn forward_matches_the_definition() {
    for g in geometries() {
        let x = awkward(g.input_len());
        let (expected, expected_taps, _) = oracle(&g, &x);
        let (y, taps) = on_any_threads(|| {
            let (mut y, mut taps) = (vec![9.0; g.output_len()], vec![9; g.output_len()]);
            forward(&g, &x, &mut y, Some(&mut taps));
            let mut alone = vec![9.0; y.len()];
            forward(&g, &x, &mut alone, None);
            assert!(same(&alone, &y), "{g:?}");
            (y, taps)
        });
        assert!(same(&y, &expected), "{g:?}");
        assert_eq!(taps, expected_taps, "{g:?}");
    }
}

#[test]
fn backward_matches_the_definition() {
    for g in geometries() {
        let x = awkward(g.input_len());
        let (_, taps, places) = oracle(&g, &x);
        let dy = random(g.output_len(), 8);
        let mut expected = vec![0.0; x.len()];
        for (place, dy) in places.iter().zip(&dy) {
            place.iter().for_each(|&at| expected[at] += dy);
        }
        let dx = on_any_threads(|| {
            let mut dx = vec![f32::NAN; x.len()];
            backward(&g, &dy, &taps, &mut dx);
            dx
        });
        assert_eq!(dx, expected, "{g:?}");
    }
}

#[test]
fn bad_geometries_are_refused_with_reasons() {
    let good = geometry([1, 8, 8, 4], [3; 2], [2; 2], [1; 2]);
    assert_eq!(good.validate(), Ok([4, 4]));
    for (bad, word) in [
        (Geometry { kernel: [0, 3], ..good }, "kernel"),
        (Geometry { stride: [2, 0], ..good }, "stride"),
        (Geometry { dilation: [0, 1], ..good }, "dilation"),
        (Geometry { padding: [1, 2], ..good }, "padding"),
        (Geometry { height: 0, ..good }, "height"),
        (Geometry { width: 1, kernel: [3, 4], ..good }, "width"),
        (Geometry { height: 600, width: 600, kernel: [300, 300], ..good }, "65536"),
        (Geometry { dilation: [usize::MAX, 1], ..good }, "overflow"),
    ] {
        let error = bad.validate().unwrap_err().to_string();
        assert!(error.starts_with("max_pool2d: ") && error.contains(word), "{error}");
    }
}

#[test]
fn bfloat16_has_the_same_maxima() {
    use crate::testing::{from_bfloat16, to_bfloat16};
    use half::bf16;
    for g in geometries() {
        let (x, dy) = (to_bfloat16(&random(g.input_len(), 1)), to_bfloat16(&random(g.output_len(), 2)));
        let (wide_x, wide_dy) = (from_bfloat16(&x), from_bfloat16(&dy));
        let (mut taps, mut wide_taps) = (vec![1; dy.len()], vec![2; dy.len()]);
        let (mut y, mut wide_y) = (vec![bf16::NAN; dy.len()], vec![f32::NAN; dy.len()]);
        forward(&g, &x, &mut y, Some(&mut taps));
        forward(&g, &wide_x, &mut wide_y, Some(&mut wide_taps));
        assert_eq!((from_bfloat16(&y), taps.clone()), (wide_y, wide_taps), "{g:?}");
        let (mut dx, mut wide_dx) = (vec![bf16::NAN; x.len()], vec![f32::NAN; x.len()]);
        backward(&g, &dy, &taps, &mut dx);
        backward(&g, &wide_dy, &taps, &mut wide_dx);
        assert_eq!(dx, to_bfloat16(&wide_dx), "{g:?}");
    }
}
