//! Image folders, their archives, and what `--data` makes of names and paths.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{gzip, shared_data, write};
use cresset_vision::datasets::{ChannelStats, DataOptions, Dataset, ImageFolder, Splits, open, stats};
use cresset_vision::image::{Color, Image, write_png};
use cresset_vision::loader::{DataLoader, LoaderOptions};
use cresset_vision::transforms::Compose;

fn picture(path: impl AsRef<Path>, shade: u8) {
    let path = path.as_ref();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_png(&Image::filled(4, 4, &[shade, 10, 20]), path).unwrap();
}

fn folder(root: &Path) -> Result<ImageFolder, String> {
    ImageFolder::open(root, Color::Rgb).map_err(|e| e.to_string())
}

fn opened(data: &Path) -> Result<Splits, String> {
    open(&data.display().to_string(), &DataOptions::default()).map_err(|e| e.to_string())
}

fn shades(data: &dyn Dataset) -> Vec<(u8, i64)> {
    let sample = |index| data.sample(index).unwrap();
    (0..data.len()).map(|index| (sample(index).image.pixels()[0], sample(index).label)).collect()
}

#[test]
fn classes_and_files_are_sorted_and_the_rest_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    picture(root.join("zebra/1.png"), 1);
    picture(root.join("ape/b.PNG"), 2);
    picture(root.join("ape/a.png"), 3);
    picture(root.join("ape/deeper/still/c.png"), 4);
    picture(root.join("ape/.hidden.png"), 9);
    picture(root.join(".cache/x.png"), 9);
    write(root.join("ape/notes.txt"), b"not a picture");
    write(root.join("README.md"), b"not a class");
    let data = folder(root).unwrap();
    assert_eq!(data.classes(), ["ape", "zebra"]);
    assert_eq!(shades(&data), [(3, 0), (2, 0), (4, 0), (1, 1)]);
    assert!(data.path(3).unwrap().ends_with("zebra/1.png") && data.describe(3).contains("zebra"));
}

#[test]
fn empty_and_unknown_classes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    assert!(folder(&root.join("nowhere")).unwrap_err().contains("cannot list"));
    assert!(folder(root).unwrap_err().contains("no class folders in it"));
    picture(root.join("train/ape/1.png"), 1);
    write(root.join("train/cat/.keep"), b"");
    let message = folder(&root.join("train")).unwrap_err();
    assert!(message.contains("no image in class \"cat\"; add images (jpg,"), "{message}");
    picture(root.join("train/cat/1.png"), 2);
    picture(root.join("val/cat/1.png"), 3);
    // A class that validation lacks shifts no number.
    let splits = opened(root).unwrap();
    assert_eq!(shades(splits.val.unwrap().as_ref()), [(3, 1)]);
    picture(root.join("val/dog/1.png"), 4);
    let message = opened(root).unwrap_err();
    assert!(message.contains("val: class \"dog\" is not among the 2 classes"), "{message}");
}

#[test]
fn broken_pictures_are_reported_by_path_or_skipped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for n in 0..8 {
        picture(root.join(format!("a/{n}.png")), n);
    }
    write(root.join("a/3.png"), b"");
    write(root.join("a/5.png"), b"text");
    let data: Arc<dyn Dataset> = Arc::new(folder(root).unwrap());
    let loader = |skip_broken| {
        let options = LoaderOptions { batch_size: 3, skip_broken, ..Default::default() };
        DataLoader::new(Arc::clone(&data), Compose::new().to_tensor(), options).unwrap()
    };
    let message = loader(false).epoch(0).find_map(|batch| batch.err()).unwrap().to_string();
    assert!(message.contains("3.png: not a readable image: the file is empty"), "{message}");
    let skipping = loader(true);
    assert_eq!(skipping.epoch(0).map(|batch| batch.unwrap().len()).sum::<usize>(), 6);
    let broken = skipping.broken();
    assert_eq!(broken.iter().map(|b| b.0).collect::<Vec<_>>(), [3, 5]);
    assert!(broken[1].1.contains("5.png"));
}

#[test]
fn archives_are_folders() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("unpacked");
    for (n, name) in ["train/b/1.png", "train/b/2.png", "train/a/9.png", "test/b/1.png"].iter().enumerate() {
        picture(root.join(name), n as u8);
    }
    write(root.join("train/a/._9.png"), b"a file of macOS");
    for (wrapper, file) in [("", "plain.tar.gz"), ("set/v1/", "wrapped.tgz")] {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_dir_all(format!("./{wrapper}"), &root).unwrap();
        let path = dir.path().join(file);
        write(&path, &gzip(&builder.into_inner().unwrap()));
        let (packed, unpacked) = (opened(&path).unwrap(), opened(&root).unwrap());
        assert_eq!(shades(packed.train.as_ref()), [(2, 0), (0, 1), (1, 1)]);
        assert_eq!(shades(packed.train.as_ref()), shades(unpacked.train.as_ref()));
        assert_eq!(shades(packed.val.unwrap().as_ref()), shades(unpacked.val.unwrap().as_ref()));
        assert!(packed.train.describe(0).ends_with(&format!("{file}/train/a/9.png")));
        let whole = std::fs::read(&path).unwrap();
        write(&path, &whole[..whole.len() - 30]);
        assert!(opened(&path).unwrap_err().contains("not a readable .tar.gz"));
    }
}

#[test]
fn one_folder_splits_by_share() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..20 {
        picture(dir.path().join(format!("{}/{n}.png", if n < 10 { "a" } else { "b" })), n);
    }
    let splits = opened(dir.path()).unwrap();
    assert!(splits.val.is_none() && splits.train.len() == 20);
    let options = DataOptions { val_split: Some(0.2), ..Default::default() };
    let splits = open(&dir.path().display().to_string(), &options).unwrap();
    let val = splits.val.unwrap();
    assert_eq!((splits.train.len(), val.len()), (16, 4));
    assert_eq!(shades(val.as_ref()).iter().map(|s| s.1).collect::<Vec<_>>(), [0, 0, 1, 1]);
}

#[test]
fn names_and_paths_that_mean_nothing_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let message = opened(Path::new("minst")).unwrap_err();
    assert!(
        message.contains("unknown dataset \"minst\": choose one of digits, mnist, fashion-mnist"),
        "{message}"
    );
    let file = dir.path().join("picture.png");
    picture(&file, 1);
    assert!(opened(&file).unwrap_err().contains("a file that is no .tar.gz"));
}

#[test]
fn digits_have_the_statistics_that_are_given_for_them() {
    let splits = opened(Path::new("digits")).unwrap();
    let (mean, std) = splits.mean_std.unwrap();
    let ChannelStats { mean: found_mean, std: found_std, .. } = stats(splits.train.as_ref(), 1).unwrap();
    assert!((found_mean[0] - f64::from(mean[0])).abs() < 5e-5, "{found_mean:?}");
    assert!((found_std[0] - f64::from(std[0])).abs() < 5e-5, "{found_std:?}");
}

#[test]
fn cifar_as_a_folder_of_jpegs_in_an_archive() {
    let Some(path) = shared_data("cifar10-imagefolder.tar.gz") else { return };
    let splits = opened(&path).unwrap();
    assert_eq!((splits.train.len(), splits.val.as_ref().unwrap().len()), (50_000, 10_000));
    assert_eq!(splits.train.classes()[..2], ["airplane", "automobile"]);
    let sample = splits.train.sample(49_999).unwrap();
    assert_eq!((sample.image.shape(), sample.label), ([32, 32, 3], 9));
}

#[test]
fn photographs_decode() {
    let Some(path) = shared_data("imagenet-sample") else { return };
    let data = folder(&path).unwrap();
    assert_eq!((data.len(), data.classes().len()), (200, 200));
    for index in (0..200).step_by(10) {
        assert_eq!(data.sample(index).unwrap().image.channels(), 3);
    }
}
