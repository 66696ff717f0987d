//! Flags about which parts of a model learn, and how fast.

use super::validate::refuse;
use anyhow::{Context, Result};
use clap::Args;
use cresset_nn::Param;
use serde::Serialize;

/// Which parts of a model learn, and how fast.
#[derive(Args, Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = "Fine-tuning")]
pub struct FineTuneArgs {
    /// Layers that stay as they are, with all below them: conv1,bn1,layer1
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    pub freeze: Vec<String>,
    /// Factors on the learning rate of layers, with all below them: fc=10,layer4=2
    #[arg(long, value_name = "LAYER=X", value_delimiter = ',')]
    pub lr_mult: Vec<String>,
}

/// A factor on the learning rate, and the parameters it is for.
type Rated = (f64, Vec<(String, Param)>);

impl FineTuneArgs {
    /// Checks every range.
    pub fn validate(&self) -> Result<()> {
        self.multipliers().map(drop)
    }

    /// The layers of `--lr-mult` with their factors.
    ///
    /// # Errors
    /// If one is not of the form LAYER=X.
    pub fn multipliers(&self) -> Result<Vec<(&str, f64)>> {
        let parse = |text: &str| -> Option<(usize, f64)> {
            let (layer, factor) = text.split_once('=')?;
            let factor: f64 = factor.parse().ok()?;
            (!layer.is_empty() && factor.is_finite() && factor >= 0.0).then_some((layer.len(), factor))
        };
        let mut out = Vec::new();
        for text in &self.lr_mult {
            match parse(text) {
                Some((end, factor)) => out.push((&text[..end], factor)),
                None => refuse("--lr-mult", text, "a layer and a factor from 0 up, as fc=10")?,
            }
        }
        Ok(out)
    }

    /// Sorts parameters by their factor: 1 first, then the factors of `--lr-mult` in order. Where two layers hold a
    /// parameter, the longer path counts.
    ///
    /// # Errors
    /// If a layer holds no parameter.
    pub fn by_rate(&self, params: Vec<(String, Param)>) -> Result<Vec<Rated>> {
        let multipliers = self.multipliers()?;
        let mut groups: Vec<(f64, Vec<_>)> = vec![(1.0, Vec::new())];
        groups.extend(multipliers.iter().map(|&(_, factor)| (factor, Vec::new())));
        for (name, param) in params {
            let holds = |layer: &str| {
                name.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let layers = multipliers.iter().enumerate().filter(|(_, (layer, _))| holds(layer));
            let group = layers.max_by_key(|(_, (layer, _))| layer.len()).map_or(0, |(i, _)| i + 1);
            groups[group].1.push((name, param));
        }
        let empty = groups.iter().skip(1).position(|(_, params)| params.is_empty());
        if let Some(empty) = empty {
            let layer = multipliers[empty].0;
            refuse::<()>("--lr-mult", layer, "layers of the model; `cresset summary` lists them")
                .with_context(|| format!("no parameter is within {layer:?}"))?;
        }
        groups.retain(|(_, params)| !params.is_empty());
        Ok(groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cresset_nn::{Linear, ModuleExt};
    use cresset_tensor::Generator;

    fn args(lr_mult: &[&str]) -> FineTuneArgs {
        FineTuneArgs { freeze: Vec::new(), lr_mult: lr_mult.iter().map(|s| s.to_string()).collect() }
    }

    #[test]
    fn the_longest_path_decides() {
        let params = || {
            let linear = Linear::new(2, 2, &mut Generator::new(0));
            let named = linear.named_parameters().into_iter();
            named
                .flat_map(|(n, p)| [(format!("fc.{n}"), p.share()), (format!("fc2.{n}"), p)])
                .collect::<Vec<_>>()
        };
        let groups = args(&["fc=10", "fc.bias=20"]).by_rate(params()).unwrap();
        let names: Vec<_> = groups
            .iter()
            .map(|(x, params)| (*x, params.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(
            names,
            [(1.0, vec!["fc2.weight", "fc2.bias"]), (10.0, vec!["fc.weight"]), (20.0, vec!["fc.bias"])]
        );
        let error = format!("{:#}", args(&["head=2"]).by_rate(params()).unwrap_err());
        assert!(error.contains("--lr-mult") && error.contains("head"), "{error}");
    }

    #[test]
    fn factors_are_checked() {
        for bad in ["fc", "fc=", "=2", "fc=-1", "fc=NaN"] {
            let error = args(&[bad]).validate().unwrap_err().to_string();
            assert!(error.contains("--lr-mult") && error.contains("fc=10"), "{error}");
        }
    }
}
