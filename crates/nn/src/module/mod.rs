//! `Module`: a tree of parameters, buffers and submodules.

mod ext;
mod field;
mod walk;

pub use ext::ModuleExt;
pub use field::Field;

use crate::param::{Buffer, Param};
use cresset_tensor::Tensor;
use cresset_tensor::scope::LayerName;

/// A part of a model: it owns parameters, buffers and other modules. Derive it:
///
/// ```
/// use cresset_nn::{Conv2d, Forward, Linear, Module, ModuleExt};
/// use cresset_tensor::{Generator, Tensor};
///
/// #[derive(Module, Clone)]
/// struct Net {
///     conv: Conv2d,
///     fc: Linear,
/// }
///
/// impl Forward for Net {
///     fn forward(&self, x: &Tensor) -> Tensor {
///         self.fc.forward(&self.conv.forward(x).relu().flatten(1))
///     }
/// }
///
/// let mut rng = Generator::new(0);
/// let net = Net { conv: Conv2d::new(1, 2, 3, &mut rng), fc: Linear::new(2 * 6 * 6, 10, &mut rng) };
/// let names: Vec<_> = net.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]);
/// ```
///
/// Every field takes part, in field order and under its own name, so no registration can be forgotten: fields
/// of a type that the derive does not know are refused unless marked `#[module(skip)]`.
pub trait Module: Send + Sync {
    /// The type's name, as in a summary: `Conv2d`.
    fn kind(&self) -> &'static str;

    /// Shows every field to the visitor.
    fn visit(&self, visitor: &mut dyn Visitor);

    /// Shows every submodule and mode to the visitor, for change.
    fn visit_mut(&mut self, visitor: &mut dyn VisitorMut);
}

/// Computes an output from an input.
///
/// Calling it with an input that does not fit panics, as indexing out of bounds does, and names the layer, the
/// shapes and the caller's line.
pub trait Forward {
    /// Runs the module on a batch.
    // Here and not at the impls, so that the caller's line is passed on through `dyn` too.
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor;
}

/// What a model is to a trainer: modules that compute, of any type, cloneable behind a pointer.
pub trait Layer: Module + Forward {
    /// An independent deep copy.
    fn clone_layer(&self) -> Box<dyn Layer>;
}

impl<T: Module + Forward + Clone + 'static> Layer for T {
    fn clone_layer(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

impl Clone for Box<dyn Layer> {
    fn clone(&self) -> Self {
        (**self).clone_layer()
    }
}

impl Module for Box<dyn Layer> {
    fn kind(&self) -> &'static str {
        (**self).kind()
    }
    fn visit(&self, visitor: &mut dyn Visitor) {
        (**self).visit(visitor);
    }
    fn visit_mut(&mut self, visitor: &mut dyn VisitorMut) {
        (**self).visit_mut(visitor);
    }
}

impl<T: Forward + ?Sized> Forward for Box<T> {
    fn forward(&self, x: &Tensor) -> Tensor {
        (**self).forward(x)
    }
}

/// Sees the fields of a module, in order.
pub trait Visitor {
    /// A parameter field.
    fn param(&mut self, name: &str, param: &Param);
    /// A buffer field.
    fn buffer(&mut self, name: &str, buffer: &Buffer);
    /// A submodule; call its `visit` to go on inside.
    fn module(&mut self, name: &str, module: &dyn Module);
    /// The place where the module being visited keeps its own path.
    fn layer_name(&mut self, name: &LayerName);
}

/// Changes the modules of a tree.
pub trait VisitorMut {
    /// A submodule; call its `visit_mut` to go on inside.
    fn module(&mut self, name: &str, module: &mut dyn Module);
    /// The training flag of the module being visited.
    fn mode(&mut self, mode: &mut Mode);
}

/// Whether a layer that behaves differently in training and evaluation is in training: the flag of batch norm
/// and dropout. Starts in training, as PyTorch's modules do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(bool);

impl Mode {
    /// Whether the layer trains.
    pub fn is_training(self) -> bool {
        self.0
    }
}

impl Default for Mode {
    fn default() -> Self {
        Mode(true)
    }
}
