//! CIFAR in its binary and python forms, unpacked and as archives.

mod common;

use std::path::{Path, PathBuf};

use common::{gzip, write};
use cresset_vision::datasets::cifar::{CIFAR10, CIFAR100};
use cresset_vision::datasets::download::Fetch;
use cresset_vision::datasets::{Dataset, InMemory, Split};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cifar")
}

/// Picture number n holds the bytes n, n + 1, n + 2, ... in planes, as `golden/make_cifar.py` makes them.
fn planes(n: usize) -> Vec<u8> {
    (0..3072).map(|at| (at + n) as u8).collect()
}

fn check(data: &InMemory, numbers: impl ExactSizeIterator<Item = usize>) {
    assert_eq!((data.len(), data.shape()), (numbers.len(), [32, 32, 3]));
    for (index, n) in numbers.enumerate() {
        let sample = data.sample(index).unwrap();
        assert_eq!(sample.label, n as i64 % 10);
        let planes = planes(n);
        for at in [0, 1, 33, 1023] {
            let pixel = [planes[at], planes[at + 1024], planes[at + 2048]];
            assert_eq!(sample.image.pixels()[at * 3..at * 3 + 3], pixel);
        }
    }
}

fn load(dir: &Path, split: Split) -> Result<InMemory, String> {
    CIFAR10.load(dir, split, &Fetch::default()).map_err(|e| e.to_string())
}

fn tar_gz(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

fn binary_files() -> Vec<(String, Vec<u8>)> {
    let name = |batch: usize| {
        if batch < 5 { format!("data_batch_{}.bin", batch + 1) } else { "test_batch.bin".into() }
    };
    let mut files: Vec<(String, Vec<u8>)> = (0..6)
        .map(|batch| {
            let record = |n: usize| [vec![n as u8 % 10], planes(n)].concat();
            (
                format!("cifar-10-batches-bin/{}", name(batch)),
                [record(2 * batch), record(2 * batch + 1)].concat(),
            )
        })
        .collect();
    let names = (0..10).map(|n| format!("class {n}\n")).collect::<String>() + "\n";
    files.push(("cifar-10-batches-bin/batches.meta.txt".into(), names.into_bytes()));
    files
}

#[test]
fn python_batches_read_as_pickled_by_python_2() {
    check(&load(&golden(), Split::Train).unwrap(), 0..10);
    let test = load(&golden(), Split::Test).unwrap();
    check(&test, 10..12);
    assert_eq!((test.classes()[0].as_str(), test.classes()[9].as_str()), ("airplane", "truck"));
}

#[test]
fn archives_and_folders_of_both_forms_agree() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("a/cifar-10-binary.tar.gz"), &tar_gz(&binary_files()));
    for (path, bytes) in binary_files() {
        write(dir.path().join("b").join(path), &bytes);
    }
    let python = std::fs::read_dir(golden().join("cifar-10-batches-py")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (format!("cifar-10-batches-py/{name}"), std::fs::read(entry.path()).unwrap())
    });
    write(dir.path().join("c/cifar-10-python.tar.gz"), &tar_gz(&python.collect::<Vec<_>>()));
    for form in ["a", "b", "c"] {
        check(&load(&dir.path().join(form), Split::Train).unwrap(), 0..10);
        check(&load(&dir.path().join(form), Split::Test).unwrap(), 10..12);
    }
}

#[test]
fn a_hundred_classes_take_the_fine_label() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cifar-100-binary");
    write(folder.join("train.bin"), &[vec![3, 77], planes(5)].concat());
    write(
        folder.join("fine_label_names.txt"),
        (0..100).map(|n| format!("class {n}\n")).collect::<String>().as_bytes(),
    );
    let data = CIFAR100.load(dir.path(), Split::Train, &Fetch::default()).unwrap();
    assert_eq!((data.len(), data.label(0).unwrap(), data.classes()[77].as_str()), (1, 77, "class 77"));
}

#[test]
fn damaged_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let message = load(dir.path(), Split::Test).unwrap_err();
    assert!(message.contains("put cifar-10-binary.tar.gz or cifar-10-python.tar.gz into"), "{message}");

    let files = binary_files();
    for (path, bytes) in &files {
        write(dir.path().join(path), bytes);
    }
    let folder = dir.path().join("cifar-10-batches-bin");
    write(folder.join("test_batch.bin"), &files[5].1[1..]);
    let message = load(dir.path(), Split::Test).unwrap_err();
    assert!(message.contains("test_batch.bin: found 6145 bytes, expected a multiple of 3073"), "{message}");
    write(folder.join("test_batch.bin"), &[vec![10], planes(0)].concat());
    assert!(load(dir.path(), Split::Test).unwrap_err().contains("label 10 of sample 0 is none of the 10"));
    write(folder.join("batches.meta.txt"), b"one\ntwo\n");
    assert!(load(dir.path(), Split::Train).unwrap_err().contains("names 2 classes, expected 10"));
    std::fs::remove_file(folder.join("data_batch_3.bin")).unwrap();
    assert!(load(dir.path(), Split::Train).unwrap_err().contains("data_batch_3.bin"));

    let archive = tempfile::tempdir().unwrap();
    let path = archive.path().join("cifar-10-binary.tar.gz");
    let whole = tar_gz(&files);
    for bytes in [&whole[..whole.len() / 2], b"", b"no archive"] {
        write(&path, bytes);
        assert!(load(archive.path(), Split::Train).is_err());
    }
    write(&path, &tar_gz(&files[1..]));
    assert!(load(archive.path(), Split::Train).unwrap_err().contains("there is no data_batch_1.bin in it"));

    let python = tempfile::tempdir().unwrap();
    let folder = python.path().join("cifar-10-batches-py");
    write(folder.join("test_batch"), b"\x80\x02cposix\nsystem\nq\x00.");
    let message = load(python.path(), Split::Test).unwrap_err();
    assert!(message.contains("it asks for posix.system, which no CIFAR file needs"), "{message}");
}
