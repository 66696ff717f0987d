//! The progress of a download.

use cresset_vision::datasets::download::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::RefCell;

/// A bar for the file that is being fetched; nothing where there is no terminal.
#[derive(Default)]
pub struct DownloadBar(RefCell<Option<(String, ProgressBar)>>);

impl DownloadBar {
    /// Shows how far it is.
    pub fn show(&self, progress: &Progress<'_>) {
        let mut slot = self.0.borrow_mut();
        if slot.as_ref().is_none_or(|(file, _)| file != progress.file) {
            let bar = ProgressBar::new(progress.total.unwrap_or(0));
            let style = "{prefix}  {bar:30}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.set_prefix(progress.file.to_owned());
            *slot = Some((progress.file.to_owned(), bar));
        }
        if let Some((_, bar)) = &*slot {
            bar.set_position(progress.received);
            if progress.total == Some(progress.received) {
                bar.finish_and_clear();
            }
        }
    }
}
