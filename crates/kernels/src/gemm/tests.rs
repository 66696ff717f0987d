use super::*;
use crate::testing::on_any_threads;

/// Small reproducible numbers in [-1, 1).
fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747796405).wrapping_add(2891336453);
    let mut next = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

const SIZES: [(usize, usize, usize); 20] = [
    (1, 1, 1),
    (1, 10, 128),
    (7, 5, 3),
    (6, 16, 32),
    (5, 17, 400),
    (13, 33, 65),
    (97, 8, 9),
    (14, 300, 600),
    (100, 24, 700),
    (64, 128, 784),
    (200, 70, 321),
    (3, 0, 4),
    (0, 3, 4),
    (4, 5, 0),
    (300, 100, 50),
    (64, 784, 128),
    (784, 128, 64),
    (48, 80, 40),
    (60, 512, 1100),
    (0, 64, 700),
];

fn oracle(m: usize, n: usize, k: usize, a: MatrixRef, b: MatrixRef) -> Vec<f64> {
    let at = |x: &MatrixRef, i, j| x.data[i * x.row_stride + j * x.col_stride] as f64;
    let dot = |i, j| (0..k).map(|p| at(&a, i, p) * at(&b, p, j)).sum();
    (0..m * n).map(|e| dot(e / n, e % n)).collect()
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f64], k: usize, what: &str) {
    let tolerance = 1e-6 * (k as f64 + 4.0).sqrt() + 1e-6;
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        assert!((f as f64 - e).abs() <= tolerance * (1.0 + e.abs()), "{what}: element {i} is {f}, not {e}");
    }
}

#[test]
fn every_layout_matches_float64() {
    for (m, n, k) in SIZES {
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let layouts_a = [MatrixRef::row_major(&a, k), MatrixRef { data: &a, row_stride: 1, col_stride: m }];
        let layouts_b = [MatrixRef::row_major(&b, n), MatrixRef { data: &b, row_stride: 1, col_stride: k }];
        for a in layouts_a {
            for b in layouts_b {
                let what = format!("{m}x{n}x{k} {} {}", a.col_stride, b.col_stride);
                let expected = oracle(m, n, k, a, b);
                let mut c = vec![f32::NAN; m * n];
                gemm(m, n, k, a, b, MatrixMut::row_major(&mut c, n), false, Epilogue::default());
                assert_close(&c, &expected, k, &what);
                let c_t = MatrixMut { data: &mut c, row_stride: 1, col_stride: m };
                gemm(m, n, k, a, b, c_t, false, Epilogue::default());
                let back: Vec<f32> = (0..m * n).map(|e| c[e / n.max(1) + e % n.max(1) * m]).collect();
                assert_close(&back, &expected, k, &what);
            }
        }
    }
}

#[test]
fn few_rows_have_the_bits_of_many() {
    // Computed as its transpose, and with terms apart, for which 400 rows are too many.
    for (n, k, exchanged) in [(70, 400, true), (90, 1100, true), (64, 700, false), (64, 1100, false)] {
        let (b, bias) = (numbers(k * n, 2), numbers(n, 3));
        let b = MatrixRef::row_major(&b, n);
        let b = if exchanged { MatrixRef { row_stride: 1, col_stride: k, ..b } } else { b };
        let a = numbers(400 * k, 1);
        let a = MatrixRef::row_major(&a, k);
        for (bias, relu) in [(None, false), (Some(&bias[..]), false), (Some(&bias[..]), true)] {
            let product = |m: usize| {
                let mut c = vec![f32::NAN; m * n];
                let epilogue = Epilogue { bias, relu, ..Default::default() };
                gemm(m, n, k, a, b, MatrixMut::row_major(&mut c, n), false, epilogue);
                c
            };
            let many = on_any_threads(|| product(400));
            for m in [1, 5, 35, 64] {
                assert_eq!(on_any_threads(|| product(m)), many[..m * n], "{m} rows");
            }
        }
    }
}

#[test]
fn operands_may_be_parts_of_larger_ones() {
    // By points, with terms apart, and neither.
    for (m, n, k, rows_of_a) in [(96, 80, 64, false), (30, 64, 700, true), (30, 50, 90, true)] {
        let (a_stride, b_stride) = (if rows_of_a { k } else { m } + 4, n + 10);
        let (a, b) = (numbers(m.max(k) * a_stride, 1), numbers((k - 1) * b_stride + n, 2));
        let a = MatrixRef::row_major(&a, a_stride);
        let a = if rows_of_a { a } else { a.transposed() };
        let b = MatrixRef::row_major(&b, b_stride);
        let c = on_any_threads(|| {
            let mut c = vec![f32::NAN; m * n];
            gemm(m, n, k, a, b, MatrixMut::row_major(&mut c, n), false, Epilogue::default());
            c
        });
        assert_close(&c, &oracle(m, n, k, a, b), k, &format!("{m}x{n}x{k}"));
    }
}

#[test]
fn reading_b_in_place_changes_no_bit() {
    // Columns, distance between rows of B, and whether it is read in place.
    for (n, stride, if_in_l1, otherwise) in [
        (48, 48, true, true),
        (80, 84, true, true),
        (16, 64, true, true),
        (64, 64, false, true),
        (64, 512, false, false),
        (40, 40, false, false),
    ] {
        for (m, k) in [(64, 700), (64, 300), (130, 128), (200, 9)] {
            let in_place = if k <= 128 { if_in_l1 } else { otherwise };
            let (a, b) = (numbers(m * k, 1), numbers((k - 1) * stride + n, 2));
            let b = MatrixRef { data: &b, row_stride: stride, col_stride: 1 };
            let columns = Columns {
                data: b.data,
                segments: &[0],
                segment_len: k,
                columns: n,
                row_stride: stride,
                column_stride: 1,
            };
            assert_eq!(
                Panels::in_place(&columns, m).is_some(),
                in_place && m < 200,
                "{m}x{n}, {stride} apart"
            );
            let a = MatrixRef::row_major(&a, k);
            let expected = oracle(m, n, k, a, b);
            let mut c = vec![f32::NAN; m * n];
            gemm(m, n, k, a, b, MatrixMut::row_major(&mut c, n), false, Epilogue::default());
            assert_close(&c, &expected, k, &format!("{m}x{n}x{k}, {stride} apart"));
            // More rows have B packed.
            let tall: Vec<f32> = a.data.iter().cycle().take(400 * k).copied().collect();
            let mut packed = vec![f32::NAN; 400 * n];
            let tall = MatrixRef::row_major(&tall, k);
            gemm(400, n, k, tall, b, MatrixMut::row_major(&mut packed, n), false, Epilogue::default());
            assert_eq!(c, packed[..m * n]);
        }
    }
}

#[test]
fn strided_output_and_accumulation() {
    let (m, n, k) = (9, 11, 20);
    let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
    let (a, b) = (MatrixRef::row_major(&a, k), MatrixRef::row_major(&b, n));
    let expected = oracle(m, n, k, a, b);
    let mut c = vec![1.0; m * n * 3 + 5];
    let strided = MatrixMut { data: &mut c, row_stride: 3 * n, col_stride: 3 };
    gemm(m, n, k, a, b, strided, true, Epilogue::default());
    let found: Vec<f32> = c.iter().step_by(3).take(m * n).map(|x| x - 1.0).collect();
    assert_close(&found, &expected, k, "stride 3");
    assert!(c.iter().skip(1).step_by(3).all(|&x| x == 1.0));
    let mut c = vec![2.0; m * n];
    gemm(m, n, k, a, b, MatrixMut::row_major(&mut c, n), true, Epilogue::default());
    assert_close(&c.iter().map(|x| x - 2.0).collect::<Vec<_>>(), &expected, k, "accumulate");
}

#[test]
fn epilogue_is_applied_once_and_in_order() {
    for (m, n, k) in [(100, 24, 700), (13, 33, 5), (1, 7, 3), (250, 16, 9)] {
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let (bias, add) = (numbers(n, 3), numbers(m * n, 4));
        let (a, b) = (MatrixRef::row_major(&a, k), MatrixRef::row_major(&b, n));
        let mut expected = oracle(m, n, k, a, b);
        for (i, e) in expected.iter_mut().enumerate() {
            *e = (*e + bias[i % n] as f64 + add[i] as f64).max(0.0);
        }
        let (mut c, mut mean, mut variance) = (vec![f32::NAN; m * n], vec![0.0; n], vec![0.0; n]);
        let statistics = Some(ColumnStatistics { mean: &mut mean, variance: &mut variance });
        let epilogue = Epilogue { bias: Some(&bias), add: Some(&add), relu: true, statistics };
        gemm(m, n, k, a, b, MatrixMut::row_major(&mut c, n), false, epilogue);
        assert_close(&c, &expected, k, "epilogue");
        for j in 0..n {
            let column: Vec<f64> = expected.iter().skip(j).step_by(n).copied().collect();
            let e_mean = column.iter().sum::<f64>() / m as f64;
            let e_var = column.iter().map(|x| (x - e_mean).powi(2)).sum::<f64>() / m as f64;
            assert!((mean[j] as f64 - e_mean).abs() < 1e-4 * (1.0 + e_mean), "mean {} {e_mean}", mean[j]);
            assert!((variance[j] as f64 - e_var).abs() < 1e-4 * (1.0 + e_var), "{} {e_var}", variance[j]);
        }
    }
}

#[test]
fn statistics_survive_a_large_mean() {
    let (m, n) = (1000, 3);
    let a: Vec<f32> = numbers(m, 5).iter().map(|x| 4096.0 + x).collect();
    let b = vec![1.0; n];
    let (mut c, mut mean, mut variance) = (vec![0.0; m * n], vec![0.0; n], vec![0.0; n]);
    let statistics = Some(ColumnStatistics { mean: &mut mean, variance: &mut variance });
    let epilogue = Epilogue { statistics, ..Default::default() };
    let (a_ref, b_ref) = (MatrixRef::row_major(&a, 1), MatrixRef::row_major(&b, n));
    gemm(m, n, 1, a_ref, b_ref, MatrixMut::row_major(&mut c, n), false, epilogue);
    let e_mean = a.iter().map(|&x| x as f64).sum::<f64>() / m as f64;
    let e_var = a.iter().map(|&x| (x as f64 - e_mean).powi(2)).sum::<f64>() / m as f64;
    assert!((variance[1] as f64 / e_var - 1.0).abs() < 1e-3, "{} {e_var}", variance[1]);
}

#[test]
fn batches_may_share_an_operand() {
    let (count, m, n, k) = (5, 4, 6, 7);
    let (a, b) = (numbers(count * m * k, 1), numbers(k * n, 2));
    let mut c = vec![f32::NAN; count * m * n];
    let (a_ref, b_ref) = (MatrixRef::row_major(&a, k), MatrixRef::row_major(&b, n));
    gemm_batched(count, m, n, k, (a_ref, m * k), (b_ref, 0), &mut c, false);
    let expected = oracle(count * m, n, k, a_ref, b_ref);
    assert_close(&c, &expected, k, "batched");
}

#[test]
#[should_panic(expected = "gemm: A is 3x4 with strides 4, 1 and reaches beyond its 11 elements")]
fn a_short_slice_is_named() {
    let (a, b) = (vec![0.0; 11], vec![0.0; 8]);
    let mut c = vec![0.0; 6];
    let (a, b) = (MatrixRef::row_major(&a, 4), MatrixRef::row_major(&b, 2));
    gemm(3, 2, 4, a, b, MatrixMut::row_major(&mut c, 2), false, Epilogue::default());
}
