//! What is in a checkpoint, and that damage is noticed.

mod common;

use common::{Plain, bits, loader, preprocessing, shuffled, trainer};
use cresset_nn::{Conv2d, Forward, Linear, Module, ModuleExt, weights};
use cresset_tensor::{Generator, Tensor};
use cresset_train::checkpoint::{Checkpoint, ModelCard};
use cresset_train::{Classifier, TrainOptions};
use cresset_vision::image::Image;
use cresset_vision::models::{self, ModelConfig};
use std::fs;
use std::path::{Path, PathBuf};

/// A model too small for pixels, so that its file is small.
fn tiny_checkpoint(folder: &Path) -> PathBuf {
    let path = folder.join("tiny.safetensors");
    let model = Linear::new(3, 2, &mut Generator::new(0));
    let card = ModelCard::new("tiny", vec!["a".into(), "b".into()], preprocessing());
    Checkpoint::save(&path, &card, &model, None).unwrap();
    path
}

#[test]
fn last_holds_weights_under_their_own_names_and_training_under_a_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let options = TrainOptions {
        output_dir: Some(folder.path().to_path_buf()),
        config: "lr = 0.05\n".into(),
        ..Default::default()
    };
    let mut run = trainer(Box::new(Plain::new(0)), loader(64, shuffled(32, 0)), options);
    run.fit(&mut ()).unwrap();
    let file = weights::load(folder.path().join("last.safetensors")).unwrap();
    let names: Vec<_> = file.tensors.keys().map(String::as_str).collect();
    assert_eq!(names[..4], ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]);
    assert!(names[4..].iter().all(|name| name.starts_with("training.optimizer.")) && names.len() == 8);

    let checkpoint = Checkpoint::load(&folder.path().join("last.safetensors")).unwrap();
    assert!(checkpoint.weights.keys().eq(run.model().state_dict().keys()));
    assert_eq!((checkpoint.card.epoch, checkpoint.card.classes.len()), (1, 10));
    let training = checkpoint.training.unwrap();
    assert_eq!(training.config, "lr = 0.05\n");
    assert_eq!(training.progress, *run.progress());
    assert!(fs::read_dir(folder.path()).unwrap().count() == 3, "best, last, metrics and nothing else");
}

#[test]
fn every_flipped_byte_and_every_truncation_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = tiny_checkpoint(folder.path());
    let good = fs::read(&path).unwrap();
    let card = Checkpoint::load(&path).unwrap().card;
    let damaged = folder.path().join("damaged.safetensors");
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&damaged, &bytes).unwrap();
        if let Ok(read) = Checkpoint::load(&damaged) {
            // White space in the header is the only thing that carries nothing.
            assert_eq!((&read.card, good[at]), (&card, b' '), "byte {at}");
        }
    }
    for len in 0..good.len() {
        fs::write(&damaged, &good[..len]).unwrap();
        assert!(Checkpoint::load(&damaged).is_err(), "{len} bytes");
    }
}

/// [`Plain`], but for a parameter.
#[derive(Module, Clone)]
struct WithoutBias {
    conv: Conv2d,
    fc: Linear,
}

impl Forward for WithoutBias {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.fc.forward(&self.conv.forward(x).relu().max_pool2d(2).flatten(1))
    }
}

#[test]
fn a_sound_file_that_lacks_a_tensor_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let options = || TrainOptions { output_dir: Some(folder.path().to_path_buf()), ..Default::default() };
    let train = || loader(64, shuffled(32, 0));
    trainer(Box::new(Plain::new(0)), train(), options()).fit(&mut ()).unwrap();

    let checkpoint = Checkpoint::load(&path).unwrap();
    let rng = &mut Generator::new(1);
    let conv = Conv2d::builder(1, 4, 3).stride(2).padding(1).build(rng);
    let smaller = WithoutBias { conv, fc: Linear::builder(4 * 7 * 7, 10).bias(false).build(rng) };
    Checkpoint::save(&path, &checkpoint.card, &smaller, checkpoint.training.as_ref()).unwrap();

    let checkpoint = Checkpoint::load(&path).expect("its checksum is right");
    let mut run = trainer(Box::new(Plain::new(2)), train(), options());
    let before = bits(&run.model().state_dict());
    let error = run.resume(&checkpoint).unwrap_err().to_string();
    assert!(error.contains("fc.bias") && error.contains("last.safetensors"), "{error}");
    assert_eq!(bits(&run.model().state_dict()), before, "nothing is changed");
}

#[test]
fn files_that_are_no_checkpoints_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.safetensors");
    let load = |path: &Path| Checkpoint::load(path).unwrap_err().to_string();
    assert!(load(&path).contains("plain.safetensors"), "not there");
    weights::save(&path, &Plain::new(0).state_dict(), &Default::default()).unwrap();
    assert!(load(&path).contains("--model"), "{}", load(&path));
    let mut metadata = weights::load(tiny_checkpoint(folder.path())).unwrap().metadata;
    metadata.insert("cresset.model".into(), "{}".into());
    weights::save(&path, &Plain::new(0).state_dict(), &metadata).unwrap();
    assert!(load(&path).contains("damaged"), "{}", load(&path));
}

#[test]
fn a_classifier_needs_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cnn.safetensors");
    let config = ModelConfig { num_classes: 3, ..models::find("cnn").unwrap().default_config() };
    let model = models::create("cnn", &config, &mut Generator::new(9)).unwrap();
    let classes = ["x", "y", "z"].map(String::from).to_vec();
    Checkpoint::save(&path, &ModelCard::new("cnn", classes.clone(), preprocessing()), &*model, None).unwrap();
    let classifier = Classifier::load(&path).unwrap();
    assert_eq!(classifier.card().classes, classes);
    // Of another size and colour than the model's.
    let images = [Image::filled(50, 31, &[200, 10, 90]), Image::filled(28, 28, &[7])];
    let logits = classifier.logits(&images).unwrap();
    assert!(logits.len() == 2 && logits.iter().all(|row| row.len() == 3) && logits[0] != logits[1]);
    assert_eq!(classifier.logits(&images[1..]).unwrap()[0], logits[1]);

    let wrong = ModelCard::new("resnet18", classes, preprocessing());
    Checkpoint::save(&path, &wrong, &*model, None).unwrap();
    let error = Classifier::load(&path).err().unwrap().to_string();
    // Before memory is taken for it.
    assert!(error.contains("those of a resnet18 about 11689512; they do not fit"), "{error}");
}
