//! The module tree: names, modes, copies, state dicts.

use cresset_nn::*;
use cresset_tensor::{Array, DType, Generator, Tensor};

/// Fields in an order of which PyTorch's differs: it lists a module's own parameters before its submodules.
#[derive(Module, Clone)]
struct Block {
    inner: Sequential,
    scale: Param,
    steps: Buffer,
    shift: Option<Param>,
    #[module(name = "0")]
    first: Linear,
    #[module(skip)]
    label: std::path::PathBuf,
    width: usize,
}

#[derive(Module, Clone)]
struct Net {
    blocks: Vec<Block>,
    pair: [Dropout; 2],
    boxed: Box<dyn Layer>,
    absent: Option<Linear>,
}

#[derive(Module, Clone, Debug)]
struct Residual<T> {
    body: T,
    norm: BatchNorm2d,
}

fn block(rng: &mut Generator) -> Block {
    Block {
        inner: Sequential::new().add(BatchNorm1d::new(2)).add(Linear::builder(2, 2).bias(false).build(rng)),
        scale: Param::new(Array::full([2], 1.0)),
        steps: Buffer::new(Array::from_i64(vec![7], [])),
        shift: None,
        first: Linear::new(2, 3, rng),
        label: "block".into(),
        width: 2,
    }
}

fn net() -> Net {
    let rng = &mut Generator::new(3);
    Net {
        blocks: vec![block(rng), block(rng)],
        pair: [Dropout::new(0.1), Dropout::new(0.2)],
        boxed: Box::new(Linear::builder(1, 1).bias(false).build(rng)),
        absent: None,
    }
}

/// The bits of every tensor of the state dict.
fn bits(module: &impl Module) -> Vec<(String, Vec<u32>)> {
    let bits = |a: Array| a.to_dtype(DType::F32).to_vec().iter().map(|v| v.to_bits()).collect();
    module.state_dict().into_iter().map(|(name, a)| (name, bits(a))).collect()
}

#[test]
fn names_are_in_pytorchs_order() {
    let net = net();
    let names: Vec<String> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
    let of_block = ["scale", "inner.0.weight", "inner.0.bias", "inner.1.weight", "0.weight", "0.bias"];
    let expected: Vec<String> = (0..2)
        .flat_map(|i| of_block.map(|name| format!("blocks.{i}.{name}")))
        .chain(["boxed.weight".into()])
        .collect();
    assert_eq!(names, expected);
    assert_eq!(&*net.blocks[1].first.weight.name().unwrap(), "blocks.1.0.weight");

    let keys: Vec<String> = net.blocks[0].state_dict().into_keys().collect();
    assert_eq!(
        keys,
        [
            "scale",
            "steps",
            "inner.0.weight",
            "inner.0.bias",
            "inner.0.running_mean",
            "inner.0.running_var",
            "inner.0.num_batches_tracked",
            "inner.1.weight",
            "0.weight",
            "0.bias",
        ]
    );
    let buffers: Vec<String> = net.blocks[0].named_buffers().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        buffers,
        ["steps", "inner.0.running_mean", "inner.0.running_var", "inner.0.num_batches_tracked"]
    );
    let modules = net.named_modules();
    let named = |i: usize| (modules[i].0.as_str(), modules[i].1);
    assert_eq!(
        [named(0), named(1), named(2), named(3), named(4), named(5)],
        [
            ("", "Net"),
            ("blocks.0", "Block"),
            ("blocks.0.inner", "Sequential"),
            ("blocks.0.inner.0", "BatchNorm1d"),
            ("blocks.0.inner.1", "Linear"),
            ("blocks.0.0", "Linear"),
        ]
    );
    assert_eq!(net.num_parameters(), 2 * (2 + 4 + 4 + 9) + 1);
    net.boxed.parameters()[0].set_trainable(false);
    assert_eq!(net.num_trainable_parameters(), 2 * (2 + 4 + 4 + 9));
    assert_eq!((net.blocks[0].width, net.blocks[0].label.to_str()), (2, Some("block")));
}

#[test]
fn generic_modules_register_their_parts() {
    let rng = &mut Generator::new(0);
    let net = Residual { body: Some(Linear::new(2, 2, rng)), norm: BatchNorm2d::new(1) };
    assert_eq!(net.kind(), "Residual");
    assert_eq!(net.num_parameters(), 6 + 2);
    assert_eq!(net.named_parameters()[0].0, "body.weight");
}

#[test]
fn modes_reach_every_submodule_and_copies_keep_theirs() {
    let mut net = net();
    let modes = |net: &mut Net| {
        let mut modes = Vec::new();
        net.walk_mut(&mut |_, _| {}, &mut |name, mode| modes.push((name.to_owned(), mode.is_training())));
        modes
    };
    let names = ["blocks.0.inner.0", "blocks.1.inner.0", "pair.0", "pair.1"];
    assert_eq!(modes(&mut net), names.map(|n| (n.to_owned(), true)));
    net.eval();
    assert_eq!(modes(&mut net), names.map(|n| (n.to_owned(), false)));
    let mut copy = net.clone();
    net.train();
    assert_eq!(modes(&mut net), names.map(|n| (n.to_owned(), true)));
    assert_eq!(modes(&mut copy), names.map(|n| (n.to_owned(), false)));
}

#[test]
fn apply_reaches_every_submodule() {
    let mut net = net();
    let mut dropouts = 0;
    net.apply(|path, module| {
        dropouts += usize::from(module.kind() == "Dropout");
        if path == "blocks.0.inner" {
            module.eval();
        }
    });
    assert_eq!(dropouts, 2);
    let mut training = Vec::new();
    net.walk_mut(&mut |_, _| {}, &mut |_, mode| training.push(mode.is_training()));
    assert_eq!(training, [false, true, true, true]);
}

#[test]
fn a_copy_shares_nothing() {
    let net = net();
    net.named_modules();
    let before = bits(&net);
    let copy = net.clone();
    assert_eq!(bits(&copy), before);
    for (_, p) in copy.named_parameters() {
        p.update(|a| a.memory_mut().fill(9.0));
    }
    copy.walk(&mut |_, _| {}, &mut |_, _| {}, &mut |_, b| {
        b.set(Array::zeros(b.get().shape()).to_dtype(b.get().dtype()))
    });
    let x = Tensor::ones([2, 2]);
    copy.blocks[0].inner.forward(&x).sum().backward();
    assert_eq!(bits(&net), before);
    assert!(net.parameters().iter().all(|p| p.grad().is_none()));
    assert!(copy.blocks[0].inner.parameters().iter().all(|p| p.grad().is_some()));
    copy.zero_grad();
    assert!(copy.parameters().iter().all(|p| p.grad().is_none()));
}

#[test]
fn shared_parameters_are_listed_once_but_saved_under_both_names() {
    let weight = Param::new(Array::zeros([2, 2]));
    #[derive(Module)]
    struct Tied {
        encoder: Param,
        decoder: Param,
    }
    let tied = Tied { encoder: weight.share(), decoder: weight };
    assert_eq!(tied.num_parameters(), 4);
    assert!(tied.state_dict().keys().eq(["encoder", "decoder"]));
}

#[test]
fn a_state_dict_restores_parameters_and_buffers() {
    let (source, target) = (net(), net());
    for p in source.parameters() {
        p.update(|a| a.memory_mut().fill(0.5));
    }
    source.blocks[0].inner.forward(&Tensor::new([1.0, 2.0, 3.0, 5.0], [2, 2]));
    let state = source.state_dict();
    let report = target.load_state_dict(&state, Strictness::Strict).unwrap();
    assert_eq!(bits(&target), bits(&source));
    assert!(report.loaded.iter().eq(state.keys()) && report.skipped.is_empty());
    let counter = &target.state_dict()["blocks.0.inner.0.num_batches_tracked"];
    assert_eq!(counter.to_vec_i64(), [1]);
    // What is loaded is not shared with where it came from.
    target.boxed.parameters()[0].update(|a| a.memory_mut().fill(7.0));
    assert_eq!(state["boxed.weight"].to_vec(), [0.5]);
}

#[test]
fn a_foreign_state_dict_changes_nothing_and_says_what_is_wrong() {
    let net = net();
    let before = bits(&net);
    let mut state = net.state_dict();
    for a in state.values_mut() {
        *a = Array::zeros(a.shape());
    }
    state.shift_remove("blocks.0.scale");
    state.shift_remove("blocks.1.inner.0.num_batches_tracked");
    state.insert("head.weight".into(), Array::zeros([1]));
    state.insert("boxed.weight".into(), Array::zeros([1, 5]));
    let error = net.load_state_dict(&state, Strictness::Strict).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the weights do not fit the model: 1 missing: blocks.0.scale; 1 unexpected: head.weight; 1 of another \
         shape: boxed.weight is (1, 1) in the model, (1, 5) in the weights (18 of 21 tensors fit; load leniently \
         to take those)"
    );
    assert_eq!(bits(&net), before);

    let report = net.load_state_dict(&state, Strictness::Lenient).unwrap();
    assert_eq!(report.skipped, error.misfits);
    assert_eq!(report.loaded.len(), 18);
    assert_eq!(net.blocks[0].first.weight.array().to_vec(), [0.0; 6]);
    assert_eq!(net.blocks[0].scale.array().to_vec(), [1.0; 2]);
    assert!(report.to_string().starts_with("loaded 18 tensors; skipped 1 missing: blocks.0.scale; "));
}

#[test]
fn weights_of_another_model_are_refused_even_leniently_and_long_lists_are_cut() {
    let net = net();
    let state: StateDict = (0..20).map(|i| (format!("layer{i}.weight"), Array::zeros([1]))).collect();
    let error = net.load_state_dict(&state, Strictness::Lenient).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("20 unexpected: layer0.weight, "), "{message}");
    assert!(message.contains("layer5.weight, … and 14 more"), "{message}");
    assert!(message.ends_with("(0 of 21 tensors fit; are they of another model?)"), "{message}");
    assert!(message.len() < 600, "{message}");
}

#[test]
fn old_files_without_batch_counters_load() {
    let norm = BatchNorm2d::new(2);
    norm.forward(&Tensor::zeros([2, 2, 2, 2]));
    let mut state = norm.state_dict();
    state.shift_remove("num_batches_tracked");
    norm.load_state_dict(&state, Strictness::Strict).unwrap();
    assert_eq!(norm.state_dict()["num_batches_tracked"].to_vec_i64(), [1]);
}
