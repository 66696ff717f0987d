//! Files as PyTorch and training scripts make them.

use super::Temp;
use super::pickle_builder::Pickle;
use cresset_nn::StateDict;
use cresset_nn::weights;

fn load(content: Vec<u8>) -> StateDict {
    let temp = Temp::with("model.pth", content);
    weights::load(temp.path()).unwrap().tensors
}

/// Two tensors, `conv.weight` and `conv.bias`, under a prefix.
fn conv(p: Pickle, prefix: &str) -> Pickle {
    p.str(&format!("{prefix}conv.weight"))
        .tensor("0", 4, 0, &[2, 2], &[2, 1])
        .str(&format!("{prefix}conv.bias"))
        .tensor("1", 2, 0, &[2], &[1])
}

const NUMBERS: [(&str, &[f32]); 2] = [("0", &[1.0, 2.0, 3.0, 4.0]), ("1", &[5.0, 6.0])];

#[track_caller]
fn assert_conv(tensors: &StateDict) {
    assert!(tensors.keys().eq(["conv.weight", "conv.bias"]), "{:?}", tensors.keys());
    assert_eq!(tensors["conv.weight"].to_vec(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(tensors["conv.bias"].to_vec(), [5.0, 6.0]);
}

#[test]
fn plain_and_ordered_dicts() {
    assert_conv(&load(Pickle::new().dict(|p| conv(p, "")).archive(&NUMBERS)));
    // An OrderedDict with PyTorch's `_metadata` attribute, as state_dict() returns.
    let p = Pickle::new().class("collections", "OrderedDict").raw(")Rq\x00(");
    let p = conv(p, "").raw("u");
    let p = p.dict(|p| p.str("_metadata").dict(|p| p.str("").dict(|p| p.str("version").int(1)))).raw("b");
    assert_conv(&load(p.archive(&NUMBERS)));
}

#[test]
fn wrappers_and_prefixes_are_removed() {
    for wrapper in ["state_dict", "model", "model_ema", "state_dict_ema", "net"] {
        let p = Pickle::new().dict(|p| {
            p.str("epoch")
                .raw("K\x07")
                .str("best")
                .raw("G")
                .raw(0.5f64.to_be_bytes())
                .str("args")
                .raw("N")
                .str("optimizer")
                .dict(|p| p.str("state").dict(|p| p.int(0).dict(|p| p.str("step").raw("K\x01"))))
                .str("names")
                .raw("](")
                .str("a")
                .str("b")
                .raw("e")
                .str(wrapper)
                .dict(|p| conv(p, "module."))
        });
        assert_conv(&load(p.archive(&NUMBERS)));
    }
    // Averaged weights are preferred, and their counter is none of the model's.
    let p = Pickle::new().dict(|p| {
        p.str("model")
            .dict(|p| p.str("conv.weight").tensor("1", 2, 0, &[2], &[1]))
            .str("model_ema")
            .dict(|p| conv(p.str("n_averaged").tensor("1", 2, 0, &[], &[]), "module._orig_mod."))
    });
    assert_conv(&load(p.archive(&NUMBERS)));
    // A prefix that only some keys have is part of their names.
    let p = Pickle::new().dict(|p| conv(p, "module.").str("fc.bias").tensor("1", 2, 0, &[2], &[1]));
    assert!(load(p.archive(&NUMBERS)).keys().eq(["module.conv.weight", "module.conv.bias", "fc.bias"]));
}

#[test]
fn parameters_views_and_shared_storages() {
    let numbers: [(&str, &[f32]); 1] = [("7", &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])];
    let p = Pickle::new().dict(|p| {
        let p = p.str("parameter").class("torch._utils", "_rebuild_parameter").raw("(");
        p.tensor("7", 8, 0, &[8], &[1])
            .raw([0x88])
            .raw("}tR")
            .str("transposed")
            .tensor("7", 8, 0, &[2, 4], &[1, 2])
            .str("slice")
            .tensor("7", 8, 5, &[3], &[1])
            .str("every other")
            .tensor("7", 8, 1, &[2, 2], &[4, 2])
            .str("repeated")
            .tensor("7", 8, 3, &[2, 3], &[0, 1])
            .str("scalar")
            .tensor("7", 8, 6, &[], &[])
            .str("empty")
            .tensor("7", 8, 8, &[0, 4], &[4, 1])
            .str("whole again")
            .tensor("7", 8, 0, &[4, 2], &[2, 1])
    });
    let t = load(p.archive(&numbers));
    assert_eq!(t["parameter"].to_vec(), numbers[0].1);
    assert_eq!(t["transposed"].to_vec(), [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]);
    assert_eq!(t["slice"].to_vec(), [5.0, 6.0, 7.0]);
    assert_eq!(t["every other"].to_vec(), [1.0, 3.0, 5.0, 7.0]);
    assert_eq!(t["repeated"].to_vec(), [3.0, 4.0, 5.0, 3.0, 4.0, 5.0]);
    assert_eq!(t["scalar"].to_vec(), [6.0]);
    assert_eq!(*t["empty"].shape(), [0, 4]);
    assert_eq!(*t["whole again"].shape(), [4, 2]);
}

#[test]
fn every_storage_type_is_converted() {
    let types: [(&str, &[u8]); 10] = [
        ("HalfStorage", &[0x00, 0xc0]),
        ("BFloat16Storage", &[0x00, 0xc0]),
        ("FloatStorage", &[0, 0, 0, 0xc0]),
        ("DoubleStorage", &[0, 0, 0, 0, 0, 0, 0, 0xc0]),
        ("ByteStorage", &[254]),
        ("CharStorage", &[254]),
        ("ShortStorage", &[0xfe, 0xff]),
        ("IntStorage", &[0xfe, 0xff, 0xff, 0xff]),
        ("LongStorage", &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("BoolStorage", &[1]),
    ];
    let p = Pickle::new().dict(|p| {
        types.iter().fold(p, |p, (class, _)| p.str(class).tensor_of(class, class, 1, 0, &[1], &[1]))
    });
    let names: Vec<String> = types.iter().map(|(class, _)| format!("data/{class}")).collect();
    let entries: Vec<(&str, &[u8])> =
        names.iter().zip(types).map(|(n, (_, bytes))| (n.as_str(), bytes)).collect();
    let t = load(p.archive_of(&entries));
    for float in &types[..4] {
        assert_eq!(t[float.0].to_vec(), [-2.0], "{}", float.0);
    }
    assert_eq!(t["ByteStorage"].to_vec_i64(), [254]);
    for integer in &types[5..9] {
        assert_eq!(t[integer.0].to_vec_i64(), [-2], "{}", integer.0);
    }
    assert_eq!(t["BoolStorage"].to_vec_bool(), [true]);
}

/// What `pickle_protocol=4` writes: frames, memoized short strings, classes from the stack.
#[test]
fn newer_pickle_protocols() {
    let short = |p: Pickle, s: &str| p.raw([0x8c, s.len() as u8]).raw(s).raw([0x94]);
    let p = Pickle(vec![0x80, 4, 0x95, 0, 0, 0, 0, 0, 0, 0, 0]).raw("}").raw([0x94]);
    let p = short(p, "w");
    let p = short(short(p, "torch._utils"), "_rebuild_tensor_v2").raw([0x93, 0x94]).raw("(");
    let p = short(p.raw("("), "storage");
    let p = short(short(p, "torch"), "FloatStorage").raw([0x93, 0x94]);
    let p = short(short(p, "0"), "cpu").raw("K\x02t").raw([0x94]).raw("Q");
    // The sizes are made once and remembered; the strides are remembered sizes.
    let p = p.raw("K\x00K\x01").raw([0x85]).raw("r").raw(300u32.to_le_bytes()).raw("0");
    let p = p.raw("j").raw(300u32.to_le_bytes()).raw("K\x01").raw([0x85, 0x89]);
    let p = p.class("collections", "OrderedDict").raw(")RtRs");
    assert_eq!(load(p.archive(&[("0", &[8.0, 9.0])]))["w"].to_vec(), [8.0]);
}
