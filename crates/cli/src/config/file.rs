//! Configuration files, and how flags lie over them.
//!
//! A key in a file is a flag without its dashes, so a file is read by turning it into flags: there is one parser, one
//! set of defaults and one set of messages for both.

use super::TrainArgs;
use super::validate::UsageError;
use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::ffi::OsString;
use std::path::Path;

/// Keys and values.
pub type Table = toml::Table;

/// A configuration file holds some dozen lines; whatever is larger is something else.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a configuration file of `cresset train`.
///
/// # Errors
/// If it cannot be read, is no TOML, or has a key that is no flag.
pub fn read(path: &Path) -> Result<Table> {
    let name = || format!("cannot read {}", path.display());
    let size = std::fs::metadata(path).with_context(name)?.len();
    if size > MAX_BYTES {
        bail!("{}: {size} bytes are too many for a configuration file", path.display());
    }
    parse(&std::fs::read_to_string(path).with_context(name)?).with_context(|| path.display().to_string())
}

/// Parses the text of a configuration file. Underscores in keys count as dashes.
///
/// # Errors
/// If it is no TOML, or has a key that is no flag.
pub fn parse(text: &str) -> Result<Table> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| syntax_error(&error, text))?;
    let known = TrainArgs::keys();
    let mut normal = Table::new();
    for (key, value) in table {
        let dashed = key.replace('_', "-");
        if !known.contains(&dashed) {
            bail!(unknown_key(&key, &dashed, &known));
        }
        normal.insert(dashed, value);
    }
    Ok(normal)
}

/// Command-line flags over the keys of a file over the defaults. `source` names the file in messages.
///
/// # Errors
/// If a value is not of its flag's type.
pub fn layered(flags: &[OsString], file: &Table, source: &str) -> Result<TrainArgs> {
    let given = matches(flags)?;
    let from_file = |wanted: &dyn Fn(&str) -> bool| -> Result<Vec<OsString>> {
        let entries = file.iter().filter(|(key, _)| wanted(key));
        let args = entries.map(|(key, value)| as_flag(key, value)).collect::<Result<Vec<_>>>()?;
        Ok(args.into_iter().flatten().collect())
    };
    // The file alone first, so that its mistakes are told under its name.
    from_file(&|_| true).and_then(|args| matches(&args)).with_context(|| source.to_owned())?;
    let mut args =
        from_file(&|key| given.value_source(&key.replace('-', "_")) != Some(ValueSource::CommandLine))?;
    args.extend_from_slice(flags);
    TrainArgs::from_arg_matches(&matches(&args)?).map_err(|error| usage_error(&error).into())
}

fn matches(args: &[OsString]) -> Result<ArgMatches> {
    let command =
        TrainArgs::augment_args(Command::new("train").no_binary_name(true).args_override_self(true));
    command.try_get_matches_from(args).map_err(|error| usage_error(&error).into())
}

/// `--key=value`; nothing for `false`.
fn as_flag(key: &str, value: &toml::Value) -> Result<Option<OsString>> {
    let text = match value {
        toml::Value::Boolean(false) => return Ok(None),
        toml::Value::Boolean(true) => return Ok(Some(format!("--{key}").into())),
        toml::Value::Array(items) => {
            items.iter().map(|item| scalar(key, item)).collect::<Result<Vec<_>>>()?.join(",")
        }
        other => scalar(key, other)?,
    };
    Ok((!text.is_empty()).then(|| format!("--{key}={text}").into()))
}

fn scalar(key: &str, value: &toml::Value) -> Result<String> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        other => bail!(UsageError(format!(
            "{key} is of type {}, allowed: strings, numbers, booleans and lists of them",
            other.type_str()
        ))),
    }
}

/// What clap says, in one line.
pub fn usage_error(error: &clap::Error) -> UsageError {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut message = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    for line in lines {
        if let Some(tip) = line.strip_prefix("tip: ") {
            message.push_str("; ");
            message.push_str(tip);
        } else if line.starts_with("[possible values") {
            message.push(' ');
            message.push_str(line);
        } else if line.starts_with("Usage:") {
            break;
        } else if message.ends_with(':') {
            message.push(' ');
            message.push_str(line);
        }
    }
    UsageError(message)
}

fn syntax_error(error: &toml::de::Error, text: &str) -> UsageError {
    let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
    let place = line.map_or(String::new(), |line| format!("line {line}: "));
    UsageError(format!("{place}{}", error.message().lines().collect::<Vec<_>>().join(", ")))
}

fn unknown_key(key: &str, dashed: &str, known: &[String]) -> UsageError {
    let score = |name: &str| strsim::jaro_winkler(name, dashed);
    let near = known.iter().map(|name| (score(name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match near {
        Some((score, name)) if score > 0.8 => format!("did you mean {name:?}?"),
        _ => "`cresset train --help` lists all flags".to_owned(),
    };
    UsageError(format!("unknown key {key:?}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(flags: &[&str], text: &str) -> Result<TrainArgs> {
        let flags: Vec<OsString> = flags.iter().map(OsString::from).collect();
        layered(&flags, &parse(text)?, "run.toml")
    }

    fn message(flags: &[&str], text: &str) -> String {
        format!("{:#}", layers(flags, text).unwrap_err())
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let args = layers(&["--lr", "0.5"], "lr = 0.1\nbatch_size = 7\nlr-milestones = [3, 5]\n").unwrap();
        assert_eq!(args.optimizer.lr, 0.5);
        assert_eq!(args.optimizer.batch_size, 7);
        assert_eq!(args.optimizer.momentum, 0.9);
        assert_eq!(args.schedule.lr_milestones, [3, 5]);
        let args = layers(&["--lr-milestones", "9"], "lr-milestones = [3, 5]\nno-download = true").unwrap();
        assert_eq!((args.schedule.lr_milestones, args.data.source.no_download), (vec![9], true));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let flags =
            ["--lr", "0.1", "--mean", "0.5", "--std", "0.25", "--seed", "7", "--opt-betas", "0.8,0.99"];
        let args = layers(&flags, "").unwrap();
        let text = toml::to_string(&args).unwrap();
        assert_eq!(layers(&[], &text).unwrap(), args, "{text}");
    }

    #[test]
    fn every_key_that_is_written_is_known() {
        let table = Table::try_from(layers(&[], "").unwrap()).unwrap();
        let known = TrainArgs::keys();
        assert!(table.keys().all(|key| known.contains(key)), "{table}");
    }

    #[test]
    fn mistakes_are_told_in_one_line() {
        assert_eq!(message(&[], "lrr = 1"), r#"unknown key "lrr"; did you mean "lr"?"#);
        assert!(message(&[], "quux = 1").contains("--help"));
        assert_eq!(
            message(&[], "lr = \"fast\""),
            "run.toml: invalid value 'fast' for '--lr <X>': invalid float literal"
        );
        assert!(message(&[], "lr = 1\nlr = 2").starts_with("line 2: "));
        assert!(message(&[], "opt = 'sgdd'").contains("[possible values: sgd, nesterov, adam, adamw]"));
        assert!(message(&[], "lr = {a = 1}").contains("type table"));
        assert!(message(&["--epoch", "3"], "").contains("--epochs"));
    }
}
