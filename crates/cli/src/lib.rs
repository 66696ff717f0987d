//! `cresset`: train, check and use convolutional image classifiers.
//!
//! A library only so that [`check_config`] can be tested with hostile files; the program is [`run`].

mod commands;
mod config;
mod data;
mod signals;
mod ui;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use commands::{
    bench, convert, doctor, eval, lr_find, models, predict, preview, profile, stats, summary, train,
    verify_resume,
};
use std::ffi::OsString;
use std::process::ExitCode;

/// Train, check and use convolutional image classifiers
#[derive(Parser)]
#[command(name = "cresset", version, max_term_width = 110, args_override_self = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(args_override_self = true)]
    Train(Box<config::TrainArgs>),
    Eval(eval::EvalArgs),
    Predict(predict::PredictArgs),
    Summary(summary::SummaryArgs),
    Stats(stats::StatsArgs),
    LrFind(Box<lr_find::LrFindArgs>),
    Preview(preview::PreviewArgs),
    Convert(convert::ConvertArgs),
    Models(models::ModelsArgs),
    Bench(bench::BenchArgs),
    Doctor(Box<doctor::DoctorArgs>),
    Profile(profile::ProfileArgs),
    #[command(args_override_self = true)]
    VerifyResume(Box<verify_resume::VerifyResumeArgs>),
}

/// The program: reads the command line, and does what it says.
pub fn run() -> ExitCode {
    ui::errors::one_line_panics();
    let args: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        // Help, asked for or not, has many lines; everything else has one.
        Err(error)
            if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
        Err(error) => return ui::errors::report(&config::file::usage_error(&error).into()),
    };
    let flags = args.get(2..).unwrap_or_default();
    let result = match cli.command {
        Command::Train(parsed) => train::run(*parsed, flags),
        Command::Eval(args) => eval::run(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Summary(args) => summary::run(&args),
        Command::Stats(args) => stats::run(&args),
        Command::LrFind(args) => lr_find::run(*args),
        Command::Preview(args) => preview::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Doctor(args) => doctor::run(*args),
        Command::Profile(args) => profile::run(&args),
        Command::VerifyResume(args) => verify_resume::run(*args, flags),
    };
    result.unwrap_or_else(|error| ui::errors::report(&error))
}

/// Reads the text of a configuration file as `cresset train -c FILE` does, up to the point where a run would begin.
///
/// # Errors
/// If it is no TOML, has a key that is no flag, or a value out of its range.
pub fn check_config(text: &str) -> anyhow::Result<()> {
    config::file::layered(&[], &config::file::parse(text)?, "configuration")?.validate()
}
