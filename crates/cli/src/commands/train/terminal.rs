//! What is shown while training: a bar where there is a terminal, a line an epoch everywhere.

use crate::signals::Signals;
use crate::ui::number::{duration, percent};
use crate::ui::output;
use cresset_train::{EpochRecord, EpochStart, Evaluation, Observer, StepReport};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Shows progress, and passes signals on to the trainer.
pub struct Terminal<'a> {
    signals: &'a Signals,
    bar: ProgressBar,
    epochs: u64,
    /// Images in an epoch.
    images: u64,
    /// When the bar's text was last made.
    refreshed: Instant,
    /// Images done when this epoch started or went on, and when that was.
    start: (u64, Instant),
}

impl<'a> Terminal<'a> {
    /// The bar goes to standard error, and hides where that is not a terminal.
    pub fn new(signals: &'a Signals) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        let now = Instant::now();
        Self { signals, bar, epochs: 0, images: 0, refreshed: now, start: (0, now) }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    /// Text for a person is made ten times a second, not at every step.
    fn is_due(&mut self) -> bool {
        let due = !self.bar.is_hidden() && self.refreshed.elapsed() > Duration::from_millis(100);
        if due {
            self.refreshed = Instant::now();
        }
        due
    }
}

impl Observer for Terminal<'_> {
    fn epoch_started(&mut self, start: &EpochStart) {
        self.epochs = start.epochs;
        self.images = start.images;
        self.start = (start.images_done, Instant::now());
        self.bar.set_prefix(format!("epoch {}/{}", start.epoch, start.epochs));
        self.bar.set_message("");
        self.bar.set_length(start.images);
        self.style("{prefix} [{bar:24}] {pos}/{len}  {msg}  {eta} left");
        self.bar.reset();
        self.bar.set_position(start.images_done);
    }

    fn stepped(&mut self, step: &StepReport) {
        if !self.is_due() {
            return;
        }
        let (done, since) = self.start;
        let rate = (step.images - done) as f64 / since.elapsed().as_secs_f64();
        let StepReport { loss, top1, .. } = step;
        self.bar.set_position(step.images);
        self.bar.set_message(format!("loss {loss:.4}  acc {}  {rate:.0} images/s", percent(*top1)));
    }

    fn evaluated(&mut self, done: usize, total: usize) {
        if done == 1 {
            self.style("{prefix} [{bar:24}] {pos}/{len} batches evaluated");
            self.bar.set_length(total as u64);
        }
        if self.is_due() {
            self.bar.set_position(done as u64);
        }
    }

    fn checked(&mut self, step: u64, evaluation: &Evaluation) {
        let line =
            format!("step {step}  val loss {:.4}  val acc {}\n", evaluation.loss, percent(evaluation.top1));
        self.bar.suspend(|| output::text(&line)).unwrap_or_default();
        self.style("{prefix} [{bar:24}] {pos}/{len}  {msg}  {eta} left");
        self.bar.set_length(self.images);
    }

    fn epoch_finished(&mut self, record: &EpochRecord, _: &Evaluation, best: bool) {
        let width = self.epochs.to_string().len();
        let line = format!(
            "epoch {:>width$}/{}  loss {:.4}  acc {}  val loss {:.4}  val acc {}  lr {}  {} ({:.0} images/s){}\n",
            record.epoch,
            self.epochs,
            record.train_loss,
            percent(record.train_top1),
            record.val_loss,
            percent(record.val_top1),
            rate(record.lr),
            duration(record.train_seconds + record.eval_seconds),
            record.train_images_per_second,
            if best { "  best" } else { "" },
        );
        // Training goes on even when nobody reads along any more.
        self.bar.suspend(|| output::text(&line)).unwrap_or_default();
    }

    fn should_stop(&mut self) -> bool {
        self.signals.received()
    }
}

/// A learning rate in few digits: `0.05`, `0.00123`, `4.5e-6`.
fn rate(lr: f64) -> String {
    if lr != 0.0 && lr < 1e-3 { format!("{lr:.1e}") } else { format!("{lr:.4}") }
}
