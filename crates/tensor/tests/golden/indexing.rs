//! Elements by index and by mask, and comparisons.

use crate::file::Case;
use cresset_tensor::{Operand, Tensor};

pub fn run(case: &Case) -> Option<Vec<Tensor>> {
    let x = case.x();
    let other = || match case.inputs.get(1) {
        Some(y) => Operand::from(y),
        None => case.number("other").into(),
    };
    let y = match case.op {
        "gather" => x.gather(case.int("dim"), &case.inputs[1]),
        "index_select" => x.index_select(case.int("dim"), &case.inputs[1]),
        "where" => Tensor::where_(x, &case.inputs[1], &case.inputs[2]),
        "one_hot" => x.one_hot(case.size("num_classes")),
        "eq" => x.eq(other()),
        "ne" => x.ne(other()),
        "lt" => x.lt(other()),
        "le" => x.le(other()),
        "gt" => x.gt(other()),
        "ge" => x.ge(other()),
        _ => return None,
    };
    Some(vec![y])
}
