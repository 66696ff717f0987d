//! Every pass against float64, over awkward geometries.

use crate::testing::on_any_threads;

use super::choose::{Algorithm, Pass};
use super::{ColumnStatistics, Conv2dGeometry as G, Epilogue, PreparedConv2d, oracle};

/// Small reproducible numbers in [-1, 1).
pub(super) fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747796405).wrapping_add(2891336453);
    let mut next = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

#[rustfmt::skip]
pub(super) fn geometries() -> Vec<G> {
    let g = G::new;
    vec![
        g([1, 1, 1, 1], 1, [1, 1]),
        g([2, 3, 5, 7], 4, [1, 1]),
        g([2, 40, 6, 5], 70, [1, 1]),
        g([2, 20, 7, 6], 17, [1, 1]).with_stride(2),
        g([3, 1, 28, 28], 8, [3, 3]).with_padding(1),
        g([2, 8, 14, 14], 16, [3, 3]).with_padding(1),
        g([1, 3, 33, 31], 64, [7, 7]).with_stride(2).with_padding(3),
        g([2, 3, 11, 10], 12, [3, 3]).with_padding(1),
        // Segments of 9 and 15 numbers, over several blocks and with holes between patches
        g([3, 3, 19, 17], 48, [3, 3]).with_padding(1),
        G { stride: [1, 3], padding: [[0, 2], [4, 1]], ..g([2, 3, 20, 41], 16, [5, 5]) },
        g([1, 64, 9, 10], 48, [3, 3]).with_padding(1),
        g([2, 33, 8, 7], 34, [3, 3]).with_padding(1),
        g([1, 32, 13, 14], 32, [3, 3]),
        g([1, 16, 7, 7], 32, [3, 3]).with_padding(2),
        g([2, 32, 9, 8], 33, [3, 3]).with_padding(1).with_stride(2),
        g([1, 5, 9, 8], 6, [2, 3]).with_stride(3),
        G { dilation: [2, 3], ..g([1, 4, 9, 12], 5, [3, 3]).with_padding(2) },
        G { dilation: [2, 1], stride: [3, 2], ..g([2, 4, 9, 12], 5, [3, 2]).with_padding(1) },
        G { padding: [[0, 1], [2, 0]], ..g([2, 6, 5, 6], 7, [2, 4]) },
        G { stride: [1, 2], padding: [[3, 1], [0, 2]], ..g([1, 32, 6, 9], 40, [3, 3]) },
        g([2, 12, 7, 6], 8, [3, 3]).with_groups(4).with_padding(1),
        g([2, 10, 8, 9], 10, [3, 3]).with_groups(10).with_padding(1),
        g([1, 40, 12, 9], 40, [5, 5]).with_groups(40).with_padding(2).with_stride(2),
        g([1, 6, 8, 9], 12, [3, 3]).with_groups(6).with_padding(1),
        g([0, 3, 5, 5], 4, [3, 3]),
        g([1, 2, 4, 4], 3, [1, 1]).with_stride(5),
        g([1, 130, 6, 6], 129, [3, 3]).with_padding(1),
        // One channel
        g([3, 1, 9, 12], 20, [3, 3]).with_padding(1).with_stride(2),
        G { dilation: [2, 1], padding: [[2, 0], [1, 3]], ..g([2, 1, 7, 8], 3, [3, 3]) },
        // Winograd
        g([3, 32, 15, 14], 48, [3, 3]).with_padding(1),
        g([3, 48, 16, 19], 32, [3, 3]),
        G { padding: [[0, 1], [2, 1]], ..g([6, 32, 9, 13], 32, [3, 3]) },
        g([4, 144, 12, 12], 80, [3, 3]).with_padding(1),
        // Winograd by outputs, in several rounds: the limits are lower in tests.
        g([9, 64, 15, 13], 80, [3, 3]).with_padding(1),
        // Winograd with stride 2: even and odd sizes, padding that the input gradient refuses, by tiles and by outputs.
        g([2, 32, 28, 27], 48, [3, 3]).with_padding(1).with_stride(2),
        g([3, 48, 21, 30], 32, [3, 3]).with_stride(2),
        G { padding: [[1, 0], [1, 3]], ..g([5, 32, 15, 17], 32, [3, 3]).with_stride(2) },
        g([4, 64, 27, 26], 80, [3, 3]).with_padding(1).with_stride(2),
        // Strassen: odd and even numbers of rows, chunks of all sizes, several segments; input gradients too.
        g([4, 256, 7, 7], 256, [1, 1]),
        g([1, 640, 14, 14], 256, [1, 1]),
        g([3, 128, 17, 9], 384, [1, 1]),
        g([2, 256, 21, 20], 512, [1, 1]).with_stride(2),
        g([1, 128, 29, 28], 256, [3, 3]).with_padding(1).with_stride(2),
    ]
}

/// `terms` products of numbers in [-1, 1) were added up, by the algorithm that `pass` chooses for `g`.
#[track_caller]
fn assert_close(found: &[f32], expected: &[f64], terms: usize, pass: Pass, g: &G) {
    assert_eq!(found.len(), expected.len());
    let algorithm = Algorithm::choose(pass, g);
    let what = format!("{pass:?} by {algorithm:?} of {g:?}");
    let tolerance = match algorithm {
        Algorithm::Winograd => 5e-6,
        Algorithm::Strassen => 4e-6,
        _ => 2e-6,
    };
    let tolerance = tolerance * (terms as f64).sqrt() + 1e-6;
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        assert!((f as f64 - e).abs() <= tolerance, "{what}: element {i} is {f}, not {e}");
    }
}

#[test]
fn every_algorithm_is_among_the_geometries() {
    for algorithm in Algorithm::ALL {
        for pass in [Pass::Forward, Pass::InputGradient, Pass::WeightGradient] {
            let never = match algorithm {
                Algorithm::SingleChannel => pass == Pass::InputGradient,
                Algorithm::Strassen => pass == Pass::WeightGradient,
                Algorithm::Pairs => true,
                _ => false,
            };
            let found = geometries().iter().any(|g| Algorithm::choose(pass, g) == algorithm);
            assert_ne!(found, never, "{algorithm:?}, {pass:?}");
        }
    }
}

#[test]
fn an_image_does_not_see_its_neighbours() {
    for g in geometries().into_iter().filter(|g| g.batch > 1) {
        let (x, w, image) = (numbers(g.in_len(), 1), numbers(g.weight_len(), 2), g.in_len() / g.batch);
        let forward = |x: &[f32]| {
            let mut y = vec![f32::NAN; g.out_len()];
            super::forward(&g, x, &w, Epilogue::default(), &mut y);
            y
        };
        let mut among_others = numbers(g.in_len(), 5);
        among_others[image..2 * image].copy_from_slice(&x[image..2 * image]);
        let of_image = g.out_len() / g.batch..2 * (g.out_len() / g.batch);
        assert_eq!(forward(&x)[of_image.clone()], forward(&among_others)[of_image], "{g:?}");
    }
}

#[test]
fn all_passes_match_float64_with_any_number_of_threads() {
    for g in geometries() {
        g.validate().unwrap();
        let (x, w, dy) = (numbers(g.in_len(), 1), numbers(g.weight_len(), 2), numbers(g.out_len(), 3));
        let nan = |len| vec![f32::NAN; len];
        let (y, dx, dw) = on_any_threads(|| {
            let (mut y, mut dx, mut dw) = (nan(g.out_len()), nan(g.in_len()), nan(g.weight_len()));
            super::forward(&g, &x, &w, Epilogue::default(), &mut y);
            super::input_gradient(&g, &dy, &w, &mut dx);
            super::weight_gradient(&g, &x, &dy, &mut dw);
            (y, dx, dw)
        });
        assert_close(&y, &oracle::forward(&g, &x, &w), g.kernel_len(), Pass::Forward, &g);
        let terms = g.weight_len() / g.in_channels;
        assert_close(&dx, &oracle::input_gradient(&g, &dy, &w), terms, Pass::InputGradient, &g);
        let before = numbers(g.in_len(), 4);
        let sum = on_any_threads(|| {
            let mut sum = before.clone();
            super::add_input_gradient(&g, &dy, &w, &mut sum);
            sum
        });
        let mut expected = oracle::input_gradient(&g, &dy, &w);
        expected.iter_mut().zip(&before).for_each(|(e, &b)| *e += b as f64);
        assert_close(&sum, &expected, terms, Pass::InputGradient, &g);
        let terms = g.out_len() / g.out_channels;
        assert_close(&dw, &oracle::weight_gradient(&g, &x, &dy), terms, Pass::WeightGradient, &g);
        let mut db = nan(g.out_channels);
        super::bias_gradient(&g, &dy, &mut db);
        let mut expected = vec![0.0; g.out_channels];
        dy.iter().enumerate().for_each(|(i, &v)| expected[i % g.out_channels] += v as f64);
        assert_close(&db, &expected, terms, Pass::WeightGradient, &g);
    }
}

#[test]
fn epilogue_fits_every_geometry() {
    for g in geometries().into_iter().filter(|g| g.batch > 0) {
        let (x, w) = (numbers(g.in_len(), 1), numbers(g.weight_len(), 2));
        let (bias, add) = (numbers(g.out_channels, 3), numbers(g.out_len(), 4));
        let (mut mean, mut variance) = (vec![f32::NAN; g.out_channels], vec![f32::NAN; g.out_channels]);
        let statistics = Some(ColumnStatistics { mean: &mut mean, variance: &mut variance });
        let mut y = vec![f32::NAN; g.out_len()];
        let epilogue = Epilogue { bias: Some(&bias), add: Some(&add), relu: true, statistics };
        super::forward(&g, &x, &w, epilogue, &mut y);
        let mut expected = oracle::forward(&g, &x, &w);
        for (i, e) in expected.iter_mut().enumerate() {
            *e = (*e + bias[i % g.out_channels] as f64 + add[i] as f64).max(0.0);
        }
        assert_close(&y, &expected, g.kernel_len(), Pass::Forward, &g);
        let prepared = PreparedConv2d::new(&g, &w, Some(&bias)).unwrap();
        let mut again = vec![f32::NAN; g.out_len()];
        prepared.forward([g.batch, g.in_height, g.in_width], &x, Some(&add), true, &mut again);
        assert_eq!(y, again, "prepared {g:?}");
        if prepared.adds_in_place() {
            again.copy_from_slice(&add);
            prepared.forward_onto([g.batch, g.in_height, g.in_width], &x, true, &mut again);
            assert_eq!(y, again, "prepared {g:?}, in place");
        }
        for o in 0..g.out_channels {
            let channel: Vec<f64> = expected.iter().skip(o).step_by(g.out_channels).copied().collect();
            let e_mean = channel.iter().sum::<f64>() / channel.len() as f64;
            let e_var = channel.iter().map(|v| (v - e_mean).powi(2)).sum::<f64>() / channel.len() as f64;
            assert!((mean[o] as f64 - e_mean).abs() < 1e-4 * (1.0 + e_mean), "{g:?} {} {e_mean}", mean[o]);
            assert!((variance[o] as f64 - e_var).abs() < 1e-4 * (1.0 + e_var), "{g:?} {}", variance[o]);
        }
    }
}

#[test]
#[should_panic(expected = "conv2d::forward: the weight has 5 elements")]
fn a_wrong_length_is_named() {
    let g = G::new([1, 1, 4, 4], 1, [2, 2]);
    super::forward(&g, &[0.0; 16], &[0.0; 5], Epilogue::default(), &mut [0.0; 9]);
}
