//! Sums, means, variances, largest and smallest values.

use crate::file::Case;
use cresset_tensor::Tensor;

pub fn run(case: &Case) -> Option<Vec<Tensor>> {
    let x = case.x();
    let (dims, keepdim) = (case.ints("dim"), case.flag("keepdim"));
    let whole = !case.has("dim");
    let y = match case.op {
        "sum" if whole => x.sum(),
        "sum" => x.sum_dim(dims, keepdim),
        "mean" if whole => x.mean(),
        "mean" => x.mean_dim(dims, keepdim),
        "var" if whole => x.var(case.size("correction")),
        "var" => x.var_dim(dims, case.size("correction"), keepdim),
        "amax" => x.amax(dims, keepdim),
        "max" if whole => x.max(),
        "min" if whole => x.min(),
        "max" | "min" => {
            let best = if case.op == "max" { Tensor::max_dim } else { Tensor::min_dim };
            let (values, indices) = best(x, dims[0], keepdim);
            return Some(vec![values, indices]);
        }
        "argmax" => x.argmax(dims.first().copied(), keepdim),
        _ => return None,
    };
    Some(vec![y])
}
