//! Units that never speak.

use super::Finding;
use cresset_nn::Layer;
use cresset_tensor::inspect::inspect;
use cresset_tensor::profile::Pass;
use cresset_tensor::{Array, Tensor, no_grad};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Channels of a layer: those that are zero everywhere, and all.
type Count = (usize, usize);

/// Counts the channels behind a ReLU that are zero for every image of a batch: their gradient is zero too, so they
/// will never learn. A layer counts as rectified if nothing it computes is negative.
pub fn dead_units(model: &dyn Layer, images: &Tensor) -> Finding {
    const SUBJECT: &str = "dead ReLUs";
    let layers: Rc<RefCell<BTreeMap<String, Count>>> = Rc::default();
    let into = layers.clone();
    no_grad(|| {
        inspect(
            || model.forward(images),
            move |seen| {
                let (Some(layer), Pass::Forward) = (&seen.layer, seen.pass) else { return };
                if let Some(count) = rectified(seen.array) {
                    into.borrow_mut().insert(layer.to_string(), count);
                }
            },
        )
    });
    let layers = layers.borrow();
    let (dead, all) = layers.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    if all == 0 {
        return Finding::good(SUBJECT, "the model has no rectified layer");
    }
    let found = format!("{dead} of {all} channels are zero for the whole batch");
    let worst = layers.iter().max_by(|a, b| share(a.1).total_cmp(&share(b.1)));
    match worst {
        Some((layer, count)) if share(count) > 0.5 => {
            let found = format!("{found}; in {layer} {} of {}", count.0, count.1);
            Finding::doubtful(SUBJECT, found, "lower --lr, add a warm-up, or start from other weights")
        }
        _ => Finding::good(SUBJECT, found),
    }
}

fn share(&(dead, all): &Count) -> f64 {
    dead as f64 / all.max(1) as f64
}

/// The dead channels of (N, C, ...) and all of them, if no element is negative and some are zero.
fn rectified(array: &Array) -> Option<Count> {
    if array.shape().rank() < 2 {
        return None;
    }
    let channels = array.shape()[1];
    let inner: usize = array.shape().iter().skip(2).product();
    let values = array.to_vec();
    if values.iter().any(|&v| v < 0.0) || !values.contains(&0.0) {
        return None;
    }
    let mut alive = vec![false; channels];
    for (index, plane) in values.chunks(inner.max(1)).enumerate() {
        alive[index % channels] |= plane.iter().any(|&v| v > 0.0);
    }
    Some((alive.iter().filter(|alive| !**alive).count(), channels))
}
