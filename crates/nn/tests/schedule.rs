//! Schedules against the learning rates PyTorch sets (golden/make_schedules.py).

use cresset_nn::schedule::{
    Anneal, CosineAnnealingLr, ExponentialLr, LinearLr, MultiStepLr, OneCycleLr, PlateauMode,
    PlateauThreshold, PolynomialLr, ReduceLrOnPlateau, Schedule, StepLr, Warmup,
};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/schedules.json")).unwrap()
}

fn pair(v: &Value) -> [f64; 2] {
    [v[0].as_f64().unwrap(), v[1].as_f64().unwrap()]
}

fn build(spec: &Value) -> Box<dyn Schedule> {
    let number = |key: &str, default: f64| spec.get(key).map_or(default, |v| v.as_f64().unwrap());
    let count = |key: &str| spec[key].as_u64().unwrap();
    match spec["name"].as_str().unwrap() {
        "StepLR" => Box::new(StepLr { step_size: count("step_size"), gamma: number("gamma", 0.1) }),
        "MultiStepLR" => {
            let milestones = spec["milestones"].as_array().unwrap();
            let milestones = milestones.iter().map(|m| m.as_u64().unwrap()).collect();
            Box::new(MultiStepLr { milestones, gamma: number("gamma", 0.1) })
        }
        "ExponentialLR" => Box::new(ExponentialLr { gamma: number("gamma", 0.1) }),
        "CosineAnnealingLR" => {
            Box::new(CosineAnnealingLr { t_max: count("T_max"), eta_min: number("eta_min", 0.0) })
        }
        "PolynomialLR" => {
            Box::new(PolynomialLr { total_iters: count("total_iters"), power: number("power", 1.0) })
        }
        "LinearLR" => Box::new(LinearLr {
            start_factor: number("start_factor", 1.0 / 3.0),
            end_factor: number("end_factor", 1.0),
            total_iters: count("total_iters"),
        }),
        "SequentialLR" => Box::new(Warmup {
            steps: spec["milestones"][0].as_u64().unwrap(),
            start_factor: spec["schedulers"][0]["start_factor"].as_f64().unwrap(),
            then: build(&spec["schedulers"][1]),
        }),
        "OneCycleLR" => Box::new(OneCycleLr {
            pct_start: number("pct_start", 0.3),
            anneal: match spec.get("anneal_strategy") {
                Some(s) if s == "linear" => Anneal::Linear,
                _ => Anneal::Cosine,
            },
            momentum: (spec.get("cycle_momentum") != Some(&Value::Bool(false)))
                .then(|| (number("base_momentum", 0.85), number("max_momentum", 0.95))),
            div_factor: number("div_factor", 25.0),
            final_div_factor: number("final_div_factor", 1e4),
            three_phase: spec.get("three_phase") == Some(&Value::Bool(true)),
            ..OneCycleLr::new(count("total_steps"))
        }),
        other => panic!("unknown schedule {other}"),
    }
}

fn assert_close(what: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 + 1e-9 * expected.abs(), "{what}: {found}, PyTorch {expected}");
}

#[test]
fn every_step_is_pytorchs() {
    let golden = golden();
    let mut seen = 0;
    for (name, case) in golden["cases"].as_object().unwrap() {
        let spec = &case["scheduler"];
        if spec["name"] == "ReduceLROnPlateau" {
            continue;
        }
        let schedule = build(spec);
        let bases = pair(spec.get("max_lr").unwrap_or(&golden["base_lr"]));
        for (step, expected) in case["lr"].as_array().unwrap().iter().enumerate() {
            for (group, expected) in pair(expected).into_iter().enumerate() {
                let lr = schedule.lr(bases[group], step as u64);
                assert_close(&format!("{name}, step {step}, group {group}"), lr, expected);
            }
        }
        match case.get("momentum") {
            None => assert_eq!(schedule.momentum(3), None, "{name}"),
            Some(momenta) => {
                for (step, expected) in momenta.as_array().unwrap().iter().enumerate() {
                    let momentum = schedule.momentum(step as u64).expect("moves the momentum");
                    assert_close(&format!("{name}, momentum at step {step}"), momentum, pair(expected)[0]);
                }
            }
        }
        seen += 1;
    }
    assert!(seen > 20, "only {seen} schedules in the golden file");
}

#[test]
fn plateaus_are_pytorchs() {
    let golden = golden();
    let metrics: Vec<f64> =
        golden["metrics"].as_array().unwrap().iter().map(|m| m.as_f64().unwrap()).collect();
    let mut seen = 0;
    for (name, case) in golden["cases"].as_object().unwrap() {
        let spec = &case["scheduler"];
        if spec["name"] != "ReduceLROnPlateau" {
            continue;
        }
        let number = |key: &str, default: f64| spec.get(key).map_or(default, |v| v.as_f64().unwrap());
        let max = spec.get("mode").is_some_and(|m| m == "max");
        let threshold = number("threshold", 1e-4);
        let mut plateau = ReduceLrOnPlateau {
            mode: if max { PlateauMode::Max } else { PlateauMode::Min },
            factor: number("factor", 0.1),
            patience: number("patience", 10.0) as u64,
            threshold: match spec.get("threshold_mode") {
                Some(mode) if mode == "abs" => PlateauThreshold::Absolute(threshold),
                _ => PlateauThreshold::Relative(threshold),
            },
            cooldown: number("cooldown", 0.0) as u64,
            min_lr: match spec.get("min_lr") {
                Some(Value::Array(list)) => list.iter().map(|v| v.as_f64().unwrap()).collect(),
                other => vec![other.map_or(0.0, |v| v.as_f64().unwrap())],
            },
            eps: number("eps", 1e-8),
            ..Default::default()
        };
        let mut lrs = pair(&golden["base_lr"]).to_vec();
        for (step, expected) in case["lr"].as_array().unwrap().iter().enumerate() {
            for (group, expected) in pair(expected).into_iter().enumerate() {
                assert_close(&format!("{name}, step {step}, group {group}"), lrs[group], expected);
            }
            let metric = metrics[step];
            lrs = plateau.step(if max { 3.0 - metric } else { metric }, &lrs);
        }
        seen += 1;
    }
    assert!(seen > 8, "only {seen} plateaus in the golden file");
}

#[test]
fn a_nan_metric_is_not_an_improvement() {
    let mut plateau = ReduceLrOnPlateau { patience: 0, ..Default::default() };
    assert_eq!(plateau.step(f64::NAN, &[1.0]), [0.1]);
    assert_eq!(plateau.step(5.0, &[0.1]), [0.1]);
}
