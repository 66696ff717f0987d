//! Data and weights that are broken or were made to do harm: one line that names the file and the way out, a status
//! that is not zero, and nothing lost.

mod common;

use common::{error, listing, stdout};
use cresset_nn::weights;
use cresset_vision::image::{Image, write_png};
use std::fs;
use std::path::{Path, PathBuf};

/// Two classes of three pictures, `data/<class>/<n>.png`.
fn write_folder(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    for (shade, class) in [(10, "ape"), (200, "bee")] {
        fs::create_dir_all(data.join(class)).unwrap();
        for n in 0..3 {
            let image = Image::filled(16, 16, &[shade, n * 20, 7]);
            write_png(&image, &data.join(class).join(format!("{n}.png"))).unwrap();
        }
    }
    data
}

const TRAIN: [&str; 12] = [
    "train",
    "--data",
    "data",
    "--val-split",
    "0.34",
    "--model",
    "cifar_resnet20",
    "--epochs",
    "1",
    "--batch-size",
    "2",
    "--output-dir",
];

fn train<'a>(run: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&TRAIN[..], &[run], more].concat()
}

/// The contents of every file below a folder.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = listing(folder).into_iter().filter(|path| path.is_file());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// A command that must fail with each of `parts` in its message, and change nothing under `keep`.
fn refused(folder: &Path, keep: &Path, words: &[&str], parts: &[&str]) {
    let before = contents(keep);
    let (status, text) = error(folder, words);
    assert!(status == 1 || status == 2, "{words:?} ended with {status}");
    for part in parts {
        assert!(text.contains(part), "{words:?}: {part:?} is missing in {text:?}");
    }
    assert!(contents(keep) == before, "{words:?} changed something in {}", keep.display());
}

/// A PNG header of any size, and no picture behind it.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let chunk = |kind: &[u8], content: &[u8]| {
        let body = [kind, content].concat();
        [&(content.len() as u32).to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &[1]), chunk(b"IEND", &[])]
        .concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn folders_of_images() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = write_folder(folder);
    stdout(folder, &train("good", &[]));
    let good = folder.join("good");

    fs::create_dir(data.join("cat")).unwrap();
    refused(folder, folder, &train("run", &[]), &["data", "no image in class \"cat\"", "remove the folder"]);
    fs::remove_dir(data.join("cat")).unwrap();

    for (name, bytes, reason) in
        [("zero.jpg", vec![], "empty"), ("bomb.png", claiming(60_000, 60_000), "60000x60000 pixels")]
    {
        fs::write(data.join("bee").join(name), bytes).unwrap();
        let before = contents(&good);
        let output = common::run(folder, &train("run", &["--overwrite"]));
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("error: ") && text.contains(name) && text.contains(reason), "{text}");
        assert!(contents(&good) == before, "an earlier run is as it was");
        stdout(folder, &train("run", &["--overwrite", "--skip-broken"]));
        fs::remove_file(data.join("bee").join(name)).unwrap();
    }
}

#[test]
fn weights_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(folder);
    stdout(folder, &train("good", &[]));

    // What os.system would leave behind if it were called.
    let foreign = include_bytes!("../../nn/tests/golden/pth/foreign_class.pth");
    fs::write(folder.join("foreign.pth"), foreign).unwrap();
    let calls = include_bytes!("../../nn/tests/golden/pth/calls_os_system.pth");
    fs::write(folder.join("calls.pth"), calls).unwrap();
    for (file, parts) in
        [("foreign.pth", ["pickle asks for", "state_dict"]), ("calls.pth", ["system", "state_dict"])]
    {
        let parts = [&[file], &parts[..]].concat();
        refused(folder, folder, &train("run", &["--weights", file]), &parts);
        refused(folder, folder, &["convert", file, "out.safetensors"], &parts);
    }

    // A checkpoint that lacks a tensor, with and without its checksum.
    let good = folder.join("good/best.safetensors");
    let mut file = weights::load(&good).unwrap();
    let missing = file.tensors.keys().find(|key| key.ends_with("conv1.weight")).unwrap().clone();
    file.tensors.shift_remove(&missing);
    weights::save(folder.join("less.safetensors"), &file.tensors, &file.metadata).unwrap();
    let eval = ["eval", "--weights", "less.safetensors", "--data", "data"];
    refused(folder, folder, &eval, &["less.safetensors", "checksum", "another copy"]);
    weights::save(folder.join("plain.safetensors"), &file.tensors, &Default::default()).unwrap();
    // As weights to begin with, it is taken, and what it lacks is named.
    let text = stdout(folder, &train("run", &["--weights", "plain.safetensors"]));
    assert!(text.contains(&missing), "{text}");
}
