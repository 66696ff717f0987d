use super::*;
use crate::testing::{assert_close, from_bfloat16, on_any_threads, random, to_bfloat16};

/// (rows, channels), from nothing to several blocks and tasks with ragged ends.
const SIZES: [(usize, usize); 11] = [
    (0, 3),
    (5, 0),
    (1, 1),
    (2, 3),
    (33, 16),
    (100, 31),
    (50, 65),
    (4000, 1),
    (50_001, 3),
    (2500, 64),
    (150, 1030),
];

const EPSILON: f32 = 1e-3;

struct Case {
    rows: usize,
    channels: usize,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
    dy: Vec<f32>,
}

impl Case {
    /// Channel `c` is centred at `c % 7 * 50`, so that careless sums of squares would show.
    fn new((rows, channels): (usize, usize)) -> Self {
        let mut x = random(rows * channels, 1);
        x.iter_mut().enumerate().for_each(|(i, x)| *x += ((i % channels) % 7) as f32 * 50.0);
        Self {
            rows,
            channels,
            x,
            weight: random(channels, 2),
            bias: random(channels, 3),
            residual: random(rows * channels, 4),
            dy: random(rows * channels, 5),
        }
    }

    fn column<'a>(&'a self, of: &'a [f32], c: usize) -> impl Iterator<Item = f64> + 'a {
        (0..self.rows).map(move |r| f64::from(of[r * self.channels + c]))
    }

    fn oracle_statistics(&self) -> (Vec<f64>, Vec<f64>) {
        let n = self.rows as f64;
        let mean: Vec<f64> = (0..self.channels).map(|c| self.column(&self.x, c).sum::<f64>() / n).collect();
        let variance = |c| self.column(&self.x, c).map(|x: f64| (x - mean[c]).powi(2)).sum::<f64>() / n;
        let variance = (0..self.channels).map(variance).collect();
        (mean, variance)
    }
}

#[test]
fn statistics_match_double_precision() {
    for size in SIZES {
        let case = Case::new(size);
        let (mean, variance) = on_any_threads(|| {
            let (mut mean, mut variance) = (vec![9.0; case.channels], vec![9.0; case.channels]);
            statistics(case.rows, &case.x, &mut mean, &mut variance);
            (mean, variance)
        });
        let (expected_mean, expected_variance) = case.oracle_statistics();
        assert_close(&mean, &expected_mean, 1e-7, 1e-6, size);
        assert_close(&variance, &expected_variance, 2e-6, 1e-12, size);
    }
}

#[test]
fn a_constant_far_from_zero_has_no_variance() {
    let x = vec![12345.678f32; 3000 * 5];
    let (mut mean, mut variance) = (vec![0.0; 5], vec![1.0; 5]);
    statistics(3000, &x, &mut mean, &mut variance);
    assert_eq!(mean, vec![12345.678f32; 5]);
    assert!(variance.iter().all(|&v| v < 1e-6), "{variance:?}");
}

#[test]
fn sums_give_the_same_statistics() {
    let (sum, squares) = ([6.0, f64::NAN], [14.0, 1.0]);
    let (mut mean, mut variance) = ([0.0; 2], [0.0; 2]);
    statistics_from_sums(3, &sum, &squares, &mut mean, &mut variance);
    assert_eq!(mean[0], 2.0);
    assert_close(&variance[..1], &[2.0 / 3.0], 1e-7, 0.0, ());
    assert!(mean[1].is_nan() && variance[1].is_nan());
    statistics_from_sums(3, &[3.0], &[2.999_999_9], &mut mean[..1], &mut variance[..1]);
    assert_eq!(variance[0], 0.0);
}

#[test]
fn running_statistics_use_the_unbiased_variance() {
    let (mut mean, mut variance) = ([1.0], [2.0]);
    update_running(5, 0.1, &[3.0], &[4.0], &mut mean, &mut variance);
    assert_close(&mean, &[0.9 + 0.3], 1e-7, 0.0, ());
    assert_close(&variance, &[1.8 + 0.1 * 5.0], 1e-7, 0.0, ());
}

/// `fold` and `normalize` in double precision.
fn oracle_forward(case: &Case, mean: &[f32], variance: &[f32], add: bool, relu: bool) -> Vec<f64> {
    let value = |i: usize| {
        let c = i % case.channels;
        let deviation = (f64::from(variance[c]) + f64::from(EPSILON)).sqrt();
        let normalized = (f64::from(case.x[i]) - f64::from(mean[c])) / deviation;
        let y = normalized * f64::from(case.weight[c]) + f64::from(case.bias[c]);
        let y = y + if add { f64::from(case.residual[i]) } else { 0.0 };
        if relu { y.max(0.0) } else { y }
    };
    (0..case.x.len()).map(value).collect()
}

#[test]
fn normalize_matches_double_precision() {
    for size in SIZES {
        let case = Case::new(size);
        let n = case.channels;
        let (mut mean, mut variance) = (vec![0.0; n], vec![0.0; n]);
        statistics(case.rows, &case.x, &mut mean, &mut variance);
        let (mut scale, mut shift) = (vec![0.0; n], vec![0.0; n]);
        fold(&mean, &variance, EPSILON, Some(&case.weight), Some(&case.bias), &mut scale, &mut shift);
        for (add, relu) in [(false, false), (false, true), (true, false), (true, true)] {
            let residual = add.then_some(&case.residual[..]);
            let (y, in_place) = on_any_threads(|| {
                let mut y = vec![f32::NAN; case.x.len()];
                normalize(&case.x, &scale, &shift, residual, relu, &mut y);
                let mut in_place = case.x.clone();
                normalize_in_place(&mut in_place, &scale, &shift, residual, relu);
                (y, in_place)
            });
            assert_eq!(y, in_place);
            let expected = oracle_forward(&case, &mean, &variance, add, relu);
            // The scale of the rounding is that of the product, which the shift nearly cancels.
            assert_close(&y, &expected, 1e-5, 2e-4, (size, add, relu));
        }
    }
}

#[test]
fn without_weight_and_bias() {
    let (mut scale, mut shift) = ([0.0], [0.0]);
    fold(&[3.0], &[4.0], 0.0, None, None, &mut scale, &mut shift);
    assert_eq!((scale, shift), ([0.5], [-1.5]));
}

/// `dx`, `dweight`, `dbias` in double precision, of a `dy` that the ReLU has let pass.
fn oracle_backward(case: &Case, b: &Backward<'_>, g: &[f32]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let n = case.rows as f64;
    let mut dx = vec![0.0; case.x.len()];
    let (mut dweight, mut dbias) = (vec![], vec![]);
    for c in 0..case.channels {
        let inverse = 1.0 / (f64::from(b.variance[c]) + f64::from(b.epsilon)).sqrt();
        let normalized: Vec<f64> =
            case.column(&case.x, c).map(|x| (x - f64::from(b.mean[c])) * inverse).collect();
        let g: Vec<f64> = case.column(g, c).collect();
        let bias: f64 = g.iter().sum();
        let weight: f64 = g.iter().zip(&normalized).map(|(g, x)| g * x).sum();
        for r in 0..case.rows {
            let correction = match b.mode {
                Mode::Batch => (bias + normalized[r] * weight) / n,
                Mode::Running => 0.0,
            };
            let factor = b.weight.map_or(1.0, |w| f64::from(w[c])) * inverse;
            dx[r * case.channels + c] = factor * (g[r] - correction);
        }
        dweight.push(weight);
        dbias.push(bias);
    }
    (dx, dweight, dbias)
}

#[test]
fn backward_matches_double_precision() {
    for size in SIZES {
        let case = Case::new(size);
        let n = case.channels;
        let (mut mean, mut variance) = (vec![0.0; n], vec![0.0; n]);
        statistics(case.rows, &case.x, &mut mean, &mut variance);
        let (mut scale, mut shift) = (vec![0.0; n], vec![0.0; n]);
        for affine in [false, true] {
            let (weight, bias) = (affine.then_some(&case.weight[..]), affine.then_some(&case.bias[..]));
            fold(&mean, &variance, EPSILON, weight, bias, &mut scale, &mut shift);
            let forward = |add: bool| {
                let mut y = vec![0.0; case.x.len()];
                normalize(&case.x, &scale, &shift, add.then_some(&case.residual[..]), true, &mut y);
                y
            };
            let (plain, added) = (forward(false), forward(true));
            for (relu, mode) in [
                (Relu::None, Mode::Batch),
                (Relu::Recompute, Mode::Batch),
                (Relu::Output(&added), Mode::Batch),
                (Relu::Recompute, Mode::Running),
            ] {
                let (mean, variance) = (&mean, &variance);
                let b = Backward { mean, variance, epsilon: EPSILON, weight, bias, relu, mode };
                check_backward(&case, &b, &plain);
            }
        }
    }
}

fn check_backward(case: &Case, b: &Backward<'_>, plain: &[f32]) {
    let n = case.channels;
    let mask = match b.relu {
        Relu::None => None,
        Relu::Recompute => Some(plain),
        Relu::Output(y) => Some(y),
    };
    let gated = |(i, &dy): (usize, &f32)| if mask.is_some_and(|y| y[i] <= 0.0) { 0.0 } else { dy };
    let g: Vec<f32> = case.dy.iter().enumerate().map(gated).collect();
    let new = || (vec![f32::NAN; n], vec![f32::NAN; n]);
    let run = on_any_threads(|| {
        let (mut dweight, mut dbias) = new();
        let mut dx = case.dy.clone();
        b.run(&case.x, &mut dx, &mut dweight, &mut dbias);
        (dx, dweight, dbias)
    });
    let beside = on_any_threads(|| {
        let (mut dweight, mut dbias) = new();
        let mut dx = case.x.clone();
        b.run_beside(&mut dx, &case.dy, &mut dweight, &mut dbias);
        (dx, dweight, dbias)
    });
    let (with_residual, residual) = on_any_threads(|| {
        let (mut dweight, mut dbias) = new();
        let (mut dx, mut dy) = (case.x.clone(), case.dy.clone());
        b.run_with_residual(&mut dx, &mut dy, &mut dweight, &mut dbias);
        ((dx, dweight, dbias), dy)
    });
    assert_eq!(run, beside);
    assert_eq!(run, with_residual);
    assert_eq!(residual, g);
    let (dx, dweight, dbias) = oracle_backward(case, b, &g);
    let context = (case.rows, n, b.mode, b.relu.name());
    let root = (case.rows as f64).sqrt();
    assert_close(&run.0, &dx, 1e-5, 1e-5, context);
    assert_close(&run.1, &dweight, 1e-6, 2e-6 * root, context);
    assert_close(&run.2, &dbias, 1e-6, 2e-6 * root, context);
}

impl Relu<'_> {
    fn name(&self) -> &'static str {
        match self {
            Relu::None => "none",
            Relu::Recompute => "recompute",
            Relu::Output(_) => "output",
        }
    }
}

/// Bfloat16 rows give what the same rows give in float32, rounded once.
#[test]
fn bfloat16_is_float32_rounded_once() {
    for size in SIZES {
        let case = Case::new(size);
        let n = case.channels;
        let [x, residual, dy] = [&case.x, &case.residual, &case.dy].map(|v| to_bfloat16(v));
        let [wide_x, wide_residual, wide_dy] = [&x, &residual, &dy].map(|v| from_bfloat16(v));
        let (mut mean, mut variance) = (vec![0.0; n], vec![0.0; n]);
        statistics(case.rows, &wide_x, &mut mean, &mut variance);
        let (weight, bias) = (Some(&case.weight[..]), Some(&case.bias[..]));
        let (mut scale, mut shift) = (vec![0.0; n], vec![0.0; n]);
        fold(&mean, &variance, EPSILON, weight, bias, &mut scale, &mut shift);
        let (mut y, mut wide_y) = (x.clone(), wide_x.clone());
        normalize_in_place(&mut y, &scale, &shift, Some(&residual), true);
        normalize_in_place(&mut wide_y, &scale, &shift, Some(&wide_residual), true);
        assert_eq!(y, to_bfloat16(&wide_y), "{size:?}");
        let mut again = dy.clone();
        normalize(&x, &scale, &shift, Some(&residual), true, &mut again);
        assert_eq!(again, y, "{size:?}");

        let wide_y = from_bfloat16(&y);
        let (mean, variance, mode) = (&mean[..], &variance[..], Mode::Batch);
        let sums = || [vec![f32::NAN; n], vec![f32::NAN; n]];
        let wide = |relu| Backward { mean, variance, epsilon: EPSILON, weight, bias, relu, mode };
        let short = |relu| Backward { mean, variance, epsilon: EPSILON, weight, bias, relu, mode };
        for (wide, short) in [
            (wide(Relu::None), short(Relu::None)),
            (wide(Relu::Recompute), short(Relu::Recompute)),
            (wide(Relu::Output(&wide_y)), short(Relu::Output(&y))),
        ] {
            let ([mut a, mut b], [mut c, mut d]) = (sums(), sums());
            let (mut dx, mut wide_dx) = (dy.clone(), wide_dy.clone());
            short.run(&x, &mut dx, &mut a, &mut b);
            wide.run(&wide_x, &mut wide_dx, &mut c, &mut d);
            assert_eq!(dx, to_bfloat16(&wide_dx), "{size:?}");
            assert_eq!((&a, &b), (&c, &d), "{size:?}");
            let mut dx = x.clone();
            short.run_beside(&mut dx, &dy, &mut a, &mut b);
            assert_eq!(dx, to_bfloat16(&wide_dx), "{size:?}");
            let ([mut dx, mut dr], [mut wide_dx, mut wide_dr]) =
                ([x.clone(), dy.clone()], [wide_x.clone(), wide_dy.clone()]);
            short.run_with_residual(&mut dx, &mut dr, &mut a, &mut b);
            wide.run_with_residual(&mut wide_dx, &mut wide_dr, &mut c, &mut d);
            assert_eq!((dx, dr), (to_bfloat16(&wide_dx), to_bfloat16(&wide_dr)), "{size:?}");
        }
    }
}
