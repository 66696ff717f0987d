"""What is recorded of a model: logits, running statistics, gradients, and five steps of training."""
import copy

import torch
import torch.nn.functional as F

STEPS, MOMENTUM, WEIGHT_DECAY = 5, 0.9, 1e-4


def record(model, images, labels, lr, dtype):
    """Runs a copy of `model` in `dtype` and returns {name: tensor}.

    eval_logits, train_logits    before any update; eval first, so that running statistics are the initial ones
    losses                       mean cross entropy of each of the 5 steps of SGD on this one batch
    grad/<parameter>             in the first step
    running/<buffer>             running statistics after the first step's forward pass
    after/<key>                  the state dict after 5 steps
    update/<parameter>           the change of a parameter in 5 steps; in float32 a small change of a large weight
                                 is mostly rounding
    """
    initial = {key: p.detach().to(dtype) for key, p in model.named_parameters()}
    model, images = copy.deepcopy(model).to(dtype), images.to(dtype)
    with torch.no_grad():
        result = {"eval_logits": model.eval()(images)}
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model(images)
        loss = F.cross_entropy(logits, labels)
        loss.backward()
        losses.append(loss.detach())
        if step == 0:
            result["train_logits"] = logits.detach()
            result.update({f"grad/{key}": p.grad.clone() for key, p in model.named_parameters()})
            result.update({f"running/{key}": b.clone() for key, b in model.named_buffers() if b.is_floating_point()})
        optimizer.step()
    result["losses"] = torch.stack(losses)
    result.update({f"after/{key}": value.clone() for key, value in model.state_dict().items()})
    result.update({f"update/{key}": p.detach() - initial[key] for key, p in model.named_parameters()})
    return result


def floor(truth, name):
    """The norm below which a tensor counts as zero but for rounding.

    A shift that the next batch norm takes away has no gradient; what is computed for it is rounding, and is
    compared with a hundred-thousandth of the largest gradient instead of with itself. Likewise its update.
    """
    kind = name.split("/")[0]
    if kind not in ["grad", "update"]:
        return 1e-30
    return 1e-5 * max(value.norm().item() for key, value in truth.items() if key.startswith(kind))


def error(found, truth, name):
    """Relative error of a tensor: |found - truth| / max(|truth|, floor), euclidean norms."""
    expected = truth[name].double()
    return ((found.double() - expected).norm() / max(expected.norm().item(), floor(truth, name))).item()


def errors(found, truth):
    """The largest error of each kind of tensor: {"grad": [error, name], ...}."""
    worst = {}
    for name, value in found.items():
        if value.is_floating_point():
            kind = name.split("/")[0]
            worst[kind] = max(worst.get(kind, [0.0, ""]), [error(value, truth, name), name])
    return worst
