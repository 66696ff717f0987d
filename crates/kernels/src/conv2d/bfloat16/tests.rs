use super::super::choose::pairs_fit;
use super::super::oracle;
use super::super::tests::{geometries, numbers};
use super::*;
use crate::gemm::ColumnStatistics;
use crate::testing::{from_bfloat16, on_any_threads, to_bfloat16};

/// A number of either kind, and what it should be after `terms` additions and one rounding.
#[track_caller]
fn assert_close(found: &[f32], expected: &[f64], terms: usize, rounding: f64, g: &Conv2dGeometry) {
    assert_eq!(found.len(), expected.len());
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let tolerance = 1e-6 + 5e-6 * (terms as f64).sqrt() + rounding * e.abs();
        assert!((f64::from(f) - e).abs() <= tolerance, "{g:?}: element {i} is {f}, not {e}");
    }
}

/// Half of the distance between two bfloat16 numbers.
const ROUNDING: f64 = 1.0 / 256.0;

#[test]
fn all_passes_match_float64_with_any_number_of_threads() {
    for g in geometries() {
        let [x, dy, before] =
            [(g.in_len(), 1), (g.out_len(), 2), (g.in_len(), 3)].map(|(n, seed)| numbers(n, seed));
        let [x, dy, before] = [x, dy, before].map(|v| to_bfloat16(&v));
        let w = numbers(g.weight_len(), 4);
        let nan = |len| vec![bf16::NAN; len];
        let (y, dx, (sum, dw, db)) = on_any_threads(|| {
            let (mut y, mut dx, mut sum) = (nan(g.out_len()), nan(g.in_len()), before.clone());
            let (mut dw, mut db) = (vec![f32::NAN; g.weight_len()], vec![f32::NAN; g.out_channels]);
            forward(&g, &x, &w, Epilogue::default(), &mut y);
            input_gradient(&g, &dy, &w, &mut dx, false);
            input_gradient(&g, &dy, &w, &mut sum, true);
            weight_gradient(&g, &x, &dy, &mut dw);
            bias_gradient(&g, &dy, &mut db);
            (from_bfloat16(&y), from_bfloat16(&dx), (from_bfloat16(&sum), dw, db))
        });
        let w = from_bfloat16(&to_bfloat16(&w));
        let [x, dy, before] = [x, dy, before].map(|v| from_bfloat16(&v));
        assert_close(&y, &oracle::forward(&g, &x, &w), g.kernel_len(), ROUNDING, &g);
        let terms = g.weight_len() / g.in_channels;
        let mut expected = oracle::input_gradient(&g, &dy, &w);
        assert_close(&dx, &expected, terms, ROUNDING, &g);
        expected.iter_mut().zip(&before).for_each(|(e, &b)| *e += f64::from(b));
        assert_close(&sum, &expected, terms, ROUNDING, &g);
        let terms = g.out_len() / g.out_channels;
        assert_close(&dw, &oracle::weight_gradient(&g, &x, &dy), terms, 0.0, &g);
        let mut expected = vec![0.0; g.out_channels];
        dy.iter().enumerate().for_each(|(i, &v)| expected[i % g.out_channels] += f64::from(v));
        assert_close(&db, &expected, terms, 0.0, &g);
    }
}

/// Also on processors without an instruction for it.
#[test]
fn pairs_match_float64_with_any_number_of_threads() {
    for g in geometries().into_iter().filter(|g| g.batch > 0) {
        let [x, dy, before] =
            [(g.in_len(), 1), (g.out_len(), 2), (g.in_len(), 3)].map(|(n, seed)| numbers(n, seed));
        let [x, dy, before] = [x, dy, before].map(|v| to_bfloat16(&v));
        let w = numbers(g.weight_len(), 4);
        let rounded = from_bfloat16(&to_bfloat16(&w));
        if pairs_fit(Pass::Forward, &g) {
            let y = on_any_threads(|| {
                let mut y = vec![bf16::NAN; g.out_len()];
                implicit_gemm::forward(&g, &x, &w, Pairs, Epilogue::default(), &mut y);
                from_bfloat16(&y)
            });
            assert_close(
                &y,
                &oracle::forward(&g, &from_bfloat16(&x), &rounded),
                g.kernel_len(),
                ROUNDING,
                &g,
            );
        }
        if pairs_fit(Pass::InputGradient, &g) {
            let (dx, sum) = on_any_threads(|| {
                let (mut dx, mut sum) = (vec![bf16::NAN; g.in_len()], before.clone());
                implicit_gemm::input_gradient(&g, &dy, &w, Pairs, &mut dx, false);
                implicit_gemm::input_gradient(&g, &dy, &w, Pairs, &mut sum, true);
                (from_bfloat16(&dx), from_bfloat16(&sum))
            });
            let terms = g.weight_len() / g.in_channels;
            let mut expected = oracle::input_gradient(&g, &from_bfloat16(&dy), &rounded);
            assert_close(&dx, &expected, terms, ROUNDING, &g);
            expected.iter_mut().zip(&before).for_each(|(e, b)| *e += f64::from(b.to_f32()));
            assert_close(&sum, &expected, terms, ROUNDING, &g);
        }
        if pairs_fit(Pass::WeightGradient, &g) {
            let dw = on_any_threads(|| {
                let mut dw = vec![f32::NAN; g.weight_len()];
                implicit_gemm::weight_gradient::<bf16, Pairs>(&g, &x, &dy, &mut dw);
                dw
            });
            let terms = g.out_len() / g.out_channels;
            let expected = oracle::weight_gradient(&g, &from_bfloat16(&x), &from_bfloat16(&dy));
            assert_close(&dw, &expected, terms, 0.0, &g);
        }
    }
}

#[test]
fn epilogue_fits_every_geometry() {
    for g in geometries().into_iter().filter(|g| g.batch > 0) {
        let (x, w) = (to_bfloat16(&numbers(g.in_len(), 1)), numbers(g.weight_len(), 2));
        let (bias, add) = (numbers(g.out_channels, 3), to_bfloat16(&numbers(g.out_len(), 4)));
        let mut y = vec![bf16::NAN; g.out_len()];
        let (mut mean, mut variance) = (vec![f32::NAN; g.out_channels], vec![f32::NAN; g.out_channels]);
        let statistics = Some(ColumnStatistics { mean: &mut mean, variance: &mut variance });
        forward(&g, &x, &w, Epilogue { bias: Some(&bias), add: Some(&add), relu: true, statistics }, &mut y);
        let mut expected = oracle::forward(&g, &from_bfloat16(&x), &from_bfloat16(&to_bfloat16(&w)));
        for (i, e) in expected.iter_mut().enumerate() {
            *e = (*e + f64::from(bias[i % g.out_channels]) + f64::from(add[i].to_f32())).max(0.0);
        }
        assert_close(&from_bfloat16(&y), &expected, g.kernel_len(), ROUNDING, &g);
        let stored: Vec<f64> = y.iter().map(|y| f64::from(y.to_f32())).collect();
        for o in 0..g.out_channels {
            let channel: Vec<f64> = stored.iter().skip(o).step_by(g.out_channels).copied().collect();
            let e_mean = channel.iter().sum::<f64>() / channel.len() as f64;
            let e_var = channel.iter().map(|v| (v - e_mean).powi(2)).sum::<f64>() / channel.len() as f64;
            assert!(
                (f64::from(mean[o]) - e_mean).abs() < 1e-4 * (1.0 + e_mean),
                "{g:?} {} {e_mean}",
                mean[o]
            );
            assert!((f64::from(variance[o]) - e_var).abs() < 1e-4 * (1.0 + e_var), "{g:?} {}", variance[o]);
        }
    }
}
