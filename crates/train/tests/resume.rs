//! A run that is interrupted anywhere and resumed ends with the same bits as one that is not.

mod common;

use common::{Small, bits, loader, shuffled, trainer};
use cresset_nn::ModuleExt;
use cresset_nn::schedule::{CosineAnnealingLr, ReduceLrOnPlateau, Warmup};
use cresset_tensor::Array;
use cresset_train::checkpoint::{Checkpoint, CheckpointEvery};
use cresset_train::{
    EpochRecord, LrPolicy, Observer, Outcome, Progress, RunDir, StepReport, TrainOptions, Trainer,
};
use cresset_vision::loader::LoaderOptions;
use std::path::Path;
use std::time::Duration;

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
    new_trainer_with(dir, policy, workers, |_| {})
}

fn new_trainer_with(
    dir: &Path,
    policy: Policy,
    workers: usize,
    change: impl Fn(&mut TrainOptions),
) -> Trainer {
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
    let mut options = TrainOptions {
        epochs: 3,
        seed: 11,
        accumulate: 2,
        clip_grad_norm: Some(2.0),
        lr,
        output_dir: Some(dir.to_path_buf()),
        config: "lr = 0.1".into(),
        ..Default::default()
    };
    change(&mut options);
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

/// Asks to stop when it is asked for the n-th time: after every batch, and after every batch of an evaluation.
struct StopAtBatch(usize);

impl Observer for StopAtBatch {
    fn should_stop(&mut self) -> bool {
        self.0 -= 1;
        self.0 == 0
    }
}

#[test]
fn a_run_can_stop_after_every_batch_in_the_midst_of_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let accumulating = |dir: &Path| new_trainer_with(dir, Policy::Plateau, 0, |o| o.accumulate = 3);
    accumulating(&whole).fit(&mut ()).unwrap();
    let last = |dir: &Path| Checkpoint::load(&dir.join("last.safetensors")).unwrap();
    let expected = last(&whole).digest();
    let mut in_midst = 0;
    for stop in 1.. {
        let dir = folder.path().join(format!("stopped-{stop}"));
        if accumulating(&dir).fit(&mut StopAtBatch(stop)).unwrap() == Outcome::Finished {
            assert!(stop > 24, "eight batches in each of three epochs");
            break;
        }
        let checkpoint = last(&dir);
        let training = checkpoint.training.as_ref().unwrap();
        assert_eq!(training.progress.partial.is_some(), !training.gradients.is_empty());
        in_midst += usize::from(training.progress.partial.is_some());
        let mut run = accumulating(&dir);
        run.resume(&checkpoint).unwrap();
        assert_eq!(run.fit(&mut ()).unwrap(), Outcome::Finished);
        assert_eq!(last(&dir).digest(), expected, "stopped at batch {stop}");
    }
    assert!(in_midst >= 15, "{in_midst}");
}

/// Keeps a copy of every checkpoint.
struct Copies<'a>(&'a Path, usize);

impl Observer for Copies<'_> {
    fn saved(&mut self, path: &Path) {
        if path.ends_with("last.safetensors") {
            self.1 += 1;
            std::fs::copy(path, self.0.join(format!("{}.safetensors", self.1))).unwrap();
        }
    }
}

#[test]
fn every_checkpoint_leads_to_the_same_end_and_the_newest_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let trainer = |dir: &Path| {
        new_trainer_with(dir, Policy::Cosine, 1, |options| {
            // Whenever it could be written.
            options.checkpoint_every = Some(CheckpointEvery::Time(Duration::ZERO));
            options.keep = 3;
        })
    };
    let mut copies = Copies(folder.path(), 0);
    trainer(&dir).fit(&mut copies).unwrap();
    let load = |path: &Path| Checkpoint::load(path).unwrap();
    let last = |dir: &Path| load(&dir.join("last.safetensors"));
    let expected = last(&dir).digest();
    let kept = RunDir::create(&dir).unwrap().kept().unwrap();
    assert_eq!(kept.keys().copied().collect::<Vec<_>>(), [10, 11, 12]);
    assert_eq!(load(&kept[&12]).digest(), expected);
    // After each of eight batches and each epoch; the last batch's are one.
    assert_eq!(copies.1, 3 * 8);
    // The last one is the end itself.
    for copy in 1..copies.1 {
        let dir = folder.path().join(format!("from-{copy}"));
        let mut run = trainer(&dir);
        run.resume(&load(&folder.path().join(format!("{copy}.safetensors")))).unwrap();
        run.fit(&mut ()).unwrap();
        assert_eq!(last(&dir).digest(), expected, "from checkpoint {copy}");
    }
}

#[test]
fn a_run_can_be_limited_to_a_number_of_steps() {
    let folder = tempfile::tempdir().unwrap();
    let limited = |dir: &str, steps| {
        new_trainer_with(&folder.path().join(dir), Policy::Cosine, 0, |options| options.max_steps = steps)
    };
    limited("whole", None).fit(&mut ()).unwrap();
    let last = |dir: &str| Checkpoint::load(&folder.path().join(dir).join("last.safetensors")).unwrap();
    // In mid-epoch, at the end of one, where it already is, and beyond the end.
    for steps in [2, 4, 4, 9, 99] {
        let mut run = limited("parts", Some(steps));
        if steps > 2 {
            run.resume(&last("parts")).unwrap();
        }
        let outcome = run.fit(&mut ()).unwrap();
        assert_eq!(
            (outcome, run.progress().step),
            if steps == 99 { (Outcome::Finished, 12) } else { (Outcome::Stopped, steps) }
        );
    }
    assert_eq!(last("parts").digest(), last("whole").digest());
}

#[test]
fn digests_leave_out_what_a_clock_said_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    new_trainer(folder.path(), Policy::Plateau, 0).fit(&mut ()).unwrap();
    let checkpoint = Checkpoint::load(&folder.path().join("last.safetensors")).unwrap();
    let digest = checkpoint.digest();
    let changed = |change: &dyn Fn(&mut Checkpoint)| {
        let mut other = checkpoint.clone();
        change(&mut other);
        let other = other.digest();
        [
            other.weights != digest.weights,
            other.optimizer != digest.optimizer,
            other.metrics != digest.metrics,
        ]
    };
    let nudge = |array: &mut Array| *array = array.clone().map(|v| if v == 0.0 { 1e-9 } else { -v });
    assert_eq!(changed(&|c| nudge(c.weights.values_mut().next().unwrap())), [true, false, false]);
    let optimizer =
        |c: &mut Checkpoint| nudge(c.training.as_mut().unwrap().optimizer.values_mut().last().unwrap());
    assert_eq!(changed(&optimizer), [false, true, false]);
    let progress =
        |change: fn(&mut Progress)| changed(&move |c| change(&mut c.training.as_mut().unwrap().progress));
    assert_eq!(progress(|p| p.batch += 1), [false, false, true]);
    assert_eq!(progress(|p| p.history[1].val_loss += 1e-12), [false, false, true]);
    assert_eq!(progress(|p| p.plateau.as_mut().unwrap().bad_checks += 1), [false, false, true]);
    assert_eq!(progress(|p| p.history[1].eval_seconds += 1.0), [false; 3]);
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
