use super::*;
use crate::testing::{Bits, assert_close, on_any_threads, random};

fn geometries() -> Vec<Geometry> {
    let sizes = [
        [2, 7, 7, 512],
        [1, 1, 1, 3],
        [3, 5, 7, 9],
        [2, 6, 6, 16],
        [1, 40, 33, 2],
        [0, 4, 4, 3],
        [2, 4, 4, 0],
    ];
    let outputs = [[1, 1], [2, 3], [6, 6], [7, 5], [9, 1], [0, 2]];
    let of = |[batch, height, width, channels]: [usize; 4], output| Geometry {
        batch,
        height,
        width,
        channels,
        output,
    };
    sizes.iter().flat_map(|&size| outputs.map(|output| of(size, output))).collect()
}

/// For each output element the input elements of its window, after PyTorch's `start_index` and `end_index`.
fn windows(g: &Geometry) -> Vec<Vec<usize>> {
    let [rows, columns] = g.output;
    let start =
        |i: usize, input: usize, output: usize| (i as f64 * input as f64 / output as f64).floor() as usize;
    let end = |i: usize, input: usize, output: usize| {
        ((i as f64 + 1.0) * input as f64 / output as f64).ceil() as usize
    };
    let window = |i: usize| {
        let (channel, column) = (i % g.channels, i / g.channels % columns);
        let (row, n) = (i / g.channels / columns % rows, i / g.channels / columns / rows);
        let hs = start(row, g.height, rows)..end(row, g.height, rows);
        let ws = start(column, g.width, columns)..end(column, g.width, columns);
        let place = |h: usize, w: usize| ((n * g.height + h) * g.width + w) * g.channels + channel;
        hs.flat_map(|h| ws.clone().map(move |w| (h, w))).map(|(h, w)| place(h, w)).collect()
    };
    (0..g.output_len()).map(window).collect()
}

#[test]
fn average_matches_the_definition() {
    for g in geometries() {
        let (x, dy) = (random(g.input_len(), 1), random(g.output_len(), 2));
        let (mut y64, mut dx64) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
        for (i, window) in windows(&g).iter().enumerate() {
            for &at in window {
                y64[i] += f64::from(x[at]) / window.len() as f64;
                dx64[at] += f64::from(dy[i]) / window.len() as f64;
            }
        }
        let (y, dx) = on_any_threads(|| {
            let (mut y, mut dx) = (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()]);
            avg_forward(&g, &x, &mut y);
            avg_backward(&g, &dy, &mut dx);
            (y, dx)
        });
        assert_close(&y, &y64, 1e-6, 1e-6, g);
        assert_close(&dx, &dx64, 1e-6, 1e-6, g);
    }
}

#[test]
fn maximum_matches_the_definition() {
    for g in geometries() {
        let mut x: Vec<f32> = random(g.input_len(), 3).iter().map(|x| (x * 2.0).round()).collect();
        x.iter_mut().skip(5).step_by(71).for_each(|x| *x = f32::NAN);
        let dy = random(g.output_len(), 4);
        let (mut expected, mut places, mut dx64) = (vec![], vec![], vec![0.0; x.len()]);
        for (i, window) in windows(&g).iter().enumerate() {
            let beats = |best: usize, at: usize| if x[at] > x[best] || x[at].is_nan() { at } else { best };
            let best = window.iter().copied().reduce(beats).unwrap();
            expected.push(f64::from(x[best]));
            places.push((best / g.channels % (g.height * g.width)) as u32);
            dx64[best] += f64::from(dy[i]);
        }
        let (y, indices, dx) = on_any_threads(|| {
            let (mut y, mut indices) = (vec![9.0; dy.len()], vec![9; dy.len()]);
            max_forward(&g, &x, &mut y, Some(&mut indices));
            let mut alone = vec![9.0; dy.len()];
            max_forward(&g, &x, &mut alone, None);
            assert_eq!(alone.bits(), y.bits());
            let mut dx = vec![f32::NAN; x.len()];
            max_backward(&g, &dy, &indices, &mut dx);
            (y, indices, dx)
        });
        assert_close(&y, &expected, 0.0, 0.0, g);
        assert_eq!(indices, places, "{g:?}");
        assert_close(&dx, &dx64, 1e-6, 1e-6, g);
    }
}

#[test]
fn an_empty_image_is_refused() {
    let g = Geometry { batch: 1, height: 0, width: 3, channels: 2, output: [1, 1] };
    assert!(g.validate().unwrap_err().to_string().contains("0 x 3"));
}
