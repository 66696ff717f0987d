//! `cresset doctor`

use super::train::setup::Setup;
use crate::config::validate::count;
use crate::config::{RuntimeArgs, TrainArgs, TrialArgs, file};
use crate::ui::output;
use anyhow::{Result, bail};
use clap::Args;
use cresset_kernels::simd::{Isa, isa};
use cresset_train::doctor::{self, Finding, Verdict};
use cresset_train::{Trainer, to_tensors};
use std::path::PathBuf;
use std::process::ExitCode;

/// Check this machine, a data set and a model before a long training
#[derive(Args)]
pub struct DoctorArgs {
    /// A run or its config.toml, instead of flags about data and model
    #[arg(value_name = "RUN|CONFIG.toml")]
    run: Option<PathBuf>,
    #[command(flatten)]
    trial: TrialArgs,
    /// Samples that are read to see whether the data can be
    #[arg(long, value_name = "N", default_value_t = 200)]
    samples: usize,
    /// Images of the batch that the model must learn by heart
    #[arg(long, value_name = "N", default_value_t = 16)]
    images: usize,
    /// Steps in which it must
    #[arg(long, value_name = "N", default_value_t = 40)]
    steps: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtime: RuntimeArgs,
}

/// Runs the command. The exit status is 1 if anything is bad.
pub fn run(args: DoctorArgs) -> Result<ExitCode> {
    let samples = count("--samples", args.samples, 1..=10_000_000)?;
    let images = count("--images", args.images, 2..=4096)?;
    let steps = count("--steps", args.steps, 1..=100_000)?;
    args.runtime.apply()?;
    let json = args.json;
    let mut train = options(args)?;
    train.optimizer.batch_size = images;
    train.run.seed = Some(train.run.seed.unwrap_or(0));
    train.validate()?;
    let mut findings = vec![instruction_set(), threads()];
    if !json {
        findings.iter().try_for_each(print)?;
    }
    let trainer = Setup::new(&train, None)?.into_trainer(&train, None, String::new())?;
    examine(&trainer, (samples, steps), |finding| {
        if !json {
            print(&finding)?;
        }
        findings.push(finding);
        Ok(())
    })?;
    if json {
        output::json(&findings)?;
    }
    let bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    Ok(ExitCode::from(u8::from(bad)))
}

/// Those of a run, or of the flags.
fn options(args: DoctorArgs) -> Result<TrainArgs> {
    let Some(path) = args.run else { return args.trial.into_train() };
    let config = if path.is_dir() { path.join("config.toml") } else { path.clone() };
    if !config.is_file() {
        bail!(
            "{}: there is no such file; give a folder that `cresset train` has made, or a config.toml",
            config.display()
        );
    }
    let mut train = file::layered(&[], &file::read(&config)?, &config.display().to_string())?;
    let best = path.join("best.safetensors");
    if best.is_file() {
        train.model.weights = Some(best);
    }
    Ok(train)
}

/// Everything about data and model, one finding after the other.
fn examine(
    trainer: &Trainer,
    (samples, steps): (usize, usize),
    mut tell: impl FnMut(Finding) -> Result<()>,
) -> Result<()> {
    let dataset = &**trainer.train_data().dataset();
    let data = doctor::readable(dataset, samples);
    let unreadable = data.verdict == Verdict::Bad;
    tell(data)?;
    tell(doctor::class_balance(dataset))?;
    if unreadable {
        return Ok(());
    }
    let Some(batch) = trainer.train_data().epoch(0).next().transpose()? else {
        bail!("the data set has no batch");
    };
    tell(doctor::normalization(&batch))?;
    let (images, targets) = to_tensors(batch);
    let model = trainer.model();
    tell(doctor::dead_units(model, &images))?;
    tell(doctor::gradients(model, &images, &targets))?;
    let (learned, trained) = doctor::overfit(model, &images, &targets, steps);
    tell(learned)?;
    tell(doctor::batch_norms(&*trained))
}

/// Which of the processor's instructions the kernels use.
fn instruction_set() -> Finding {
    const SUBJECT: &str = "instruction set";
    let (used, best) = (isa(), Isa::available().next().unwrap_or(Isa::Scalar));
    if cfg!(debug_assertions) {
        return Finding::doubtful(
            SUBJECT,
            format!("{}, but without optimization", used.name()),
            "build with --release",
        );
    }
    if used != best {
        let found = format!("{}, although the processor has {}", used.name(), best.name());
        return Finding::doubtful(SUBJECT, found, "unset CRESSET_ISA");
    }
    match used {
        Isa::Scalar => {
            Finding::doubtful(SUBJECT, "plain floats", "use a processor with AVX2, AVX-512 or NEON")
        }
        isa => Finding::good(SUBJECT, isa.name()),
    }
}

/// How many threads compute.
fn threads() -> Finding {
    const SUBJECT: &str = "threads";
    let used = rayon::current_num_threads();
    let cores = std::thread::available_parallelism().map_or(used, usize::from);
    let found = format!("{used} on {cores} cores");
    match used.cmp(&cores) {
        std::cmp::Ordering::Equal => Finding::good(SUBJECT, found),
        std::cmp::Ordering::Less => Finding::doubtful(SUBJECT, found, "raise or leave out --threads"),
        std::cmp::Ordering::Greater => Finding::doubtful(SUBJECT, found, "lower or leave out --threads"),
    }
}

/// One line, and one more with what to do.
fn print(finding: &Finding) -> Result<()> {
    let mark = match finding.verdict {
        Verdict::Good => "ok  ",
        Verdict::Doubtful => "hm  ",
        Verdict::Bad => "BAD ",
    };
    output::text(&format!("{mark}  {:15}  {}\n", finding.subject, finding.found))?;
    match &finding.advice {
        Some(advice) => output::text(&format!("{:21}  -> {advice}\n", "")),
        None => Ok(()),
    }
}
