//! Files that are damaged, or made to do harm.

use super::pickle_builder::{Pickle, archive};
use super::{Temp, refusal};

fn refused(content: Vec<u8>, part: &str) {
    let message = refusal("bad.pth", content);
    assert!(message.contains(part), "expected {part:?} in {message:?}");
}

#[test]
fn foreign_classes_are_refused_by_name() {
    let attack = Pickle::new().class("os", "system").raw("(").str("rm -rf /").raw("tR");
    refused(
        attack.archive(&[]),
        "refused: its pickle asks for `os.system`, which is no part of a state dict; save model.state_dict() alone",
    );
    let model = Pickle::new().class("torchvision.models.resnet", "ResNet").raw(b")\x81}b");
    refused(model.archive(&[]), "`torchvision.models.resnet.ResNet`");
    let from_stack = Pickle::new().str("builtins").str("eval").raw([0x93]);
    refused(from_stack.archive(&[]), "`builtins.eval`");
    // Nothing of a name reaches the terminal but printable characters, and not many of them.
    let odd = Pickle::new().class("\x1b[2Jmodule", &"x".repeat(1000));
    let message = refusal("bad.pth", odd.archive(&[]));
    assert!(message.contains("`\\u{1b}[2Jmodule.xxx") && message.len() < 400, "{message}");
    // A class of its own name in disguise: classes are not called with what they do not expect.
    let misused = Pickle::new().class("torch", "FloatStorage").raw(")R");
    refused(misused.archive(&[]), "a function has the wrong arguments");
    let as_storage = Pickle::new().raw("(").str("module").class("torch", "FloatStorage").raw("tQ");
    refused(as_storage.archive(&[]), "a persistent id is of no storage");
}

#[test]
fn instructions_that_no_state_dict_needs_are_refused() {
    let instance = Pickle::new().raw("(ios\nsystem\n").archive(&[]);
    refused(instance, "the instruction 'i' (0x69), which no state dict needs");
    refused(Pickle::new().raw([0x8f]).archive(&[]), "(0x8f)");
}

#[test]
fn broken_pickles_are_refused() {
    for (program, part) in [
        (&b""[..], "stack underflow"),
        (b"t", "no mark"),
        (b"(\x85", "stack underflow"),
        (b"N(0", "stack underflow"),
        (b"2", "stack underflow"),
        (b"h\x05", "refers to what it never made"),
        (b"X\xff\xff\xff\xffabc", "it ends too early"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc", "it ends too early"),
        (b"cnothing", "a name does not end"),
        (b"NNs", "stack underflow"),
        (b"NNNs", "items are put into what is no dict"),
        (b"}(Nu", "a key without a value"),
        (b"NNR", "it calls what cannot be called"),
        (b"N}b", "something other than a dict has attributes"),
        (b"NN\x93", "a class has no name"),
    ] {
        refused(Pickle::new().raw(program).archive(&[]), part);
    }
}

#[test]
fn tensors_must_lie_in_their_storage() {
    let four: [(&str, &[f32]); 1] = [("0", &[1.0, 2.0, 3.0, 4.0])];
    let one = |count, offset, sizes: &[i64], strides: &[i64]| {
        Pickle::new().dict(|p| p.str("w").tensor("0", count, offset, sizes, strides)).archive(&four)
    };
    refused(one(4, 1, &[4], &[1]), "a tensor reaches beyond its storage");
    refused(one(4, 0, &[2, 2], &[3, 1]), "a tensor reaches beyond its storage");
    refused(one(4, 0, &[2, 2], &[1]), "a tensor reaches beyond its storage");
    refused(one(4, i64::MAX, &[2], &[1]), "a tensor reaches beyond its storage");
    refused(one(4, 0, &[i64::MAX, 2], &[i64::MAX, 1]), "a tensor reaches beyond its storage");
    refused(one(4, 0, &[2], &[-1]), "a tensor has no proper sizes");
    refused(one(4, -1, &[2], &[1]), "a tensor has no proper sizes");
    refused(one(4, 0, &[1; 17], &[1; 17]), "a tensor has no proper sizes");
    refused(one(5, 0, &[5], &[1]), "tensor \"w\": its storage has 16 bytes, expected 20");
    refused(one(4, 0, &[0, i64::MAX, i64::MAX], &[1, 1, 1]), "is too large");
    refused(one(4, 0, &[i64::MAX, i64::MAX, 0], &[1, 1, 1]), "a tensor reaches beyond its storage");
    refused(
        Pickle::new().dict(|p| p.str("w").tensor("../../etc/passwd", 4, 0, &[4], &[1])).archive(&four),
        "the archive has no \"model/data/../../etc/passwd\"",
    );
}

/// Small files must not fill the memory.
#[test]
fn bombs_are_refused() {
    let one: [(&str, &[f32]); 1] = [("0", &[1.0])];
    let expanded = Pickle::new().dict(|p| p.str("w").tensor("0", 1, 0, &[1 << 20, 1 << 20], &[0, 0]));
    refused(expanded.archive(&one), "tensor \"w\" of shape (1048576, 1048576) cannot be in a file of ");
    let many = Pickle::new()
        .dict(|p| (0..64).fold(p, |p, i| p.str(&i.to_string()).tensor("0", 1, 0, &[1 << 18], &[0])));
    refused(many.archive(&one), "cannot be in a file of ");
    let claimed = Pickle::new().dict(|p| p.str("w").tensor("0", 1 << 40, 0, &[1], &[1]));
    refused(claimed.archive(&one), "cannot be in a file of ");

    // Deep nesting and circles: nothing recurses.
    let deep = Pickle::new().dict(|p| p.str("x").raw(vec![b')'; 1]).raw(vec![0x85; 200_000]));
    refused(deep.archive(&[]), "it holds no state dict");
    let circle = Pickle::new().raw("}q\x00(").str("model").raw("h\x00u");
    refused(circle.archive(&[]), "it holds no state dict");
    let large = vec![b'N'; 9 << 20];
    refused(Pickle(large).archive(&[]), "data.pkl claims ");
}

#[test]
fn checkpoints_without_a_state_dict_list_their_keys() {
    let p = Pickle::new().dict(|p| p.str("epoch").raw("K\x01").str("optim").dict(|p| p.str("lr").raw("N")));
    refused(
        p.archive(&[]),
        "it holds no state dict: neither tensors nor one of state_dict_ema, model_ema, state_dict, model among its \
         keys epoch, optim",
    );
    refused(Pickle::new().raw("K\x05").archive(&[]), "torch.save(model.state_dict(), path)");
}

#[test]
fn damaged_and_foreign_archives_are_refused() {
    let whole =
        Pickle::new().dict(|p| p.str("w").tensor("0", 64, 0, &[64], &[1])).archive(&[("0", &[0.25; 64])]);
    for cut in [5, 30, whole.len() / 2, whole.len() - 1] {
        let message = refusal("cut.pth", &whole[..cut]);
        assert!(message.starts_with("damaged: "), "{cut}: {message}");
    }
    // A flipped bit in the numbers.
    let place = whole.windows(4).position(|w| w == 0.25f32.to_le_bytes()).unwrap();
    let mut flipped = whole.clone();
    flipped[place + 9] ^= 1;
    refused(flipped, "damaged: tensor \"w\"");

    let entry = |name: &str| (name.to_owned(), &b"x"[..]);
    refused(
        archive(&[entry("docs/readme.txt")]),
        "a zip archive without the data.pkl that torch.save writes",
    );
    refused(
        archive(&[entry("m/code/net.py"), entry("m/constants.pkl"), entry("m/data.pkl")]),
        "a TorchScript program, not weights",
    );
    let big = Pickle::new().dict(|p| p).archive_of(&[("byteorder", b"big")]);
    refused(big, "written on a big-endian machine");
}

/// Any byte of a good file changed, and any length of it: never a panic, and never a hang.
#[test]
fn mutations_never_panic() {
    let whole = Pickle::new()
        .dict(|p| p.str("w").tensor("0", 4, 0, &[2, 2], &[2, 1]).str("b").tensor("0", 4, 1, &[2], &[2]))
        .archive(&[("0", &[1.0, 2.0, 3.0, 4.0])]);
    let file = Temp::new("mutated.pth");
    let mut rng = cresset_tensor::Generator::new(5);
    for _ in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..=rng.below(2) {
            let place = rng.below(bytes.len() as u64) as usize;
            bytes[place] = rng.below(256) as u8;
        }
        bytes.truncate(bytes.len() - rng.below(4) as usize);
        std::fs::write(file.path(), &bytes).unwrap();
        let _ = cresset_nn::weights::load(file.path());
    }
}
