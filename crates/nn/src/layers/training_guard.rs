//! Notices a model that is evaluated in training mode.

use crate::{Field, Mode, Visitor, VisitorMut};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{is_grad_enabled, trace};
use std::sync::atomic::{AtomicBool, Ordering};

/// Warns once, by name, when a layer whose training and evaluation differ runs in training mode while gradients
/// are off: almost always a forgotten [`eval()`](crate::ModuleExt::eval).
#[derive(Debug, Default)]
pub struct TrainingGuard {
    reported: AtomicBool,
}

impl TrainingGuard {
    /// Called by the layer's forward.
    pub fn check(&self, mode: Mode, name: &LayerName, kind: &'static str) {
        let suspicious = mode.is_training() && !is_grad_enabled() && !trace::is_active();
        if suspicious && !self.reported.swap(true, Ordering::Relaxed) {
            let name = name.get();
            tracing::warn!(
                "layer {:?} ({kind}) runs in training mode while gradients are off: did you forget eval()?",
                name.as_deref().unwrap_or(kind)
            );
        }
    }
}

/// A copy is another layer, and reports for itself.
impl Clone for TrainingGuard {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[diagnostic::do_not_recommend]
impl Field for TrainingGuard {
    fn visit_field(&self, _: &str, _: &mut dyn Visitor) {}
    fn visit_field_mut(&mut self, _: &str, _: &mut dyn VisitorMut) {}
}
