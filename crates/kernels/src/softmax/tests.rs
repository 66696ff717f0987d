use super::*;
use crate::testing::{assert_close, on_any_threads, random};

const SIZES: [(usize, usize); 8] = [(0, 3), (3, 0), (1, 1), (4, 2), (64, 10), (7, 33), (3, 1000), (500, 101)];

/// Logarithm of the softmax of each row, in double precision.
fn oracle(columns: usize, x: &[f32]) -> Vec<f64> {
    let row = |x: &[f32]| {
        let max = x.iter().fold(f64::MIN, |m, &x| m.max(f64::from(x)));
        let log = x.iter().map(|&x| (f64::from(x) - max).exp()).sum::<f64>().ln();
        x.iter().map(|&x| f64::from(x) - max - log).collect::<Vec<_>>()
    };
    x.chunks(columns.max(1)).flat_map(row).collect()
}

#[test]
fn forward_matches_double_precision() {
    for (rows, columns) in SIZES {
        for scale in [1.0, 40.0] {
            let x: Vec<f32> = random(rows * columns, 1).iter().map(|x| x * scale).collect();
            let (y, log) = on_any_threads(|| {
                let (mut y, mut log) = (vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]);
                softmax(columns, &x, &mut y);
                log_softmax(columns, &x, &mut log);
                (y, log)
            });
            let expected = oracle(columns, &x);
            assert_close(&log, &expected, 1e-6, 1e-6, (rows, columns));
            let expected: Vec<f64> = expected.iter().map(|x| x.exp()).collect();
            // Relative to the probability, by as much as the rounding of x - max is absolute.
            assert_close(&y, &expected, 1.5e-7 * (4.0 + 4.0 * f64::from(scale)), 1e-37, (rows, columns));
        }
    }
}

#[test]
fn backward_matches_double_precision() {
    for (rows, columns) in SIZES {
        let (x, dy) = (random(rows * columns, 1), random(rows * columns, 2));
        let (dx, dx_log) = on_any_threads(|| {
            let mut y = vec![f32::NAN; x.len()];
            let (mut dx, mut dx_log) = (y.clone(), y.clone());
            softmax(columns, &x, &mut y);
            softmax_backward(columns, &y, &dy, &mut dx);
            log_softmax(columns, &x, &mut y);
            log_softmax_backward(columns, &y, &dy, &mut dx_log);
            (dx, dx_log)
        });
        let p: Vec<f64> = oracle(columns, &x).iter().map(|x| x.exp()).collect();
        let (mut expected, mut expected_log) = (vec![], vec![]);
        for (p, dy) in p.chunks(columns.max(1)).zip(dy.chunks(columns.max(1))) {
            let dot: f64 = p.iter().zip(dy).map(|(p, &dy)| p * f64::from(dy)).sum();
            let sum: f64 = dy.iter().map(|&dy| f64::from(dy)).sum();
            expected.extend(p.iter().zip(dy).map(|(p, &dy)| p * (f64::from(dy) - dot)));
            expected_log.extend(p.iter().zip(dy).map(|(p, &dy)| f64::from(dy) - p * sum));
        }
        assert_close(&dx, &expected, 1e-6, 1e-6, (rows, columns));
        assert_close(&dx_log, &expected_log, 1e-6, 2e-6, (rows, columns));
    }
}

#[test]
fn extremes() {
    let x = [1e30, -1e30, 1e30, f32::NEG_INFINITY, 0.0, 1.0, f32::NAN, 2.0, 3.0];
    let (mut y, mut log) = ([9.0; 9], [9.0; 9]);
    softmax(3, &x, &mut y);
    log_softmax(3, &x, &mut log);
    assert_eq!(y[..3], [0.5, 0.0, 0.5]);
    assert_eq!((y[3], log[3]), (0.0, f32::NEG_INFINITY));
    assert!(y[6..].iter().chain(&log[6..]).all(|y| y.is_nan()));
}
