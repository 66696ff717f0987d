//! From options to a trainer.

use super::shown;
use crate::config::validate::UsageError;
use crate::config::{OptimizerArgs, OptimizerKind, ScheduleArgs, SchedulerKind, TrainArgs};
use crate::ui::number::{shape, thousands};
use anyhow::{Result, bail};
use cresset_nn::optim::{Adam, AdamOptions, AdamW, Group, Optimizer, Role, Sgd, SgdOptions, parameter_roles};
use cresset_nn::schedule::{
    ConstantLr, CosineAnnealingLr, ExponentialLr, MultiStepLr, OneCycleLr, PlateauMode, PolynomialLr,
    ReduceLrOnPlateau, Schedule, StepLr, Warmup,
};
use cresset_nn::{Layer, ModuleExt, Param, Strictness, weights};
use cresset_tensor::Generator;
use cresset_train::checkpoint::{Checkpoint, ModelCard, split_training};
use cresset_train::{Frozen, LrPolicy, RunDir, TrainOptions, Trainer};
use cresset_vision::loader::{DataLoader, LoaderOptions};
use cresset_vision::models::{self, ModelConfig, WeightsInit};
use std::path::Path;

/// Everything a run is made of, before it touches the disk.
pub struct Setup {
    card: ModelCard,
    model: Box<dyn Layer>,
    train: DataLoader,
    val: DataLoader,
    /// What was loaded from `--weights`.
    weights: Option<String>,
    frozen: Frozen,
    optimizer: Box<dyn Optimizer>,
}

impl Setup {
    /// Loads the data and builds the model.
    ///
    /// # Errors
    /// If the data cannot be loaded, or the model cannot be built or does not fit them.
    pub fn new(args: &TrainArgs, resumed: Option<&Checkpoint>) -> Result<Self> {
        let entry = models::find(&args.model.model).map_err(|error| UsageError(error.to_string()))?;
        let source = &args.data.source;
        let splits = source.open()?;
        let val = source.validation(&splits)?;
        let mut preprocessing = match resumed {
            Some(checkpoint) => checkpoint.card.preprocessing.clone(),
            None => source.preprocessing(&splits, entry.input)?,
        };
        args.augment.resize(source, &splits, &mut preprocessing)?;
        if let (Some(mean), Some(std)) = (&args.data.mean, &args.data.std) {
            (preprocessing.mean, preprocessing.std) = (mean.clone(), std.clone());
        }
        let pipeline = preprocessing.pipeline()?;
        let train_pipeline = args.augment.train_pipeline(source, &preprocessing)?;
        let [in_channels, height, width] = preprocessing.input;
        let card = ModelCard::new(entry.name, splits.train.classes().to_vec(), preprocessing);
        let config = ModelConfig {
            in_channels,
            input_size: (height, width),
            num_classes: card.classes.len(),
            init: WeightsInit { zero_init_residual: args.model.zero_init_residual },
            dropout: args.model.dropout as f32,
        };
        let seed = args.run.seed.unwrap_or(0);
        let model = entry.build(&config, &mut Generator::new(seed))?;
        let weights = match (&args.model.weights, resumed) {
            (Some(path), None) => Some(load_weights(&*model, path)?),
            _ => None,
        };
        let frozen = Frozen::new(&*model, &args.finetune.freeze)?;
        let groups = optimizer(args, &*model)?;
        let cheap = splits.train.is_in_memory() && args.augment.auto_augment.is_none();
        let options = LoaderOptions {
            batch_size: args.optimizer.batch_size,
            shuffle: true,
            workers: args.data.workers(cheap),
            seed,
            skip_broken: args.data.skip_broken,
            mix: args.augment.mix()?,
            ..Default::default()
        };
        let val_options = LoaderOptions {
            batch_size: args.optimizer.validation_batch_size.unwrap_or(args.optimizer.batch_size),
            shuffle: false,
            mix: None,
            ..options.clone()
        };
        Ok(Self {
            card,
            model,
            train: DataLoader::new(splits.train, train_pipeline, options)?,
            val: DataLoader::new(val, pipeline, val_options)?,
            weights,
            frozen,
            optimizer: groups,
        })
    }

    /// Images of the training and of the validation data.
    pub fn images(&self) -> [usize; 2] {
        [&self.train, &self.val].map(|data| data.dataset().len())
    }

    /// What is about to be done, in a few lines.
    pub fn describe(&self, args: &TrainArgs, dir: &RunDir) -> String {
        let mut text = format!(
            "{} ({} parameters) on {}: {} training and {} validation images of {}, {} classes\n",
            self.card.model,
            thousands(self.model.num_parameters() as u64),
            args.data.source.data,
            thousands(self.train.dataset().len() as u64),
            thousands(self.val.dataset().len() as u64),
            shape(&self.card.preprocessing.input),
            self.card.classes.len(),
        );
        if let (Some(report), Some(path)) = (&self.weights, &args.model.weights) {
            text.push_str(&format!("{}: {report}\n", path.display()));
        }
        if !args.finetune.freeze.is_empty() {
            let learning = thousands(self.model.num_trainable_parameters() as u64);
            text.push_str(&format!(
                "frozen: {}; {learning} parameters learn\n",
                args.finetune.freeze.join(", ")
            ));
        }
        let threads = args.run.runtime.threads();
        let seed = args.run.seed.unwrap_or(0);
        text.push_str(&format!("seed {seed}, {threads} threads, writing to {}\n", shown(dir)));
        text
    }

    /// The trainer; without a folder it writes nothing.
    ///
    /// # Errors
    /// If the output folder cannot be written.
    pub fn into_trainer(self, args: &TrainArgs, dir: Option<&RunDir>, config: String) -> Result<Trainer> {
        let steps = self.train.num_batches().div_ceil(args.optimizer.grad_accum_steps) as u64;
        let options = TrainOptions {
            epochs: args.optimizer.epochs as u64,
            seed: args.run.seed.unwrap_or(0),
            accumulate: args.optimizer.grad_accum_steps,
            label_smoothing: args.optimizer.label_smoothing,
            clip_grad_norm: args.optimizer.clip_grad_norm,
            amp: args.optimizer.amp,
            detect_anomaly: args.run.detect_anomaly,
            lr: lr_policy(&args.schedule, &args.optimizer, steps),
            output_dir: dir.map(|dir| dir.path().to_path_buf()),
            checkpoint_every: args.run.checkpoint_every,
            keep: args.run.keep,
            max_steps: args.run.max_steps.map(|steps| steps as u64),
            average: args.evaluation.average(
                (args.optimizer.batch_size * args.optimizer.grad_accum_steps) as u64,
                args.optimizer.epochs as u64,
                args.schedule.lr_warmup_epochs,
            ),
            patience: args.evaluation.patience,
            eval_every: args.evaluation.eval_every,
            frozen: self.frozen,
            config,
        };
        Ok(Trainer::new(self.model, self.optimizer, (self.train, self.val), self.card, options)?)
    }
}

/// Starts from given weights: what fits is taken, what does not is told.
fn load_weights(model: &dyn Layer, path: &Path) -> Result<String> {
    let mut tensors = weights::load(path)?.tensors;
    split_training(&mut tensors);
    match model.load_state_dict(&tensors, Strictness::Lenient) {
        Ok(report) => Ok(report.to_string()),
        Err(error) => bail!("{}: {error}", path.display()),
    }
}

/// The optimizer, with a group for each learning rate and weight decay.
fn optimizer(args: &TrainArgs, model: &dyn Layer) -> Result<Box<dyn Optimizer>> {
    let OptimizerArgs { momentum, opt_eps: eps, opt, .. } = args.optimizer;
    let sgd = |nesterov| {
        move |lr, weight_decay| SgdOptions { lr, momentum, weight_decay, nesterov, ..Default::default() }
    };
    let betas = (args.optimizer.opt_betas[0], args.optimizer.opt_betas[1]);
    let adam = |lr, weight_decay| AdamOptions { lr, betas, eps, weight_decay, ..Default::default() };
    Ok(match opt {
        OptimizerKind::Sgd => Box::new(Sgd::with_groups(groups(args, model, sgd(false))?)),
        OptimizerKind::Nesterov => Box::new(Sgd::with_groups(groups(args, model, sgd(true))?)),
        OptimizerKind::Adam => Box::new(Adam::with_groups(groups(args, model, adam)?)),
        OptimizerKind::Adamw => Box::new(AdamW::with_groups(groups(args, model, adam)?)),
    })
}

/// One group for each factor on the learning rate and each weight decay.
fn groups<O>(args: &TrainArgs, model: &dyn Layer, options: impl Fn(f64, f64) -> O) -> Result<Vec<Group<O>>> {
    let OptimizerArgs { lr, weight_decay, norm_weight_decay, bias_weight_decay, .. } = args.optimizer;
    let roles = parameter_roles(model);
    let decay = |param: &Param| match roles.iter().find(|(_, other, _)| other.is_same(param)) {
        Some((_, _, Role::Norm)) => norm_weight_decay.unwrap_or(weight_decay),
        Some((_, _, Role::Bias)) => bias_weight_decay.unwrap_or(weight_decay),
        _ => weight_decay,
    };
    let mut groups = Vec::new();
    for (factor, params) in args.finetune.by_rate(model.named_parameters())? {
        let mut by_decay: Vec<(f64, Vec<(String, Param)>)> = Vec::new();
        for (name, param) in params {
            let decay = decay(&param);
            match by_decay.iter_mut().find(|(other, _)| *other == decay) {
                Some((_, group)) => group.push((name, param)),
                None => by_decay.push((decay, vec![(name, param)])),
            }
        }
        let with_options = |(decay, params)| Group { params, options: options(lr * factor, decay) };
        groups.extend(by_decay.into_iter().map(with_options));
    }
    Ok(groups)
}

/// The schedule, in epochs or in steps.
fn lr_policy(args: &ScheduleArgs, optimizer: &OptimizerArgs, steps_per_epoch: u64) -> LrPolicy {
    let epochs = optimizer.epochs as u64;
    let by_step = args.lr_on_updates || args.lr_scheduler == SchedulerKind::OneCycle;
    let unit = if by_step { steps_per_epoch } else { 1 };
    let warmup = args.lr_warmup_epochs * unit;
    // What is left after the warm-up.
    let total = epochs * unit - warmup;
    let schedule: Box<dyn Schedule> = match args.lr_scheduler {
        SchedulerKind::Constant => Box::new(ConstantLr),
        SchedulerKind::Step => Box::new(StepLr { step_size: args.lr_step_size * unit, gamma: args.lr_gamma }),
        SchedulerKind::Multistep => Box::new(MultiStepLr {
            // Milestones are epochs of the run, not of what follows the warm-up.
            milestones: args.lr_milestones.iter().map(|m| (m * unit).saturating_sub(warmup)).collect(),
            gamma: args.lr_gamma,
        }),
        SchedulerKind::Exponential => {
            Box::new(ExponentialLr { gamma: args.lr_gamma.powf(1.0 / unit as f64) })
        }
        SchedulerKind::Cosine => Box::new(CosineAnnealingLr { t_max: total, eta_min: args.lr_min }),
        SchedulerKind::Polynomial => Box::new(PolynomialLr { total_iters: total, power: args.lr_power }),
        SchedulerKind::OneCycle => {
            let momentum = Some((0.85, 0.95)).filter(|_| optimizer.momentum > 0.0);
            Box::new(OneCycleLr { momentum, ..OneCycleLr::new(total) })
        }
        SchedulerKind::Plateau => {
            return LrPolicy::Plateau {
                plateau: ReduceLrOnPlateau {
                    mode: PlateauMode::Min,
                    factor: args.lr_gamma,
                    patience: args.lr_patience,
                    min_lr: vec![args.lr_min],
                    ..Default::default()
                },
                warmup_epochs: args.lr_warmup_epochs,
                warmup_factor: args.lr_warmup_decay,
            };
        }
    };
    let schedule: Box<dyn Schedule> = match warmup {
        0 => schedule,
        steps => Box::new(Warmup { steps, start_factor: args.lr_warmup_decay, then: schedule }),
    };
    if by_step { LrPolicy::PerStep(schedule) } else { LrPolicy::PerEpoch(schedule) }
}
