//! Evaluation of large feature maps, a few images at a time.

use crate::BatchNorm2d;
use cresset_tensor::{Tensor, is_grad_enabled, trace};

/// Numbers of a feature map that fit into a processor's last cache, beside what is computed from them.
const CACHED: usize = 2 << 20;

/// `f(x)`, without gradients computed for a few images at a time, so that what one layer leaves is still in cache
/// when the next reads it, and a feature map is never there for the whole batch.
///
/// `floats` are the numbers of the largest feature map of one image in `f`, and `norms` are all norms in `f`. All
/// images are computed at once where gradients are wanted, or where a norm looks at the whole batch.
#[track_caller]
pub fn few_images_at_a_time<'a>(
    x: &Tensor,
    floats: usize,
    norms: impl IntoIterator<Item = &'a BatchNorm2d>,
    f: impl Fn(&Tensor) -> Tensor,
) -> Tensor {
    let images = (CACHED / floats.max(1)).max(1);
    let at_once = is_grad_enabled() || trace::is_active() || x.rank() == 0 || x.size(0) <= images;
    if at_once || norms.into_iter().any(BatchNorm2d::uses_batch_statistics) {
        return f(x);
    }
    let parts: Vec<Tensor> = (0..x.size(0))
        .step_by(images)
        .map(|start| f(&x.narrow(0, start, images.min(x.size(0) - start))))
        .collect();
    Tensor::cat(&parts, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2d, ModuleExt, conv_bn_relu};
    use cresset_tensor::{Generator, no_grad};
    use std::cell::Cell;

    #[test]
    fn images_are_taken_apart_only_where_nobody_can_tell() {
        let mut rng = Generator::new(3);
        let conv = Conv2d::builder(3, 4, 3).padding(1).build(&mut rng);
        let mut bn = BatchNorm2d::new(4);
        let x = Tensor::rand([5, 3, 6, 6], &mut rng);
        let calls = Cell::new(0);
        let run = |bn: &BatchNorm2d| {
            calls.set(0);
            let f = |x: &Tensor| {
                calls.set(calls.get() + 1);
                conv_bn_relu(&conv, bn, x)
            };
            let parts = few_images_at_a_time(&x, CACHED / 2, [bn], f);
            (parts.to_vec(), calls.get(), conv_bn_relu(&conv, bn, &x).to_vec())
        };
        for (training, grad, expected_calls) in
            [(false, false, 3), (false, true, 1), (true, false, 1), (true, true, 1)]
        {
            bn.set_mode(training);
            let (parts, calls, whole) = if grad { run(&bn) } else { no_grad(|| run(&bn)) };
            assert_eq!(calls, expected_calls, "training {training}, gradients {grad}");
            assert_eq!(parts, whole);
        }
    }
}
