//! Activation functions, softmax, dropout.

use crate::file::Case;
use cresset_tensor::{Generator, Tensor};

pub fn run(case: &Case) -> Option<Vec<Tensor>> {
    let x = case.x();
    let output = match case.op {
        "relu" => x.relu(),
        "sigmoid" => x.sigmoid(),
        "tanh" => x.tanh(),
        "gelu" if case.text("approximate") == Some("tanh") => x.gelu_tanh(),
        "gelu" => x.gelu(),
        "silu" => x.silu(),
        "leaky_relu" => x.leaky_relu(case.number("negative_slope")),
        "softmax" => x.softmax(case.int("dim")),
        "log_softmax" => x.log_softmax(case.int("dim")),
        "dropout" if !case.flag("training") => x.clone(),
        // All or nothing is dropped, so the random numbers do not matter.
        "dropout" => x.dropout(case.number("p"), &mut Generator::new(0)),
        _ => return None,
    };
    Some(vec![output])
}
