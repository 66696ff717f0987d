//! `cresset models`

use crate::ui::number::shape;
use crate::ui::output;
use crate::ui::table::{Align, table};
use anyhow::Result;
use clap::Args;
use cresset_vision::models;
use serde::Serialize;
use std::process::ExitCode;

/// List the models
#[derive(Args)]
pub struct ModelsArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    input: [usize; 3],
    num_classes: usize,
    summary: &'static str,
}

/// Runs the command.
pub fn run(args: &ModelsArgs) -> Result<ExitCode> {
    let entries = models::list().iter().map(|e| Entry {
        name: e.name,
        input: e.input,
        num_classes: e.num_classes,
        summary: e.summary,
    });
    if args.json {
        output::json(&entries.collect::<Vec<_>>())?;
    } else {
        let rows: Vec<_> = entries
            .map(|e| [e.name.to_owned(), shape(&e.input), e.num_classes.to_string(), e.summary.to_owned()])
            .collect();
        let head =
            [("model", Align::Left), ("input", Align::Right), ("classes", Align::Right), ("", Align::Left)];
        output::text(&table(head, &rows))?;
    }
    Ok(ExitCode::SUCCESS)
}
