use super::*;
use crate::testing::{assert_close, on_any_threads, random};

const START: [f32; 5] = [1.0, -0.5, 0.25, 2.0, -3.0];

/// A gradient that PyTorch can be given too: `sin(0.7 step + 1.3 i) + 0.1 p`.
fn gradient(step: u64, p: &[f32]) -> Vec<f32> {
    let wave = |i: usize| (0.7 * step as f64 + 1.3 * i as f64).sin() as f32;
    p.iter().enumerate().map(|(i, p)| wave(i) + 0.1 * p).collect()
}

const SGD: Sgd =
    Sgd { lr: 0.02, momentum: 0.9, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false };

/// The parameters of `torch.optim.SGD` (2.11) after 60 steps.
#[test]
fn sgd_follows_pytorch() {
    let cases = [
        (
            Sgd { lr: 0.05, momentum: 0.0, ..SGD },
            [0.685573816, -0.29622665, 0.279290974, 1.457028627, -2.327577591],
        ),
        (
            Sgd { lr: 0.05, momentum: 0.0, weight_decay: 0.01, maximize: true, ..SGD },
            [1.403746486, -0.730153143, 0.192288682, 2.621682167, -3.790723085],
        ),
        (SGD, [0.150739372, -0.127767175, 0.228664815, 0.653233588, -1.006329536]),
        (
            Sgd { dampening: 0.3, weight_decay: 0.01, ..SGD },
            [0.265296519, -0.214759409, 0.23607488, 0.895902932, -1.308097243],
        ),
        (
            Sgd { nesterov: true, weight_decay: 0.01, ..SGD },
            [0.126012549, -0.081424855, 0.216015175, 0.544150472, -0.895539165],
        ),
        (
            Sgd { momentum: 0.8, dampening: 0.5, maximize: true, ..SGD },
            [1.471113443, -0.616585612, 0.205918834, 2.533628702, -3.9024086],
        ),
    ];
    for (options, expected) in cases {
        let (mut p, mut momentum) = (START, [f32::NAN; 5]);
        for step in 1..=60 {
            let g = gradient(step, &p);
            sgd(&options, step == 1, &g, &mut p, (options.momentum != 0.0).then_some(&mut momentum));
        }
        assert_close(&p, &expected, 2e-6, 1e-6, options);
    }
}

const ADAM: Adam = Adam {
    lr: 0.02,
    betas: (0.9, 0.999),
    epsilon: 1e-8,
    weight_decay: 0.0,
    decoupled: false,
    maximize: false,
};

/// The parameters of `torch.optim.Adam` and `AdamW` (2.11) after 60 steps.
#[test]
fn adam_follows_pytorch() {
    let cases = [
        (ADAM, false, [0.757157266, -0.443902701, 0.322988302, 1.770605326, -2.597066641]),
        (
            Adam { betas: (0.8, 0.95), epsilon: 1e-3, weight_decay: 0.05, ..ADAM },
            false,
            [0.719826043, -0.405290723, 0.287100524, 1.645014405, -2.441003561],
        ),
        (
            Adam { weight_decay: 0.05, ..ADAM },
            true,
            [0.700614631, -0.407856792, 0.298754454, 1.646384954, -2.423359156],
        ),
        (
            Adam { weight_decay: 0.1, decoupled: true, ..ADAM },
            false,
            [0.668046176, -0.392276973, 0.287471563, 1.566144824, -2.296914101],
        ),
        (
            Adam { weight_decay: 0.1, decoupled: true, maximize: true, betas: (0.4, 0.9), ..ADAM },
            true,
            [1.088093042, -0.537166417, 0.164011657, 2.039046288, -3.018139362],
        ),
    ];
    for (options, amsgrad, expected) in cases {
        let (mut p, mut m, mut v, mut largest) = (START, [0.0; 5], [0.0; 5], [0.0; 5]);
        for step in 1..=60 {
            let g = gradient(step, &p);
            adam(&options, step, &g, &mut p, &mut m, &mut v, amsgrad.then_some(&mut largest));
        }
        assert_close(&p, &expected, 2e-6, 1e-6, options);
    }
}

/// Long slices go through blocks and threads, short ones do not: elements must not know.
#[test]
fn elements_do_not_depend_on_their_place() {
    let len = 50_003;
    let (g, start) = (random(len, 1), random(len, 2));
    let options = Adam { weight_decay: 0.1, ..ADAM };
    let adam_on = |g: &[f32], p: &mut [f32]| {
        let (mut m, mut v, mut l) = (vec![0.0; p.len()], vec![0.0; p.len()], vec![0.0; p.len()]);
        (1..4).for_each(|step| adam(&options, step, g, p, &mut m, &mut v, Some(&mut l)));
    };
    let sgd_on = |g: &[f32], p: &mut [f32]| {
        let mut momentum = vec![f32::NAN; p.len()];
        (1..4).for_each(|step| sgd(&SGD, step == 1, g, p, Some(&mut momentum)));
    };
    for update in [&adam_on as &(dyn Fn(&[f32], &mut [f32]) + Sync), &sgd_on] {
        let together = on_any_threads(|| {
            let mut p = start.clone();
            update(&g, &mut p);
            p
        });
        let mut apart = start.clone();
        apart.chunks_mut(7).zip(g.chunks(7)).for_each(|(p, g)| update(g, p));
        assert_eq!(together, apart);
    }
}

#[test]
fn lerp_is_exact_at_both_ends() {
    let x = random(1000, 3);
    let start = random(1000, 4);
    for weight in [0.0, 0.001, 0.4, 0.6, 1.0] {
        let mut average = start.clone();
        lerp(weight, &x, &mut average);
        let w = f64::from(weight);
        let mixed = |(&a, &x): (&f32, &f32)| f64::from(a) + w * (f64::from(x) - f64::from(a));
        let expected: Vec<f64> = start.iter().zip(&x).map(mixed).collect();
        let tolerance = if weight == 0.0 || weight == 1.0 { 0.0 } else { 3e-7 };
        assert_close(&average, &expected, 0.0, tolerance, weight);
    }
}
