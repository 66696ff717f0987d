//! What is said at the end.

use super::shown;
use crate::ui::number::{counted, percent};
use crate::ui::output;
use crate::ui::table::{Align, table};
use anyhow::{Result, anyhow};
use cresset_train::{Classifier, Evaluation, Progress, RunDir, TrainError, Trainer, evaluate};
use cresset_vision::loader::DataLoader;

/// How many classes and confusions are shown.
const WORST: usize = 5;

/// The best epoch, its weakest classes, some samples, and what to do next.
pub fn finish(trainer: &Trainer, dir: &RunDir) -> Result<()> {
    let Some(best) = trainer.progress().best() else { return Ok(()) };
    let reread;
    let evaluation = match trainer.best_evaluation() {
        Some(evaluation) => evaluation,
        // The best epoch lies before a resume.
        None => {
            let mut classifier = Classifier::load(&dir.best())?;
            reread =
                evaluate(classifier.model_mut(), trainer.val_data(), &mut ())?.expect("nobody asked to stop");
            &reread
        }
    };
    let classes = &trainer.card().classes;
    let mut text = ended_early(trainer);
    text.push_str(&format!(
        "\nbest: {} in epoch {} (loss {:.4}, top-5 {})\n",
        percent(best.val_top1),
        best.epoch,
        best.val_loss,
        percent(evaluation.top5)
    ));
    text.push_str(&weakest_classes(evaluation, classes));
    text.push_str(&samples(evaluation, classes));
    text.push_str(&broken(trainer));
    text.push_str(&format!(
        "\nweights in {0}/best.safetensors; try: cresset predict --weights {0}/best.safetensors IMAGE\n",
        shown(dir)
    ));
    output::text(&text)
}

/// Where a run stands: `2 epochs and 276 batches`.
pub fn standing(progress: &Progress) -> String {
    let epochs = counted(progress.epoch, "epoch");
    match progress.batch {
        0 => epochs,
        batch => format!("{epochs} and {}", counted(batch as u64, "batch")),
    }
}

/// Where the run stands and how to go on.
pub fn stopped(trainer: &Trainer, dir: &RunDir) -> Result<()> {
    let progress = trainer.progress();
    let more = match trainer.options().max_steps {
        Some(steps) if progress.step >= steps => " --max-steps N",
        _ => "",
    };
    output::text(&format!(
        "stopped after {}; go on with: cresset train --resume {}{more}\n",
        standing(progress),
        shown(dir)
    ))
}

/// An error of the training, and how to go on from what was saved before it.
pub fn failed(error: TrainError, dir: &RunDir) -> anyhow::Error {
    if matches!(error, TrainError::Io { .. }) && dir.last().exists() {
        anyhow!(
            "{error}; the checkpoint before it is sound, go on with: cresset train --resume {}",
            shown(dir)
        )
    } else {
        error.into()
    }
}

/// That the run was not worth going on with, if so.
fn ended_early(trainer: &Trainer) -> String {
    let progress = trainer.progress();
    if progress.epoch >= trainer.options().epochs {
        return String::new();
    }
    let since = progress.epoch - progress.best_epoch;
    format!("ended after {} epochs: {since} in a row were no better than the best\n", progress.epoch)
}

/// The images that could not be read and were left out.
fn broken(trainer: &Trainer) -> String {
    let broken: Vec<_> =
        [trainer.train_data(), trainer.val_data()].into_iter().flat_map(DataLoader::broken).collect();
    if broken.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{} images were left out because they could not be read:\n", broken.len());
    for (_, reason) in broken.iter().take(WORST) {
        text.push_str(&format!("  {reason}\n"));
    }
    text
}

fn weakest_classes(evaluation: &Evaluation, classes: &[String]) -> String {
    let matrix = &evaluation.confusion;
    let mut weak: Vec<_> = matrix.per_class().into_iter().filter(|c| c.correct < c.images).collect();
    weak.sort_by(|a, b| a.top1().partial_cmp(&b.top1()).unwrap_or(std::cmp::Ordering::Equal));
    weak.truncate(WORST);
    if weak.is_empty() {
        return "no class was confused with another\n".into();
    }
    let rows: Vec<_> = weak
        .iter()
        .map(|class| {
            let mut taken: Vec<_> = (0..classes.len())
                .filter(|&other| other != class.class && matrix.get(class.class, other) > 0)
                .map(|other| (matrix.get(class.class, other), other))
                .collect();
            taken.sort_by_key(|&(count, other)| (std::cmp::Reverse(count), other));
            let taken: Vec<_> =
                taken.iter().take(3).map(|&(count, other)| format!("{} ({count})", classes[other])).collect();
            let right = class.top1().map_or("-".into(), percent);
            [classes[class.class].clone(), class.images.to_string(), right, taken.join(", ")]
        })
        .collect();
    let head = [
        ("weakest classes", Align::Left),
        ("images", Align::Right),
        ("right", Align::Right),
        ("taken for", Align::Left),
    ];
    format!("\n{}", table(head, &rows))
}

fn samples(evaluation: &Evaluation, classes: &[String]) -> String {
    let rows: Vec<_> = evaluation
        .examples
        .iter()
        .map(|e| {
            let mark = if e.truth == e.prediction { "" } else { "wrong" };
            [
                e.index.to_string(),
                classes[e.truth].clone(),
                classes[e.prediction].clone(),
                percent(e.confidence),
                mark.into(),
            ]
        })
        .collect();
    let head = [
        ("sample", Align::Right),
        ("is", Align::Left),
        ("predicted", Align::Left),
        ("confidence", Align::Right),
        ("", Align::Left),
    ];
    format!("\n{}", table(head, &rows))
}
