//! Files of weights: what is written is read back, PyTorch's files are understood, hostile ones are refused.

mod detect;
mod golden;
mod pickle_builder;
mod pth;
mod pth_hostile;
mod safetensors;
mod torch;

use cresset_nn::StateDict;
use cresset_nn::weights::{self, Metadata, WeightsError};
use cresset_tensor::{Array, DType};
use std::path::PathBuf;

/// A file of this content, in a folder that goes with it.
struct Temp {
    folder: tempfile::TempDir,
    name: &'static str,
}

impl Temp {
    fn new(name: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), name }
    }

    fn with(name: &'static str, content: impl AsRef<[u8]>) -> Self {
        let temp = Self::new(name);
        std::fs::write(temp.path(), content).unwrap();
        temp
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }
}

/// The message after the path, of a file that must be refused.
fn refusal(name: &'static str, content: impl AsRef<[u8]>) -> String {
    let file = Temp::with(name, content);
    let error: WeightsError = weights::load(file.path()).expect_err("a refusal");
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message.strip_prefix(&format!("{}: ", file.path().display())).expect("the path first").to_owned()
}

/// One tensor of each type, and shapes that are easily mistaken.
fn sample() -> StateDict {
    let images = Array::from_vec((0..24).map(|v| v as f32 - 7.5).collect(), [2, 3, 2, 2]);
    [
        ("conv.weight", images.channels_last()),
        ("conv.bias", Array::from_vec(vec![f32::MIN_POSITIVE, -0.0], [2])),
        ("bn.num_batches_tracked", Array::from_i64(vec![i64::MIN], [])),
        ("scale", Array::scalar(std::f32::consts::PI)),
        ("mask", Array::from_bools(vec![true, false, true], [3, 1])),
        ("empty", Array::zeros([0, 3])),
        ("ünïcode \"quoted\"", Array::from_vec(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2])),
    ]
    .map(|(name, array)| (name.to_owned(), array))
    .into()
}

fn metadata() -> Metadata {
    [("model", "cnn"), ("classes", "zero\none\t\"two\"")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

#[track_caller]
fn assert_same(found: &StateDict, expected: &StateDict) {
    assert!(found.keys().eq(expected.keys()), "{:?} and {:?}", found.keys(), expected.keys());
    for (name, expected) in expected {
        let found = &found[name];
        assert_eq!((found.dtype(), found.shape()), (expected.dtype(), expected.shape()), "{name}");
        match expected.dtype() {
            DType::F32 | DType::BF16 => {
                let bits = |a: &Array| a.to_vec().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(found), bits(expected), "{name}");
            }
            DType::I64 => assert_eq!(found.to_vec_i64(), expected.to_vec_i64(), "{name}"),
            DType::Bool => assert_eq!(found.to_vec_bool(), expected.to_vec_bool(), "{name}"),
        }
    }
}

#[test]
fn what_is_saved_is_loaded() {
    for name in ["model.safetensors", "model.pth", "model.pt"] {
        let file = Temp::new(name);
        weights::save(file.path(), &sample(), &metadata()).unwrap();
        let loaded = weights::load(file.path()).unwrap();
        assert_same(&loaded.tensors, &sample());
        assert_eq!(loaded.metadata, metadata());
        // The same weights make the same bytes.
        let bytes = std::fs::read(file.path()).unwrap();
        weights::save(file.path(), &loaded.tensors, &loaded.metadata).unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), bytes);

        weights::save(file.path(), &StateDict::new(), &Metadata::new()).unwrap();
        assert!(weights::load(file.path()).unwrap().tensors.is_empty());
    }
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let file = Temp::new("model.safetensors");
    weights::save(file.path(), &sample(), &metadata()).unwrap();
    let before = std::fs::read(file.path()).unwrap();
    let failed = weights::write_atomically(&file.path(), |writer| {
        std::io::Write::write_all(writer, b"half of it")?;
        Err(std::io::Error::other("disk full"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "disk full");
    assert_eq!(std::fs::read(file.path()).unwrap(), before);
    assert_eq!(std::fs::read_dir(file.folder.path()).unwrap().count(), 1, "nothing is left beside it");

    let nowhere = file.folder.path().join("no/such/folder/model.pth");
    let message = weights::save(&nowhere, &sample(), &metadata()).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: ", nowhere.display())), "{message}");
    let odd = weights::save(file.folder.path().join("model.onnx"), &sample(), &metadata()).unwrap_err();
    assert!(odd.to_string().ends_with("a name that ends in .safetensors, .pth or .pt"), "{odd}");
}
