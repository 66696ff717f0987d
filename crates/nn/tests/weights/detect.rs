//! What is no file of weights, said by what it is.

use super::{Temp, refusal};
use cresset_nn::weights;

#[test]
fn other_files_are_named() {
    let found = |content: &[u8]| refusal("model.pth", content);
    assert!(found(b"").starts_with("not a file of weights: it is empty; expected .safetensors, or .pth"));
    assert!(found(b"<!DOCTYPE html><title>404").contains("it is a web page; did the download fail?"));
    assert!(found(b"\x1f\x8b\x08\x00rest").contains("compressed with gzip; unpack it first"));
    assert!(found(b"version https://git-lfs.github.com/spec/v1").contains("git lfs pull"));
    assert!(found(b"\x89HDF\r\n\x1a\n").contains("HDF5"));
    assert!(found(b"just some text, longer than eight bytes").contains("its content is of no known kind"));
}

#[test]
fn pytorchs_old_formats_are_refused_with_the_way_out() {
    // The magic number that torch.save(..., _use_new_zipfile_serialization=False) begins with.
    let message = refusal("old.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.");
    assert!(message.contains("before version 1.6"), "{message}");
    assert!(message.contains("torch.save(torch.load(path, weights_only=True), path)"), "{message}");
    let mut tar = vec![0; 512];
    tar[..4].copy_from_slice(b"sys_");
    tar[257..262].copy_from_slice(b"ustar");
    assert!(refusal("tar.pth", tar).contains("before version 1.6"));
}

#[test]
fn missing_files_and_folders_are_named() {
    let temp = Temp::new("nothing.pth");
    let message = weights::load(temp.path()).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: No such file", temp.path().display())), "{message}");
    let message = weights::load(temp.folder.path()).unwrap_err().to_string();
    assert!(message.contains("it is a folder"), "{message}");
}
