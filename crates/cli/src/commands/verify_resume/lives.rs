//! Trainings in processes of their own, and their ends.

use crate::signals::Signals;
use anyhow::{Context, Result, bail};
use cresset_tensor::Generator;
use cresset_train::RunDir;
use cresset_train::checkpoint::{Checkpoint, Digest};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Where the trainings live.
pub struct Lab<'a> {
    folder: &'a Path,
    program: PathBuf,
    signals: &'a Signals,
    random: Generator,
    /// How long the uninterrupted run took.
    whole: Duration,
}

/// What a run came to, and where it was killed on the way.
pub struct Lived {
    pub digest: Digest,
    /// At which step the checkpoint stood each time.
    pub killed_at: Vec<u64>,
}

/// How often a running process is looked at.
const LOOK: Duration = Duration::from_micros(500);

impl<'a> Lab<'a> {
    pub fn new(folder: &'a Path, signals: &'a Signals, seed: u64) -> Result<Self> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        Ok(Self { folder, program, signals, random: Generator::new(seed), whole: Duration::ZERO })
    }

    /// Trains in one go.
    ///
    /// # Errors
    /// If the training fails.
    pub fn uninterrupted(&mut self, config: &str) -> Result<Lived> {
        let start = Instant::now();
        let dir = self.begin("uninterrupted", config)?;
        let status = self.wait(&mut self.start(&dir)?, |_| false)?;
        self.require_success(status)?;
        self.whole = start.elapsed();
        Ok(Lived { digest: digest(&dir)?, killed_at: Vec::new() })
    }

    /// Trains, is killed at random moments, at most `kills` times, and resumed each time.
    ///
    /// # Errors
    /// If the training fails, or what a kill left cannot be read.
    pub fn killed(&mut self, config: &str, name: &str, kills: usize, steps: usize) -> Result<Lived> {
        let dir = self.begin(name, config)?;
        let mut killed_at = Vec::new();
        while killed_at.len() < kills {
            // Some die before their first checkpoint, all within a few steps of one.
            let checkpoints = self.random.below(steps.min(50) as u64 / 5 + 2);
            let spread = if checkpoints == 0 { self.whole / 4 } else { self.whole * 2 / steps as u32 };
            let delay = spread.mul_f32(self.random.uniform());
            match self.live_until(&dir, checkpoints, delay)? {
                Some(status) => {
                    self.require_success(status)?;
                    return Ok(Lived { digest: digest(&dir)?, killed_at });
                }
                None if dir.last().exists() => killed_at.push(position(&dir)?),
                None => killed_at.push(0),
            }
        }
        let status = self.wait(&mut self.start(&dir)?, |_| false)?;
        self.require_success(status)?;
        Ok(Lived { digest: digest(&dir)?, killed_at })
    }

    /// A folder with a configuration, as a run has it that was killed at once.
    fn begin(&self, name: &str, config: &str) -> Result<RunDir> {
        let dir = RunDir::create(&self.folder.join(name))?;
        dir.write_config(config)?;
        Ok(dir)
    }

    /// Trains until so many checkpoints have been written and then some time has passed. The status, if the training
    /// came to its own end before that.
    fn live_until(&self, dir: &RunDir, checkpoints: u64, delay: Duration) -> Result<Option<ExitStatus>> {
        let mut child = self.start(dir)?;
        let (mut seen, mut last) = (0, written(dir));
        let mut since = Instant::now();
        let status = self.wait(&mut child, |now| {
            if seen < checkpoints {
                let latest = written(dir);
                if latest != last {
                    (seen, last, since) = (seen + 1, latest, now);
                }
            }
            seen >= checkpoints && now - since >= delay
        })?;
        // What ended by itself in the last moment was not killed.
        Ok(Some(status).filter(|status| !was_killed(status)))
    }

    fn start(&self, dir: &RunDir) -> Result<Child> {
        let errors = File::create(self.errors()).context("cannot write to the temporary folder")?;
        let mut command = Command::new(&self.program);
        command.arg("train").arg("--resume").arg(dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        command.spawn().context("cannot start a training")
    }

    /// Waits for a process to end, or until `enough`, when it is killed.
    fn wait(&self, child: &mut Child, mut enough: impl FnMut(Instant) -> bool) -> Result<ExitStatus> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if self.signals.received() {
                child.kill()?;
                child.wait()?;
                bail!("interrupted");
            }
            if enough(Instant::now()) {
                child.kill()?;
                return Ok(child.wait()?);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn require_success(&self, status: ExitStatus) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        let said = fs::read_to_string(self.errors()).unwrap_or_default();
        let said = said.lines().last().unwrap_or("nothing").trim_start_matches("error: ").to_owned();
        bail!("a training failed ({status}) and said: {said}")
    }

    fn errors(&self) -> PathBuf {
        self.folder.join("stderr.txt")
    }
}

/// Whether a process ended because it was killed, and not in any way of its own.
fn was_killed(status: &ExitStatus) -> bool {
    #[cfg(unix)]
    return std::os::unix::process::ExitStatusExt::signal(status).is_some();
    #[cfg(not(unix))]
    return !status.success();
}

/// When the latest checkpoint was written.
fn written(dir: &RunDir) -> Option<SystemTime> {
    fs::metadata(dir.last()).and_then(|file| file.modified()).ok()
}

/// The step of the latest checkpoint, which must be readable.
fn position(dir: &RunDir) -> Result<u64> {
    let training = Checkpoint::load(&dir.last())?.training;
    Ok(training.context("the checkpoint has no training state")?.progress.step)
}

/// What is in the final checkpoint. `metrics.jsonl` must agree with it.
fn digest(dir: &RunDir) -> Result<Digest> {
    let checkpoint = Checkpoint::load(&dir.last())?;
    let history = checkpoint.training.as_ref().map(|training| &training.progress.history);
    if Some(&dir.read_metrics()?) != history {
        bail!("{} does not agree with the checkpoint beside it", dir.metrics().display());
    }
    Ok(checkpoint.digest())
}
