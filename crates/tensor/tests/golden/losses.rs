//! Losses.

use crate::file::Case;
use cresset_tensor::Tensor;
use cresset_tensor::ops::{
    BceWithLogitsOptions, CrossEntropyOptions, NllLossOptions, Reduction, bce_with_logits, cross_entropy,
    l1_loss, mse_loss, nll_loss,
};

pub fn run(case: &Case) -> Option<Vec<Tensor>> {
    let (x, target) = (case.x(), case.inputs.get(1)?);
    let reduction = match case.text("reduction") {
        Some("none") => Reduction::None,
        Some("sum") => Reduction::Sum,
        Some("mean") | None => Reduction::Mean,
        Some(other) => panic!("unknown reduction {other:?}"),
    };
    let class_weights = || case.inputs.get(2).map(|t| t.array().clone());
    let ignore_index = if case.has("ignore_index") { case.int("ignore_index") as i64 } else { -100 };
    let loss = match case.op {
        "mse_loss" => mse_loss(x, target, reduction),
        "l1_loss" => l1_loss(x, target, reduction),
        "binary_cross_entropy_with_logits" => {
            let mut weights = case.inputs[2..].iter().cloned();
            let weight = if case.flag("weight") { weights.next() } else { None };
            let pos_weight = if case.flag("pos_weight") { weights.next() } else { None };
            bce_with_logits(x, target, &BceWithLogitsOptions { weight, pos_weight, reduction })
        }
        "nll_loss" => {
            nll_loss(x, target, &NllLossOptions { weight: class_weights(), ignore_index, reduction })
        }
        "cross_entropy" => {
            let label_smoothing =
                if case.has("label_smoothing") { case.number("label_smoothing") } else { 0.0 };
            let options =
                CrossEntropyOptions { weight: class_weights(), label_smoothing, ignore_index, reduction };
            cross_entropy(x, target, &options)
        }
        _ => return None,
    };
    Some(vec![loss])
}
