//! Parts of a model that do not learn.

use crate::error::{Result, TrainError};
use cresset_nn::{Layer, Module, ModuleExt};
use std::collections::BTreeSet;

/// Layers that stay as they are: their parameters get no gradient, and their batch norms stay in evaluation, so that
/// neither scales nor running statistics move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    layers: Vec<String>,
}

impl Frozen {
    /// Freezes every layer and parameter whose path is one of `layers` or lies below one: `layer1` is `layer1.0.conv1`
    /// and so on, but not `layer10`.
    ///
    /// # Errors
    /// If a name is no part of the model, or nothing is left to learn. Nothing is frozen then.
    pub fn new(model: &dyn Layer, layers: &[String]) -> Result<Self> {
        let frozen = Self { layers: layers.to_vec() };
        let parameters = model.named_parameters();
        if let Some(unknown) = layers.iter().find(|l| !parameters.iter().any(|(name, _)| is_within(name, l)))
        {
            let top: BTreeSet<&str> =
                parameters.iter().map(|(name, _)| name.split('.').next().unwrap_or(name)).collect();
            return Err(TrainError::NoSuchLayer {
                name: unknown.clone(),
                layers: top.into_iter().collect::<Vec<_>>().join(", "),
            });
        }
        if parameters.iter().all(|(name, _)| frozen.contains(name)) {
            return Err(TrainError::AllFrozen);
        }
        for (_, parameter) in parameters.iter().filter(|(name, _)| frozen.contains(name)) {
            parameter.set_trainable(false);
        }
        Ok(frozen)
    }

    /// Whether the layer or parameter of this path is frozen.
    pub fn contains(&self, path: &str) -> bool {
        self.layers.iter().any(|layer| is_within(path, layer))
    }

    /// Puts a model into training, but for its frozen layers.
    pub(crate) fn train(&self, model: &mut dyn Layer) {
        model.train();
        if self.layers.is_empty() {
            return;
        }
        let mut evaluate = |path: &str, layer: &mut dyn Module| {
            if self.contains(path) {
                layer.eval();
            }
        };
        model.walk_mut(&mut evaluate, &mut |_, _| {});
        // Each `eval` above told the layers their paths within the frozen part; messages want those in the model.
        model.walk(&mut |_, _| {}, &mut |_, _| {}, &mut |_, _| {});
    }
}

/// Whether `path` is `layer` or lies below it.
pub(crate) fn is_within(path: &str, layer: &str) -> bool {
    path.strip_prefix(layer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::is_within;

    #[test]
    fn a_layer_holds_what_is_below_it() {
        assert!(is_within("layer1.0.conv1.weight", "layer1") && is_within("fc", "fc"));
        assert!(!is_within("layer10.weight", "layer1") && !is_within("layer1", "layer1.0"));
    }
}
