//! Class labels: what the losses check of them.

use crate::array::{Array, DType};
use crate::error::ShapeError;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The dimension of classes: 1 of (N, C, ...), 0 of a single item (C).
pub(crate) fn class_dim(scores: &Shape) -> usize {
    usize::from(scores.rank() > 1)
}

/// The number of classes of scores (N, C, ...) or (C).
pub(crate) fn classes(scores: &Shape) -> usize {
    scores.get(class_dim(scores)).copied().unwrap_or(0)
}

/// The shape of the items of scores (N, C, ...): without the classes, (N, ...).
pub(crate) fn items(scores: &Shape) -> Shape {
    let class_dim = class_dim(scores);
    scores.iter().enumerate().filter(|&(d, _)| d != class_dim).map(|(_, &size)| size).collect()
}

/// Labels as a flat list.
///
/// # Panics
/// If they are not integers, or if one is neither a class nor `ignore_index`.
#[track_caller]
pub(crate) fn checked(op: &'static str, labels: &Tensor, scores: &Shape, ignore_index: i64) -> Vec<i64> {
    assert!(
        labels.dtype() == DType::I64,
        "{op}: expected class labels as int64, found {}; convert with to_dtype(DType::I64)",
        labels.dtype().name()
    );
    let values = labels.to_vec_i64();
    let classes = classes(scores);
    let wrong = values.iter().position(|&v| v != ignore_index && !(0..classes as i64).contains(&v));
    if let Some(at) = wrong {
        panic!(
            "{op}: label {} at position {} is not a class: scores of shape {scores} have {classes} classes, so \
             labels are 0 to {} (or {ignore_index}, which is ignored)",
            values[at],
            position(at, labels.shape()),
            classes as i64 - 1,
        );
    }
    values
}

/// The index of the `at`-th element, as it is written in brackets.
fn position(mut at: usize, shape: &Shape) -> String {
    let mut index = vec![0; shape.rank()];
    for d in (0..shape.rank()).rev() {
        index[d] = at % shape[d];
        at /= shape[d];
    }
    format!("{index:?}")
}

/// Checks that there is one label for each item of the scores, and one weight for each class.
pub(crate) fn check_shapes(
    op: &'static str,
    scores: &Shape,
    labels: &Shape,
    weight: Option<&Array>,
) -> Result<(), ShapeError> {
    check_scores(op, scores, weight)?;
    if *labels != items(scores) {
        return Err(ShapeError::new(
            op,
            format!(
                "labels of shape {labels} do not fit scores (N, C, ...) of shape {scores}: expected shape {}",
                items(scores)
            ),
        ));
    }
    Ok(())
}

/// Checks that scores have a dimension of classes, with one weight for each.
pub(crate) fn check_scores(
    op: &'static str,
    scores: &Shape,
    weight: Option<&Array>,
) -> Result<(), ShapeError> {
    if scores.rank() == 0 {
        return Err(ShapeError::new(op, "expected scores (N, C, ...) or (C), found a single number"));
    }
    match weight {
        Some(weight) if *weight.shape() != [classes(scores)] => Err(ShapeError::new(
            op,
            format!(
                "class weights have shape {}, expected ({},) for scores of shape {scores}",
                weight.shape(),
                classes(scores)
            ),
        )),
        _ => Ok(()),
    }
}
