//! A run that is interrupted anywhere and resumed ends with the same bits as one that is not.

mod common;

use common::{Small, bits, loader, shuffled, trainer};
use cresset_nn::ModuleExt;
use cresset_nn::schedule::{CosineAnnealingLr, ReduceLrOnPlateau, Warmup};
use cresset_train::checkpoint::Checkpoint;
use cresset_train::{EpochRecord, LrPolicy, Observer, Outcome, StepReport, TrainOptions, Trainer};
use cresset_vision::loader::LoaderOptions;
use std::path::Path;

#[derive(Clone, Copy, Debug)]
enum Policy {
    Cosine,
    Plateau,
}

/// The step at which to stop, if any.
struct StopAt(Option<u64>, u64);

impl Observer for StopAt {
    fn stepped(&mut self, step: &StepReport) {
        self.1 = step.step;
    }
    fn should_stop(&mut self) -> bool {
        self.0 == Some(self.1)
    }
}

fn new_trainer(dir: &Path, policy: Policy, workers: usize) -> Trainer {
    let lr = match policy {
        Policy::Cosine => LrPolicy::PerStep(Box::new(Warmup {
            steps: 3,
            start_factor: 0.1,
            then: CosineAnnealingLr { t_max: 10, eta_min: 0.0 },
        })),
        // So impatient that it drops within three epochs.
        Policy::Plateau => LrPolicy::Plateau {
            plateau: ReduceLrOnPlateau { patience: 0, factor: 0.3, cooldown: 0, ..Default::default() },
            warmup_epochs: 1,
            warmup_factor: 0.5,
        },
    };
    let options = TrainOptions {
        epochs: 3,
        seed: 11,
        accumulate: 2,
        clip_grad_norm: Some(2.0),
        lr,
        output_dir: Some(dir.to_path_buf()),
        config: "lr = 0.1".into(),
        ..Default::default()
    };
    // 8 batches, 4 steps an epoch, the last of which is short.
    let options_of_loader = LoaderOptions { workers, ..shuffled(16, 0) };
    trainer(Box::new(Small::new(3)), loader(120, options_of_loader), options)
}

type End = (Vec<(String, Vec<u64>)>, Vec<(String, Vec<u64>)>, Vec<EpochRecord>);

/// Weights, optimizer and history in the final checkpoint, without what a clock said.
fn end(dir: &Path) -> End {
    let checkpoint = Checkpoint::load(&dir.join("last.safetensors")).unwrap();
    let training = checkpoint.training.unwrap();
    let mut history = training.progress.history;
    for record in &mut history {
        (record.train_seconds, record.eval_seconds, record.train_images_per_second) = (0.0, 0.0, 0.0);
    }
    let text = std::fs::read_to_string(dir.join("metrics.jsonl")).unwrap();
    assert_eq!(text.lines().count(), history.len());
    (bits(&checkpoint.weights), bits(&training.optimizer), history)
}

#[test]
fn interrupted_and_resumed_runs_end_with_the_same_bits() {
    for policy in [Policy::Cosine, Policy::Plateau] {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join("whole");
        assert_eq!(new_trainer(&whole, policy, 0).fit(&mut ()).unwrap(), Outcome::Finished);
        let expected = end(&whole);
        assert!(expected.1.len() >= 6, "the optimizer's memory is in the checkpoint");

        // In mid-epoch, after the last step of an epoch, and twice in a run; with and without workers.
        for (workers, stops) in [(0, vec![1]), (2, vec![4]), (1, vec![6, 11]), (0, vec![8])] {
            let dir = folder.path().join(format!("{policy:?}-{stops:?}"));
            let mut run = new_trainer(&dir, policy, workers);
            for &stop in &stops {
                assert_eq!(run.fit(&mut StopAt(Some(stop), 0)).unwrap(), Outcome::Stopped);
                assert_eq!(run.progress().step, stop);
                run = new_trainer(&dir, policy, workers);
                run.resume(&Checkpoint::load(&dir.join("last.safetensors")).unwrap()).unwrap();
            }
            assert_eq!(run.fit(&mut ()).unwrap(), Outcome::Finished);
            assert!(end(&dir) == expected, "{policy:?}, stopped at {stops:?}");
        }
    }
}

#[test]
fn a_checkpoint_of_weights_alone_cannot_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = new_trainer(folder.path(), Policy::Cosine, 0);
    run.fit(&mut ()).unwrap();
    let best = Checkpoint::load(&folder.path().join("best.safetensors")).unwrap();
    assert!(best.training.is_none());
    assert_eq!(best.card.val_top1, run.progress().best().map(|record| record.val_top1));
    let error = run.resume(&best).unwrap_err().to_string();
    assert!(error.contains("best.safetensors") && error.contains("no training state"), "{error}");
}

#[test]
fn evaluation_does_not_depend_on_the_batch_size() {
    let mut model = Small::new(3);
    let evaluations: Vec<_> = [1, 7, 60]
        .map(|batch_size| {
            let loader = loader(60, LoaderOptions { batch_size, ..Default::default() });
            cresset_train::evaluate(&mut model, &loader, &mut ()).unwrap().unwrap()
        })
        .into();
    for other in &evaluations[1..] {
        assert!((evaluations[0].loss - other.loss).abs() < 1e-6 * other.loss);
        assert_eq!(evaluations[0].confusion, other.confusion);
        assert_eq!(evaluations[0].images, 60);
    }
    assert!(model.named_modules().len() > 3);
}
