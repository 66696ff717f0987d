//! PyTorch's files in all their flavours, harmless and hostile: golden/pth, made by golden/make_pth.py.

use super::assert_same;
use cresset_nn::{StateDict, weights};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pth")
}

#[test]
fn every_flavour_is_read_or_refused_by_name() {
    let expected = weights::load(folder().join("expected.safetensors")).unwrap();
    let files: Value = serde_json::from_str(&expected.metadata["files"]).unwrap();
    let mut wrong = Vec::new();
    for (name, about) in files.as_object().unwrap() {
        let found = weights::load(folder().join(name)).map(|w| w.tensors).map_err(|e| e.to_string());
        match (found, about["refused"].as_str()) {
            (Ok(found), None) => {
                let set = about["tensors"].as_str().unwrap();
                let keys = about["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
                let named =
                    keys.map(|key| (key.to_owned(), expected.tensors[&format!("{set}/{key}")].clone()));
                let named: StateDict = named.collect();
                eprintln!("{name}"); // seen where the comparison fails
                assert_same(&found, &named);
            }
            (Err(message), Some(_)) => {
                let names = about["names"].as_str().unwrap();
                if !message.contains(names) {
                    wrong.push(format!("{message} (nothing of {names})"));
                }
            }
            (Ok(_), Some(why)) => wrong.push(format!("{name} was read, but contains {why}")),
            (Err(message), None) => wrong.push(message),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
