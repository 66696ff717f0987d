//! Frozen layers, moving averages, patience and evaluation between steps.

mod common;

use common::{Small, bits, loader, shuffled, trainer};
use cresset_nn::{Layer, ModuleExt, StateDict};
use cresset_train::checkpoint::Checkpoint;
use cresset_train::{
    AverageOptions, Evaluation, Frozen, LrPolicy, Observer, Outcome, StepReport, TrainOptions, Trainer,
};
use std::path::Path;

fn names(state: &StateDict, other: &StateDict) -> Vec<String> {
    let changed = bits(state).into_iter().zip(bits(other)).filter(|(a, b)| a.1 != b.1);
    changed.map(|((name, _), _)| name).collect()
}

#[test]
fn frozen_layers_keep_weights_and_running_statistics() {
    let model = Small::new(1);
    let before = model.state_dict();
    let frozen = Frozen::new(&model, &["conv".into(), "bn".into()]).unwrap();
    assert_eq!(model.num_trainable_parameters(), 4 * 7 * 7 * 10 + 10);
    let options = TrainOptions { frozen, eval_every: Some(2), ..Default::default() };
    let mut run = trainer(Box::new(model), loader(80, shuffled(16, 0)), options);
    run.fit(&mut ()).unwrap();
    assert_eq!(names(&before, &run.model().state_dict()), ["fc.weight", "fc.bias"]);
}

#[test]
fn what_cannot_be_frozen_is_told() {
    let model = Small::new(1);
    let error = Frozen::new(&model, &["conv".into(), "layer1".into()]).unwrap_err().to_string();
    assert!(error.contains("\"layer1\"") && error.contains("bn, conv, fc"), "{error}");
    let all = ["conv", "bn", "fc"].map(String::from);
    assert!(Frozen::new(&model, &all).unwrap_err().to_string().contains("--freeze"));
    assert_eq!(model.num_trainable_parameters(), model.num_parameters(), "nothing was frozen");
}

/// Stops at a step and counts evaluations between steps.
#[derive(Default)]
struct Watch {
    stop_at: Option<u64>,
    step: u64,
    checked: Vec<u64>,
}

impl Observer for Watch {
    fn stepped(&mut self, step: &StepReport) {
        self.step = step.step;
    }
    fn checked(&mut self, step: u64, evaluation: &Evaluation) {
        assert_eq!(evaluation.images, 60);
        self.checked.push(step);
    }
    fn should_stop(&mut self) -> bool {
        self.stop_at == Some(self.step)
    }
}

fn averaging(dir: &Path, average: Option<AverageOptions>) -> Trainer {
    let options = TrainOptions {
        epochs: 2,
        average,
        eval_every: Some(3),
        output_dir: Some(dir.to_path_buf()),
        ..Default::default()
    };
    // Five steps an epoch.
    trainer(Box::new(Small::new(1)), loader(80, shuffled(16, 0)), options)
}

#[test]
fn the_average_is_evaluated_and_saved_and_survives_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let average = Some(AverageOptions { decay: 0.5, every: 2, warmup_epochs: 0 });
    let dir = |name: &str| folder.path().join(name);
    let mut watch = Watch::default();
    averaging(&dir("whole"), average).fit(&mut watch).unwrap();
    assert_eq!(watch.checked, [3, 6, 9]);
    averaging(&dir("plain"), None).fit(&mut ()).unwrap();
    let last = |name: &str| Checkpoint::load(&dir(name).join("last.safetensors")).unwrap();
    let (whole, plain) = (last("whole"), last("plain"));
    let of = |c: &Checkpoint| c.training.as_ref().unwrap().average.clone();
    assert!(bits(&whole.weights) == bits(&plain.weights), "averaging does not touch the training");
    assert!(of(&plain).is_empty() && bits(&of(&whole)) != bits(&whole.weights));
    let records = |c: &Checkpoint| c.training.as_ref().unwrap().progress.history.clone();
    assert!(records(&whole)[0].val_loss != records(&plain)[0].val_loss, "the average is what is evaluated");
    let best = Checkpoint::load(&dir("whole").join("best.safetensors")).unwrap();
    if whole.training.as_ref().unwrap().progress.best_epoch == 2 {
        assert!(bits(&best.weights) == bits(&of(&whole)));
    }

    let mut run = averaging(&dir("cut"), average);
    let stop = run.fit(&mut Watch { stop_at: Some(7), ..Default::default() }).unwrap();
    assert_eq!(stop, Outcome::Stopped);
    let mut run = averaging(&dir("cut"), average);
    run.resume(&last("cut")).unwrap();
    run.fit(&mut ()).unwrap();
    assert!(bits(&of(&last("cut"))) == bits(&of(&whole)));
}

#[test]
fn a_run_without_progress_ends_early() {
    let lr = LrPolicy::PerEpoch(Box::new(cresset_nn::schedule::ExponentialLr { gamma: 0.0 }));
    let options = TrainOptions { epochs: 50, patience: Some(2), lr, ..Default::default() };
    let model: Box<dyn Layer> = Box::new(common::Plain::new(1));
    let mut run = trainer(model, loader(32, shuffled(16, 0)), options);
    assert_eq!(run.fit(&mut ()).unwrap(), Outcome::Finished);
    // Without a learning rate from the second epoch on, the first stays the best.
    assert_eq!((run.progress().epoch, run.progress().best_epoch), (3, 1));
}
