//! `cresset verify-resume`

mod lives;

use super::train::{plan::Plan, random_seed};
use crate::config::TrainArgs;
use crate::config::validate::{count, refuse, whole};
use crate::signals::Signals;
use crate::ui::number::counted;
use crate::ui::output;
use crate::ui::table::{Align, table};
use anyhow::{Context, Result};
use clap::Args;
use cresset_train::checkpoint::{CheckpointEvery, Digest};
use lives::{Lab, Lived};
use serde::Serialize;
use std::ffi::OsString;
use std::process::ExitCode;

/// Check on this machine that a training that is killed and resumed ends with the same bits
#[derive(Args)]
pub struct VerifyResumeArgs {
    /// Steps of the training that is tried
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = whole, allow_negative_numbers = true)]
    steps: usize,
    /// How often it is killed
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = whole, allow_negative_numbers = true)]
    kills: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    train: TrainArgs,
}

/// One run in the report.
#[derive(Serialize)]
struct Row {
    run: String,
    /// At which step the checkpoint stood when the process was killed.
    killed_at: Vec<u64>,
    #[serde(flatten)]
    digest: Digest,
    same: bool,
}

/// Runs the command. `flags` are the words behind `verify-resume`, from which `args` was made.
pub fn run(args: VerifyResumeArgs, flags: &[OsString]) -> Result<ExitCode> {
    let steps = count("--steps", args.steps, 1..=1_000_000_000)?;
    let kills = count("--kills", args.kills, 1..=1_000_000)?;
    for (flag, given) in [("--resume", &args.train.run.resume), ("--output-dir", &args.train.run.output_dir)]
    {
        if let Some(path) = given {
            refuse::<()>(flag, path.display(), "unset: the check works in a temporary folder of its own")?;
        }
    }
    let mut train = Plan::resolve(args.train, &without_own(flags))?.args;
    train.validate()?;
    train.run.seed.get_or_insert_with(random_seed);
    train.run.max_steps = Some(steps);
    // However it is saved in between, the uninterrupted run is the measure.
    let every =
        train.run.checkpoint_every.take().unwrap_or(CheckpointEvery::Steps(steps.div_ceil(50) as u64));
    let uninterrupted = toml::to_string(&train)?;
    train.run.checkpoint_every = Some(every);
    let killed = toml::to_string(&train)?;

    let signals = Signals::catch()?;
    let folder = tempfile::Builder::new().prefix("cresset-verify-").tempdir();
    let folder =
        folder.context("cannot create a folder for the runs; set TMPDIR to one that can be written")?;
    let mut lab = Lab::new(folder.path(), &signals, random_seed())?;
    let whole = lab.uninterrupted(&uninterrupted)?;
    let mut rows = vec![row("uninterrupted", whole, None)];
    let mut left = kills;
    while left > 0 {
        let name = format!("killed {}", rows.len());
        let lived = lab.killed(&killed, &name.replace(' ', "-"), left, steps)?;
        left -= lived.killed_at.len();
        rows.push(row(&name, lived, Some(&rows[0].digest)));
    }

    let same = rows.iter().all(|row| row.same);
    if args.json {
        output::text(&format!("{}\n", serde_json::to_string_pretty(&rows)?))?;
    } else {
        output::text(&report(&rows, kills, steps, &train))?;
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn row(run: &str, lived: Lived, expected: Option<&Digest>) -> Row {
    let Lived { digest, killed_at } = lived;
    Row { run: run.into(), killed_at, same: expected.is_none_or(|expected| *expected == digest), digest }
}

fn report(rows: &[Row], kills: usize, steps: usize, train: &TrainArgs) -> String {
    let cells: Vec<[String; 6]> = rows
        .iter()
        .map(|Row { run, killed_at, digest, same }| {
            let at: Vec<String> = killed_at.iter().map(u64::to_string).collect();
            let short = |sum: &str| sum[..12].to_owned();
            [
                run.clone(),
                at.join(" "),
                short(&digest.weights),
                short(&digest.optimizer),
                short(&digest.metrics),
                if *same { "same" } else { "DIFFERS" }.into(),
            ]
        })
        .collect();
    let head =
        ["run", "killed at step", "weights", "optimizer", "metrics", ""].map(|name| (name, Align::Left));
    let runs = counted(rows.len() as u64 - 1, "run");
    let kills = counted(kills as u64, "kill");
    let verdict = if rows.iter().all(|row| row.same) {
        format!("{kills} in {runs} of {steps} steps: all ended with the same SHA-256\n")
    } else {
        format!("{kills} in {runs} of {steps} steps: not all ended with the same bits, please report this\n")
    };
    let about = format!(
        "{} on {}, seed {}\n",
        train.model.model,
        train.data.source.data,
        train.run.seed.unwrap_or_default()
    );
    format!("{about}{}{verdict}", table(head, &cells))
}

/// The flags that `cresset train` has too.
fn without_own(flags: &[OsString]) -> Vec<OsString> {
    let mut flags = flags.iter();
    let mut out = Vec::new();
    while let Some(flag) = flags.next() {
        match flag.to_str().unwrap_or_default() {
            "--steps" | "--kills" => drop(flags.next()),
            "--json" => {}
            own if own.starts_with("--steps=") || own.starts_with("--kills=") => {}
            _ => out.push(flag.clone()),
        }
    }
    out
}
