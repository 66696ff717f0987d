//! Small good files of every kind.

use cresset_nn::{Linear, ModuleExt, StateDict, weights};
use cresset_tensor::{Array, Generator};

use cresset_train::checkpoint::{Checkpoint, ModelCard, Preprocessing, TrainingState};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

macro_rules! images {
    ($($name:literal),* $(,)?) => {
        vec![$(include_bytes!(concat!("../../vision/tests/golden/images/", $name)).to_vec()),*]
    };
}

/// What `write` writes to a file of this name.
fn written(name: &str, write: impl FnOnce(&std::path::Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    write(&path);
    std::fs::read(path).expect("just written")
}

fn tensors() -> StateDict {
    [
        ("conv.weight", Array::from_vec((0..24).map(|v| v as f32 - 7.5).collect(), [2, 3, 2, 2])),
        ("bn.num_batches_tracked", Array::from_i64(vec![3], [])),
        ("mask", Array::from_bools(vec![true, false, true], [3, 1])),
        ("empty", Array::zeros([0, 3])),
    ]
    .map(|(name, array)| (name.to_owned(), array))
    .into()
}

fn saved(name: &str) -> Vec<u8> {
    let metadata = [("model".to_owned(), "cnn".to_owned())].into();
    written(name, |path| weights::save(path, &tensors(), &metadata).expect("saved"))
}

/// Of several types and shapes.
pub fn safetensors() -> Vec<Vec<u8>> {
    let halves = r#"{"h":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},"i":{"dtype":"I32","shape":[1],"data_offsets":[8,12]}}"#;
    let halves = [&(halves.len() as u64).to_le_bytes(), halves.as_bytes(), &[1; 12]].concat();
    vec![saved("seed.safetensors"), halves]
}

/// As written here, and by PyTorch.
pub fn pth() -> Vec<Vec<u8>> {
    vec![
        saved("seed.pth"),
        include_bytes!("../../nn/tests/golden/pth/float16.pth").to_vec(),
        include_bytes!("../../nn/tests/golden/pth/integers.pth").to_vec(),
    ]
}

fn card() -> ModelCard {
    let preprocessing = Preprocessing { input: [1, 28, 28], mean: vec![0.5], std: vec![0.25], resize: None };
    ModelCard::new("cnn", vec!["a".into(), "b".into()], preprocessing)
}

/// Of a small model, with and without what training needs to go on.
pub fn checkpoint() -> Vec<Vec<u8>> {
    let model = Linear::new(3, 2, &mut Generator::new(0));
    let training = TrainingState {
        progress: Default::default(),
        config: "lr = 0.05\n".into(),
        optimizer: [("momentum.weight".to_owned(), Array::full([2, 3], 0.5))].into_iter().collect(),
        average: model.state_dict(),
        gradients: model.state_dict(),
        images: Some([50_000, 10_000]),
    };
    [None, Some(&training)]
        .map(|training| {
            written("seed.safetensors", |path| {
                Checkpoint::save(path, &card(), &model, training).expect("saved");
            })
        })
        .into()
}

/// The card of a checkpoint.
pub fn model_card() -> Vec<Vec<u8>> {
    vec![serde_json::to_vec(&card()).expect("plain data")]
}

/// Two epochs.
pub fn metrics() -> Vec<Vec<u8>> {
    let line = r#"{"epoch":1,"train_loss":0.5,"train_top1":0.9,"val_loss":0.25,"val_top1":0.95,"lr":0.05,"train_seconds":1.5,"eval_seconds":0.25,"train_images_per_second":1000.0}"#;
    vec![format!("{line}\n{}\n", line.replace("\"epoch\":1", "\"epoch\":2")).into_bytes()]
}

/// The ready recipes.
pub fn config() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../../recipes/mnist.toml").to_vec(),
        include_bytes!("../../../recipes/resnet50-long.toml").to_vec(),
    ]
}

/// Three pictures of 4x5, and their labels.
pub fn idx() -> Vec<Vec<u8>> {
    let images = [&[0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5][..], &[7; 60]].concat();
    let labels = vec![0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2];
    let zipped = gzipped(&images);
    vec![images, labels, zipped]
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).and_then(|()| gzip.finish()).expect("in memory")
}

/// An IDX file and an archive.
pub fn gzip() -> Vec<Vec<u8>> {
    let archives = tar();
    [&idx()[0], &idx()[1], &archives[0]].map(|bytes| gzipped(bytes)).into()
}

/// Two classes of one picture each, with and without train and val.
pub fn tar() -> Vec<Vec<u8>> {
    let [gray, color] = [0, 2].map(|index: usize| png().swap_remove(index));
    let archive = |files: &[(&str, &[u8])]| {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, *bytes).expect("in memory");
        }
        tar.into_inner().expect("in memory")
    };
    let long = format!("data/train/{}/1.png", "x".repeat(120));
    vec![
        archive(&[("ape/1.png", &gray), ("bee/2.png", &color)]),
        archive(&[("data/train/ape/1.png", &gray), (&long, &color), ("data/val/ape/3.png", &gray)]),
    ]
}

/// Batches of both data sets, and a list of classes.
pub fn cifar_binary() -> Vec<Vec<u8>> {
    let names: String = (0..10).map(|n| format!("class {n}\n")).collect();
    vec![vec![5; 3073], vec![5; 2 * 3074], names.into_bytes()]
}

/// As Python pickles them.
pub fn cifar_python() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../../vision/tests/golden/cifar/cifar-10-batches-py/batches.meta").to_vec(),
        include_bytes!("../../vision/tests/golden/cifar/cifar-10-batches-py/test_batch").to_vec(),
    ]
}

/// Baseline, progressive, grey, ink, turned.
pub fn jpeg() -> Vec<Vec<u8>> {
    images!["rgb.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg", "orientation_6.jpg"]
}

/// Of all colour types.
pub fn png() -> Vec<Vec<u8>> {
    images!["gray.png", "gray16.png", "rgb.png", "rgba.png", "palette.png", "bits.png", "orientation_3.png"]
}

/// Lossy and lossless.
pub fn webp() -> Vec<Vec<u8>> {
    images!["lossy.webp", "lossless.webp", "lossless_alpha.webp", "orientation_6.webp"]
}

/// With and without palette.
pub fn bmp() -> Vec<Vec<u8>> {
    images!["rgb.bmp", "gray.bmp"]
}

/// One.
pub fn gif() -> Vec<Vec<u8>> {
    images!["palette.gif"]
}

/// Of several compressions and colours.
pub fn tiff() -> Vec<Vec<u8>> {
    images!["rgb.tif", "gray_lzw.tif", "rgb_deflate.tif", "bits.tif", "cmyk.tif", "orientation_8.tif"]
}

/// A TIFF file is EXIF data with a picture.
pub fn exif() -> Vec<Vec<u8>> {
    let mut seeds = images!["orientation_2.tif", "orientation_6.tif"];
    seeds.iter_mut().for_each(|seed| seed.truncate(400));
    seeds.extend(images!["orientation_2.tif"]);
    seeds
}
