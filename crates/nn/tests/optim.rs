//! Optimizers and clipping against trajectories that PyTorch computed in float64 (golden/make_optim.py).

use cresset_nn::Param;
use cresset_nn::optim::{
    Adam, AdamOptions, AdamW, Group, NormType, Optimizer, OptimizerStateError, Sgd, SgdOptions,
    clip_grad_norm, clip_grad_value,
};
use cresset_tensor::{Array, Tensor};
use safetensors::SafeTensors;
use serde_json::Value;

const GOLDEN: &[u8] = include_bytes!("golden/optim.safetensors");
const STORED_STEPS: [usize; 5] = [1, 2, 10, 50, 60];

fn cases() -> serde_json::Map<String, Value> {
    let (_, metadata) = SafeTensors::read_metadata(GOLDEN).unwrap();
    let cases = &metadata.metadata().as_ref().unwrap()["cases"];
    serde_json::from_str(cases).unwrap()
}

fn floats(name: &str) -> Vec<f32> {
    let file = SafeTensors::deserialize(GOLDEN).unwrap();
    let view = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn initial() -> Vec<(String, Param)> {
    let param = |name: &str, shape: &[usize]| {
        (name.to_owned(), Param::new(Array::from_vec(floats(&format!("init/{name}")), shape)))
    };
    vec![param("weight", &[5, 3]), param("bias", &[3])]
}

fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= 2e-6 * (1.0 + e.abs()), "{what}[{i}]: found {f}, PyTorch {e}");
    }
}

/// An option: the group's own, else the case's, else the default.
fn option<'a>(case: &'a Value, group: &'a Value, key: &str) -> Option<&'a Value> {
    group.get(key).or_else(|| case["args"].get(key))
}

fn groups<O>(case: &Value, options: impl Fn(&Value) -> O) -> Vec<Group<O>> {
    let whole = serde_json::json!([{"params": ["weight", "bias"]}]);
    let listed = case.get("groups").unwrap_or(&whole).as_array().unwrap().clone();
    let all = initial();
    listed
        .iter()
        .map(|group| Group {
            params: group["params"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| all.iter().find(|(n, _)| n == name.as_str().unwrap()).unwrap())
                .map(|(name, param)| (name.clone(), param.share()))
                .collect(),
            options: options(group),
        })
        .collect()
}

fn build(case: &Value) -> Box<dyn Optimizer> {
    let number = |group: &Value, key: &str, default: f64| {
        option(case, group, key).map_or(default, |v| v.as_f64().unwrap())
    };
    let flag = |group: &Value, key: &str| option(case, group, key).is_some_and(|v| v.as_bool().unwrap());
    let adam = |defaults: AdamOptions| {
        move |group: &Value| AdamOptions {
            lr: number(group, "lr", defaults.lr),
            betas: option(case, group, "betas")
                .map_or(defaults.betas, |b| (b[0].as_f64().unwrap(), b[1].as_f64().unwrap())),
            eps: number(group, "eps", defaults.eps),
            weight_decay: number(group, "weight_decay", defaults.weight_decay),
            amsgrad: flag(group, "amsgrad"),
            maximize: flag(group, "maximize"),
        }
    };
    match case["optimizer"].as_str().unwrap() {
        "SGD" => Box::new(Sgd::with_groups(groups(case, |group| SgdOptions {
            lr: number(group, "lr", 1e-3),
            momentum: number(group, "momentum", 0.0),
            dampening: number(group, "dampening", 0.0),
            weight_decay: number(group, "weight_decay", 0.0),
            nesterov: flag(group, "nesterov"),
            maximize: flag(group, "maximize"),
        }))),
        "Adam" => Box::new(Adam::with_groups(groups(case, adam(AdamOptions::default())))),
        "AdamW" => Box::new(AdamW::with_groups(groups(case, adam(AdamOptions::adamw())))),
        other => panic!("unknown optimizer {other}"),
    }
}

/// The parameters of an optimizer by golden name, whatever the order of its groups.
fn named(optimizer: &dyn Optimizer) -> Vec<(&'static str, Param)> {
    let name = |p: &Param| if p.numel() == 15 { "weight" } else { "bias" };
    optimizer.parameters().into_iter().map(|p| (name(&p), p)).collect()
}

/// Runs steps `from..=to` (counted from 1) on the stored gradients; `check` sees the parameters after each.
fn run(
    case: &Value,
    optimizer: &mut dyn Optimizer,
    steps: std::ops::RangeInclusive<usize>,
    mut check: impl FnMut(usize, &str, &Param),
) {
    let grads = [("weight", floats("grads/weight")), ("bias", floats("grads/bias"))];
    for step in steps {
        for (name, param) in named(optimizer) {
            let all = &grads.iter().find(|(n, _)| *n == name).unwrap().1;
            let n = param.numel();
            let absent = case.get("without_grad").and_then(|w| w.get(name)).is_some_and(|range| {
                (range[0].as_u64().unwrap()..=range[1].as_u64().unwrap()).contains(&(step as u64))
            });
            let grad = Array::from_vec(all[(step - 1) * n..step * n].to_vec(), param.shape());
            param.leaf().set_grad((!absent).then_some(grad));
        }
        if let Some(drop) = case.get("lr_drop").filter(|d| d["step"] == step) {
            let lrs: Vec<f64> =
                optimizer.lrs().iter().map(|lr| lr * drop["factor"].as_f64().unwrap()).collect();
            optimizer.set_lrs(&lrs);
        }
        optimizer.step();
        named(optimizer).iter().for_each(|(name, param)| check(step, name, param));
    }
}

#[test]
fn sixty_steps_are_pytorchs() {
    let cases = cases();
    let mut seen = 0;
    for (name, case) in cases.iter().filter(|(_, case)| case.get("optimizer").is_some()) {
        let mut optimizer = build(case);
        run(case, &mut *optimizer, 1..=60, |step, parameter, param| {
            if STORED_STEPS.contains(&step) {
                let key = format!("{name}/step{step}/{parameter}");
                assert_close(&key, &param.array().to_vec(), &floats(&key));
            }
        });
        for (key, value) in optimizer.state() {
            let key = format!("{name}/state/{key}");
            let value = value.to_dtype(cresset_tensor::DType::F32).to_vec();
            assert_close(&key, &value, &floats(&key));
        }
        seen += 1;
    }
    assert!(seen > 30, "only {seen} trajectories in the golden file");
}

#[test]
fn a_saved_state_goes_on_with_the_same_bits() {
    for (name, case) in cases().iter().filter(|(_, case)| case.get("optimizer").is_some()) {
        let mut whole = build(case);
        run(case, &mut *whole, 1..=60, |_, _, _| {});

        let mut first = build(case);
        run(case, &mut *first, 1..=37, |_, _, _| {});
        let mut second = build(case);
        for (from, to) in first.parameters().iter().zip(second.parameters()) {
            to.set(from.array());
        }
        second.load_state(&first.state()).unwrap();
        second.set_lrs(&first.lrs());
        run(case, &mut *second, 38..=60, |_, _, _| {});

        for (a, b) in whole.parameters().iter().zip(second.parameters()) {
            assert_eq!(a.array().to_vec(), b.array().to_vec(), "{name}");
        }
    }
}

#[test]
fn a_foreign_state_is_refused_and_changes_nothing() {
    let mut optimizer = Adam::new(initial(), AdamOptions::default());
    let mut state = optimizer.state();
    state.insert("weight.exp_avg".into(), Array::zeros([5, 3]));
    let missing = optimizer.load_state(&state).unwrap_err();
    assert_eq!(missing, OptimizerStateError::Missing { key: "weight.step".into() });

    let mut sgd = Sgd::new(initial(), SgdOptions { momentum: 0.9, ..Default::default() });
    state.insert("weight.momentum_buffer".into(), Array::zeros([3, 5]));
    assert_eq!(
        sgd.load_state(&state).unwrap_err().to_string(),
        "optimizer state \"weight.momentum_buffer\" is float32 (3, 5), expected float32 (5, 3): was the run made \
         with another model?"
    );
    assert!(sgd.state().is_empty());
}

#[test]
fn clipping_is_pytorchs() {
    for (name, case) in cases().iter().filter(|(_, case)| case.get("optimizer").is_none()) {
        let params: Vec<Param> = initial().into_iter().map(|(_, p)| p).collect();
        let zero = name == "clip_grad_norm.zero";
        for (param, key) in params.iter().zip(["clip/weight", "clip/bias"]) {
            let grad = Array::from_vec(floats(key), param.shape());
            param.leaf().set_grad(Some(if zero { grad.map(|_| 0.0) } else { grad }));
        }
        if let Some(limit) = case["args"].get("clip_value") {
            clip_grad_value(&params, limit.as_f64().unwrap());
        } else {
            let norm_type = match &case["args"]["norm_type"] {
                Value::String(_) => NormType::Max,
                n if n == 1 => NormType::L1,
                _ => NormType::L2,
            };
            let norm = clip_grad_norm(&params, case["args"]["max_norm"].as_f64().unwrap(), norm_type);
            assert_close(name, &[norm as f32], &floats(&format!("{name}/total_norm")));
        }
        for (param, key) in params.iter().zip(["weight", "bias"]) {
            let key = format!("{name}/{key}");
            assert_close(&key, &param.grad().unwrap().to_vec(), &floats(&key));
        }
    }
}

#[test]
fn a_frozen_parameter_stays() {
    let params = initial();
    params[0].1.set_trainable(false);
    let before = params[0].1.array().to_vec();
    let mut optimizer = Sgd::new(
        params.iter().map(|(n, p)| (n.clone(), p.share())).collect(),
        SgdOptions { lr: 1.0, ..Default::default() },
    );
    let loss = params.iter().map(|(_, p)| p.tensor().sum()).reduce(|a, b| a.add(&b)).unwrap();
    loss.backward();
    optimizer.step();
    assert_eq!(params[0].1.array().to_vec(), before);
    assert_ne!(params[1].1.array().to_vec(), floats("init/bias"));
}

#[test]
#[should_panic = "the gradient of parameter \"weight\" was already used by an optimizer step; call zero_grad()"]
fn a_forgotten_zero_grad_is_caught() {
    let params = initial();
    params.iter().for_each(|(name, p)| p.leaf().set_name(name));
    let weight = params[0].1.share();
    let mut optimizer = Sgd::new(params, SgdOptions::default());
    let loss = || weight.tensor().mul(&Tensor::scalar(2.0)).sum();
    loss().backward();
    loss().backward(); // accumulating before a step is fine
    optimizer.step();
    loss().backward();
}
