//! Against double precision, over awkward geometries.

use super::{Gradients, OutputGradient, applies, backward, forward, output_len};
use crate::conv2d::{Conv2dGeometry as G, oracle};
use crate::layout;
use crate::max_pool2d;
use crate::testing::{assert_close, on_any_threads, random};

#[rustfmt::skip]
fn geometries() -> Vec<G> {
    let g = G::new;
    vec![
        g([67, 1, 10, 12], 8, [3, 3]).with_padding(1),
        g([3, 8, 14, 14], 16, [3, 3]).with_padding(1),
        g([2, 3, 9, 11], 20, [3, 3]).with_padding(1),
        g([1, 1, 4, 4], 1, [3, 3]),
        g([2, 5, 7, 6], 3, [3, 3]).with_padding(2),
        g([2, 16, 8, 9], 33, [3, 3]).with_padding(1),
        g([1, 11, 6, 5], 9, [3, 3]).with_padding(1),
        g([1, 31, 5, 6], 7, [3, 3]).with_padding(1),
        G { padding: [[0, 1], [2, 0]], ..g([2, 2, 6, 5], 17, [3, 3]) },
        g([1, 3, 90, 70], 40, [3, 3]).with_padding(1), // several bands
        g([0, 4, 6, 6], 8, [3, 3]).with_padding(1),
    ]
}

fn pool(g: &G) -> max_pool2d::Geometry {
    max_pool2d::Geometry {
        batch: g.batch,
        height: g.out_height(),
        width: g.out_width(),
        channels: g.out_channels,
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
        dilation: [1, 1],
        ceil_mode: false,
    }
}

/// Of input, weight and bias.
type Gradient = (Vec<f32>, Vec<f32>, Vec<f32>);

struct Case {
    x: Vec<f32>,
    w: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    fn new(g: &G) -> Self {
        Self { x: random(g.in_len(), 1), w: random(g.weight_len(), 2), bias: random(g.out_channels, 3) }
    }

    fn forward(&self, g: &G) -> (Vec<f32>, Vec<u16>) {
        let (mut y, mut places) = (vec![f32::NAN; output_len(g)], vec![9999; output_len(g)]);
        forward(g, &self.x, &self.w, Some(&self.bias), &mut y, Some(&mut places));
        (y, places)
    }

    fn backward(&self, g: &G, y: &[f32], places: &[u16], dy: OutputGradient) -> Gradient {
        let (mut dx, mut dw, mut db) =
            (vec![f32::NAN; g.in_len()], vec![f32::NAN; g.weight_len()], vec![f32::NAN; g.out_channels]);
        let gradients = Gradients { dx: Some(&mut dx), dw: Some(&mut dw), db: Some(&mut db) };
        backward(g, &self.x, &self.w, y, places, dy, gradients);
        (dx, dw, db)
    }
}

/// Index in the convolution's output of each element of the pooled output, for the convolution `p` of its window.
fn in_window(g: &G, at: usize, p: usize) -> usize {
    let (rows, columns) = (g.out_height() / 2, g.out_width() / 2);
    let (o, j, i) =
        (at % g.out_channels, at / g.out_channels % columns, at / g.out_channels / columns % rows);
    let n = at / g.out_channels / columns / rows;
    ((n * g.out_height() + 2 * i + p / 2) * g.out_width() + 2 * j + p % 2) * g.out_channels + o
}

fn places_of_a_window(g: &G) -> [usize; 4] {
    let row = (g.in_width + g.padding[1][0] + g.padding[1][1]) * g.in_channels;
    [0, g.in_channels, row, row + g.in_channels]
}

#[test]
fn values_are_maxima_of_the_convolution() {
    for g in geometries() {
        assert!(applies(&g, &pool(&g)), "{g:?}");
        let case = Case::new(&g);
        let (y, places) = on_any_threads(|| case.forward(&g));
        let mut full = oracle::forward(&g, &case.x, &case.w);
        full.iter_mut().enumerate().for_each(|(i, v)| *v += f64::from(case.bias[i % g.out_channels]));
        let tolerance = 2e-6 * (9.0 * g.in_channels as f64).sqrt();
        let largest = |at| (0..4).map(|p| full[in_window(&g, at, p)]).fold(0.0, f64::max);
        let expected: Vec<f64> = (0..y.len()).map(largest).collect();
        assert_close(&y, &expected, 0.0, tolerance, g);
        for (at, place) in places.iter().enumerate().filter(|&(at, _)| y[at] > 0.0) {
            let p = places_of_a_window(&g).iter().position(|&p| p == usize::from(*place)).expect("a place");
            assert!(full[in_window(&g, at, p)] >= expected[at] - tolerance, "{g:?}");
        }
        let mut again = vec![f32::NAN; y.len()];
        forward(&g, &case.x, &case.w, Some(&case.bias), &mut again, None);
        assert_eq!(y, again, "the same without places");
    }
}

#[test]
fn gradients_are_those_of_the_recorded_maxima() {
    for g in geometries() {
        let case = Case::new(&g);
        let (y, places) = case.forward(&g);
        let dy = random(y.len(), 4);
        let last = OutputGradient::ChannelsLast(&dy);
        let (dx, dw, db) = on_any_threads(|| case.backward(&g, &y, &places, last));
        let mut full = vec![0.0; g.out_len()];
        let mut sums = vec![0.0; g.out_channels];
        for at in (0..y.len()).filter(|&at| y[at] > 0.0) {
            let p = places_of_a_window(&g).iter().position(|&p| p == usize::from(places[at])).unwrap();
            full[in_window(&g, at, p)] = dy[at];
            sums[at % g.out_channels] += f64::from(dy[at]);
        }
        let terms = (y.len() / g.out_channels) as f64;
        let (tall, wide) = (4e-6 * (terms + 16.0).sqrt(), 4e-6 * (9.0 * g.out_channels as f64).sqrt());
        assert_close(&dx, &oracle::input_gradient(&g, &full, &case.w), 4e-6, 4.0 * wide, g);
        assert_close(&dw, &oracle::weight_gradient(&g, &case.x, &full), 4e-6, 4.0 * tall, g);
        assert_close(&db, &sums, 4e-6, 4.0 * tall, g);

        let mut first = vec![0.0; dy.len()];
        let positions = output_len(&g) / g.out_channels / g.batch.max(1);
        layout::nhwc_to_nchw(g.batch, g.out_channels, positions, &dy, &mut first);
        let first = OutputGradient::ChannelsFirst(&first);
        let same = on_any_threads(|| case.backward(&g, &y, &places, first));
        assert_eq!((&dx, &dw, &db), (&same.0, &same.1, &same.2), "the same in the other order");

        let mut alone = vec![f32::NAN; dw.len()];
        let gradients = Gradients { dw: Some(&mut alone), ..Default::default() };
        backward(&g, &case.x, &case.w, &y, &places, last, gradients);
        assert_eq!(dw, alone, "the same without the other gradients");
    }
}

#[test]
fn ties_go_to_the_first_and_nan_passes_through() {
    let g = G::new([1, 1, 4, 4], 1, [3, 3]);
    let forward = |x: &[f32]| {
        let (mut y, mut places) = ([0.0], [7]);
        forward(&g, x, &[1.0; 9], None, &mut y, Some(&mut places));
        (y[0], places[0])
    };
    assert_eq!(forward(&[1.0; 16]), (9.0, 0));
    assert_eq!(forward(&[-1.0; 16]).0, 0.0);
    let mut x = [1.0; 16];
    x[15] = f32::NAN; // only under the last of the four
    let (y, place) = forward(&x);
    assert!(y.is_nan() && place == 5);
}

#[test]
fn only_plain_convolutions_with_few_channels_and_quarter_pooling() {
    let g = G::new([2, 8, 14, 14], 16, [3, 3]).with_padding(1);
    let fits = |g: G| applies(&g, &pool(&g));
    assert!(fits(g));
    assert!(!fits(g.with_stride(2)) && !fits(g.with_groups(2)) && !fits(G { dilation: [2, 1], ..g }));
    assert!(!fits(G { in_channels: 32, ..g }) && !fits(G { in_width: 9000, ..g }));
    assert!(!fits(G { in_width: 1, ..g }), "no window fits");
    assert!(!applies(&g, &max_pool2d::Geometry { stride: [1, 2], ..pool(&g) }));
    assert!(!applies(&g, &max_pool2d::Geometry { height: 13, ..pool(&g) }));
}

#[test]
#[should_panic(expected = "outside of its window")]
fn places_of_another_pass_are_refused() {
    let g = G::new([1, 1, 4, 4], 1, [3, 3]);
    let gradients = Gradients::default();
    let dy = OutputGradient::ChannelsLast(&[1.0]);
    backward(&g, &[0.0; 16], &[0.0; 9], &[1.0], &[6], dy, gradients);
}
