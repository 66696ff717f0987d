//! Layers one after another, as `torch.nn.Sequential`.

use crate::{Field, Forward, Layer, Module, Visitor, VisitorMut};
use cresset_tensor::Tensor;
use std::ops::{Deref, DerefMut};

/// Feeds its input through layers in order. Their names are "0", "1", ….
///
/// ```
/// use cresset_nn::{Conv2d, Flatten, Forward, Linear, ModuleExt, ReLU, Sequential};
/// use cresset_tensor::{Generator, Tensor};
///
/// let mut rng = Generator::new(0);
/// let model = Sequential::new()
///     .add(Conv2d::new(1, 4, 3, &mut rng))
///     .add(ReLU::new())
///     .add(Flatten::new())
///     .add(Linear::new(4 * 6 * 6, 10, &mut rng));
/// assert_eq!(*model.forward(&Tensor::zeros([2, 1, 8, 8])).shape(), [2, 10]);
/// assert_eq!(model.named_parameters()[2].0, "3.weight");
/// ```
///
/// Dereferences to the list of layers: `model.len()`, `model[0]`, `model.iter()`.
#[derive(Clone, Default)]
pub struct Sequential {
    layers: Vec<Box<dyn Layer>>,
}

impl Sequential {
    /// No layers: gives back its input.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more layer at the end.
    #[allow(clippy::should_implement_trait, reason = "adds a layer, as in a builder; nothing is summed")]
    pub fn add(mut self, layer: impl Layer + 'static) -> Self {
        self.push(layer);
        self
    }

    /// Adds a layer at the end.
    pub fn push(&mut self, layer: impl Layer + 'static) {
        self.layers.push(Box::new(layer));
    }
}

impl Deref for Sequential {
    type Target = [Box<dyn Layer>];
    fn deref(&self) -> &Self::Target {
        &self.layers
    }
}

impl DerefMut for Sequential {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.layers
    }
}

impl<L: Layer + 'static> FromIterator<L> for Sequential {
    fn from_iter<I: IntoIterator<Item = L>>(layers: I) -> Self {
        layers.into_iter().fold(Self::new(), Self::add)
    }
}

impl std::fmt::Debug for Sequential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.layers.iter().map(|layer| layer.kind())).finish()
    }
}

impl Module for Sequential {
    fn kind(&self) -> &'static str {
        "Sequential"
    }

    fn visit(&self, visitor: &mut dyn Visitor) {
        for (i, layer) in self.layers.iter().enumerate() {
            visitor.module(&i.to_string(), &**layer);
        }
    }

    fn visit_mut(&mut self, visitor: &mut dyn VisitorMut) {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            visitor.module(&i.to_string(), &mut **layer);
        }
    }
}

#[diagnostic::do_not_recommend]
impl Field for Sequential {
    fn visit_field(&self, name: &str, visitor: &mut dyn Visitor) {
        visitor.module(name, self);
    }

    fn visit_field_mut(&mut self, name: &str, visitor: &mut dyn VisitorMut) {
        visitor.module(name, self);
    }
}

impl Forward for Sequential {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.clone();
        for layer in &self.layers {
            x = (**layer).forward(&x);
        }
        x
    }
}
