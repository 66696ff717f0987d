//! Views and joins.

use crate::file::Case;
use cresset_tensor::Tensor;

pub fn run(case: &Case) -> Option<Vec<Tensor>> {
    let x = case.x();
    let y = match case.op {
        "reshape" => x.reshape(case.ints("shape")),
        "permute" => x.permute(case.ints("dims")),
        "transpose" => x.transpose(case.int("dim0"), case.int("dim1")),
        "narrow" => x.narrow(case.int("dim"), case.size("start"), case.size("length")),
        "slice" if case.has("step") => {
            x.slice_step(case.int("dim"), case.int("start")..case.int("end"), case.size("step"))
        }
        "slice" => x.slice(case.int("dim"), case.int("start")..case.int("end")),
        "squeeze" => x.squeeze(case.int("dim")),
        "unsqueeze" => x.unsqueeze(case.int("dim")),
        "expand" => x.expand(case.ints("size")),
        "flatten" if case.has("end_dim") => x.flatten_dims(case.int("start_dim"), case.int("end_dim")),
        "flatten" => x.flatten(case.int("start_dim")),
        "cat" => Tensor::cat(&case.inputs, case.int("dim")),
        "stack" => Tensor::stack(&case.inputs, case.int("dim")),
        _ => return None,
    };
    Some(vec![y])
}
