//! Matrix products.

use crate::file::Case;
use cresset_tensor::Tensor;

pub fn run(case: &Case) -> Option<Vec<Tensor>> {
    let output = match case.op {
        "matmul" => case.x().matmul(&case.inputs[1]),
        "linear" => case.x().linear(&case.inputs[1], case.inputs.get(2)),
        _ => return None,
    };
    Some(vec![output])
}
