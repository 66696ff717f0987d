//! Checks of the model.

use super::{Finding, some};
use cresset_nn::loss::cross_entropy;
use cresset_nn::optim::{Adam, AdamOptions, Optimizer};
use cresset_nn::{Forward, Layer, ModuleExt};
use cresset_tensor::ops::Targets;
use cresset_tensor::{Tensor, inspect};

/// Takes the gradient of one batch and looks at that of every parameter. The model's gradients are overwritten.
pub fn gradients(model: &dyn Layer, images: &Tensor, targets: &Targets) -> Finding {
    const SUBJECT: &str = "gradients";
    model.zero_grad();
    let (loss, anomaly) = inspect::find_anomaly(|| {
        let loss = cross_entropy(&model.forward(images), targets);
        loss.backward();
        loss.item()
    });
    if let Some(anomaly) = anomaly {
        return Finding::bad(SUBJECT, anomaly.to_string(), "lower --lr, or start from other weights");
    }
    let parameters = model.named_parameters();
    let learning = parameters.iter().filter(|(_, parameter)| parameter.is_trainable());
    let (mut missing, mut zero, mut total) = (Vec::new(), Vec::new(), 0);
    for (name, parameter) in learning {
        total += 1;
        match parameter.grad() {
            None => missing.push(name.clone()),
            Some(grad) if grad.to_vec().iter().all(|&g| g == 0.0) => zero.push(name.clone()),
            Some(_) => {}
        }
    }
    model.zero_grad();
    if !missing.is_empty() {
        let found = format!("none reaches {}", some(&missing));
        return Finding::bad(SUBJECT, found, "use these layers in forward(), or freeze them");
    }
    if !zero.is_empty() {
        let found = format!("finite, but zero in {} of {total} parameters: {}", zero.len(), some(&zero));
        return Finding::doubtful(
            SUBJECT,
            found,
            "normal at first with --zero-init-residual, else look for dead layers",
        );
    }
    Finding::good(SUBJECT, format!("finite and not zero in all {total} parameters; loss {loss:.3}"))
}

/// Trains a copy of the model on one batch: whatever can learn learns that by heart. Returns the copy too.
pub fn overfit(
    model: &dyn Layer,
    images: &Tensor,
    targets: &Targets,
    steps: usize,
) -> (Finding, Box<dyn Layer>) {
    const SUBJECT: &str = "one batch";
    let mut model = model.clone_layer();
    model.train();
    let options = AdamOptions { lr: 1e-3, ..Default::default() };
    let mut optimizer = Adam::new(model.named_parameters(), options);
    let mut losses = Vec::with_capacity(steps);
    for _ in 0..steps {
        optimizer.zero_grad();
        let loss = cross_entropy(&model.forward(images), targets);
        losses.push(loss.item());
        if !losses.last().is_some_and(|loss| loss.is_finite()) {
            break;
        }
        loss.backward();
        optimizer.step();
    }
    let (first, last) = (losses.first().copied().unwrap_or(0.0), losses.last().copied().unwrap_or(0.0));
    let found =
        format!("the loss of {} images falls from {first:.3} to {last:.3} in {steps} steps", images.size(0));
    let finding = if last < 0.1 * first || last < 0.05 {
        Finding::good(SUBJECT, found)
    } else if last < 0.5 * first {
        Finding::doubtful(SUBJECT, found, "expected near 0: give it more --steps, or a larger model")
    } else {
        Finding::bad(
            SUBJECT,
            found,
            "a model that cannot learn one batch learns nothing: check labels, loss and layers",
        )
    };
    (finding, model)
}

/// Looks at the running statistics of batch norms.
pub fn batch_norms(model: &dyn Layer) -> Finding {
    const SUBJECT: &str = "batch norms";
    /// Variances outside are of dead or exploding channels.
    const SANE: std::ops::Range<f32> = 1e-10..1e8;
    let (mut norms, mut odd) = (0, Vec::new());
    for (name, buffer) in model.named_buffers() {
        let sane = match name.rsplit('.').next() {
            Some("running_mean") => buffer.to_vec().iter().all(|v| v.is_finite()),
            Some("running_var") => {
                norms += 1;
                buffer.to_vec().iter().all(|v| SANE.contains(v))
            }
            _ => true,
        };
        if !sane {
            odd.push(name);
        }
    }
    if norms == 0 {
        return Finding::good(SUBJECT, "the model has none");
    }
    if odd.is_empty() {
        return Finding::good(SUBJECT, format!("running statistics of {norms} are sane"));
    }
    let found = format!("{} of {norms} have odd statistics: {}", odd.len(), some(&odd));
    Finding::doubtful(
        SUBJECT,
        found,
        "use larger batches or a lower --lr, or train them anew from other weights",
    )
}
