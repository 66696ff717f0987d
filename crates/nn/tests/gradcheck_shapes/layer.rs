//! A layer as a case of the check: its parameters are inputs too.

use crate::check::{Draw, Function, Input, gradients_agree, leaf, over_shapes, values_agree};
use crate::oracle::Nd;
use cresset_nn::{Layer, ModuleExt, Param};
use cresset_tensor::{Array, Tensor, no_grad};

/// Some modules, and the same in float64.
pub struct Case {
    pub inputs: Vec<Input>,
    /// Of all modules. They get random values.
    pub parameters: Vec<Param>,
    /// Of the inputs alone.
    pub ours: Function<Tensor>,
    /// Of the inputs, then the parameters.
    pub oracle: Function<Nd>,
}

/// Checks values and gradients, and that evaluation without gradients (where weights may be packed and norms folded)
/// gives the same values.
#[track_caller]
pub fn check(name: &str, make: impl Fn(&mut Draw) -> Case) {
    over_shapes(name, |name, draw| {
        let Case { inputs, parameters, ours, oracle } = make(draw);
        for parameter in &parameters {
            let (shape, values) = draw.any(&parameter.shape());
            parameter.set(Array::from_vec(values, &shape[..]));
        }
        let inputs: Vec<Tensor> = inputs.iter().map(leaf).collect();
        let leaves: Vec<Tensor> =
            inputs.iter().cloned().chain(parameters.iter().map(Param::tensor)).collect();
        values_agree(&format!("{name}, without gradients"), &leaves, &no_grad(|| ours(&inputs)), &oracle);
        gradients_agree(name, &leaves, &ours(&inputs), &oracle)
    });
}

/// A layer of one input.
pub fn of(input: Input, layer: impl Layer + 'static, oracle: impl Fn(&[Nd]) -> Nd + 'static) -> Case {
    Case {
        inputs: vec![input],
        parameters: layer.parameters(),
        ours: Box::new(move |t| layer.forward(&t[0])),
        oracle: Box::new(oracle),
    }
}

/// A seed for layers whose initial values will be replaced.
pub fn rng() -> cresset_tensor::Generator {
    cresset_tensor::Generator::new(0)
}
