"""Makes optim.safetensors: trajectories of PyTorch's optimizers and its gradient clipping.

    python make_optim.py [OUTPUT_DIR]        needs torch and safetensors

No model: two parameters `init/weight` (5, 3) and `init/bias` (3,) are given the gradients `grads/weight`
(60, 5, 3) and `grads/bias` (60, 3), one row a step. Computed in float64, rounded to float32.

A trajectory `<case>` holds `<case>/step1/weight`, `<case>/step1/bias` and so on after steps 1, 2, 10, 50 and
60, and the optimizer's state after step 60 as `<case>/state/weight.momentum_buffer` (PyTorch's names).
Metadata key "cases" is JSON, {case: {optimizer, args, groups?, without_grad?, lr_drop?}}:
  args          constructor arguments
  groups        parameter groups, in order: {params: [names], and the options that differ}; without it, one
                group of weight and bias
  without_grad  {name: [first, last]}: in these steps (counted from 1) that parameter has no gradient at all
  lr_drop       {step, factor}: before that step every group's lr is multiplied by factor

A clipping case `clip_grad_norm.*` or `clip_grad_value.*` clips `clip/weight` and `clip/bias` with `args`
({max_norm, norm_type: 1 | 2 | "inf"} or {clip_value}) to `<case>/weight` and `<case>/bias`; of a norm,
`<case>/total_norm` is the norm before. `clip_grad_norm.zero` clips zeros.
"""
import sys
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[2] / "tensor/tests/golden"))
from golden_file import generator, save, stored  # noqa: E402

STEPS, STORED_STEPS = 60, [1, 2, 10, 50, 60]
NAMES = ["weight", "bias"]
G = generator("optim")
INIT = {"weight": torch.randn(5, 3, generator=G), "bias": torch.randn(3, generator=G)}
GRADS = {name: torch.randn(STEPS, *value.shape, generator=G) for name, value in INIT.items()}
# Adam's division: an entry that never gets a gradient, and one that gets its first after ten steps.
GRADS["weight"][:, 0, 0] = 0
GRADS["bias"][:10, 2] = 0
# Gradients shrink as in training, so that amsgrad's maximum differs from the average.
for grads in GRADS.values():
    grads *= torch.exp(-torch.arange(STEPS) / 25).view(-1, *[1] * (grads.dim() - 1))

tensors, described = {}, {}
tensors |= {f"init/{name}": stored(value) for name, value in INIT.items()}
tensors |= {f"grads/{name}": stored(value) for name, value in GRADS.items()}


def trajectory(case, optimizer, groups=None, without_grad=None, lr_drop=None, **args):
    given = {"groups": groups, "without_grad": without_grad, "lr_drop": lr_drop}
    described[case] = {"optimizer": optimizer, "args": args, **{k: v for k, v in given.items() if v}}
    parameters = {name: value.double().requires_grad_() for name, value in INIT.items()}
    grouped = [{**g, "params": [parameters[n] for n in g["params"]]} for g in groups or [{"params": NAMES}]]
    opt = getattr(torch.optim, optimizer)(grouped, foreach=False, **args)
    for step in range(1, STEPS + 1):
        for name, parameter in parameters.items():
            first, last = (without_grad or {}).get(name, (0, -1))
            parameter.grad = None if first <= step <= last else GRADS[name][step - 1].double()
        if lr_drop and step == lr_drop["step"]:
            for group in opt.param_groups:
                group["lr"] *= lr_drop["factor"]
        opt.step()
        if step in STORED_STEPS:
            tensors.update({f"{case}/step{step}/{name}": stored(p) for name, p in parameters.items()})
    for name, parameter in parameters.items():
        for key, value in opt.state[parameter].items():
            if value is not None:
                tensors[f"{case}/state/{name}.{key}"] = stored(value)


def sgd():
    for variant, args in {
        "plain": {},
        "momentum": {"momentum": 0.9},
        "dampening": {"momentum": 0.9, "dampening": 0.3},
        "nesterov": {"momentum": 0.9, "nesterov": True},
        "weight_decay": {"weight_decay": 0.05},
        "maximize": {"maximize": True},
        "momentum_weight_decay": {"momentum": 0.9, "weight_decay": 1e-2},
        "nesterov_weight_decay": {"momentum": 0.8, "nesterov": True, "weight_decay": 1e-2},
        "momentum_maximize": {"momentum": 0.9, "maximize": True},
        "momentum_dampening_weight_decay_maximize":
            {"momentum": 0.9, "dampening": 0.1, "weight_decay": 1e-2, "maximize": True},
    }.items():
        trajectory(f"sgd.{variant}", "SGD", lr=0.1, **args)
    groups = [{"params": ["weight"], "weight_decay": 1e-2}, {"params": ["bias"], "lr": 0.02, "momentum": 0.5}]
    trajectory("sgd.groups", "SGD", groups, lr=0.1, momentum=0.9)
    trajectory("sgd.without_grad", "SGD", without_grad={"bias": [5, 9]}, lr=0.1, momentum=0.9, weight_decay=1e-2)
    trajectory("sgd.lr_drop", "SGD", lr_drop={"step": 31, "factor": 0.1}, lr=0.1, momentum=0.9)


def adam(optimizer):
    op = optimizer.lower()
    for variant, args in {
        "plain": {},
        "betas": {"betas": [0.8, 0.95]},
        "eps": {"eps": 1e-2},
        "weight_decay": {"weight_decay": 0.1},
        "no_weight_decay": {"weight_decay": 0.0},
        "amsgrad": {"amsgrad": True},
        "maximize": {"maximize": True},
        "all": {"betas": [0.7, 0.9], "eps": 1e-6, "weight_decay": 0.05, "amsgrad": True, "maximize": True},
    }.items():
        trajectory(f"{op}.{variant}", optimizer, lr=0.02, **args)
    groups = [{"params": ["weight"]}, {"params": ["bias"], "lr": 0.005, "weight_decay": 0.0, "betas": [0.5, 0.9]}]
    trajectory(f"{op}.groups", optimizer, groups, lr=0.02, weight_decay=0.1)
    trajectory(f"{op}.without_grad", optimizer, without_grad={"bias": [5, 9]}, lr=0.02, weight_decay=0.1)
    trajectory(f"{op}.without_first_grads", optimizer, without_grad={"bias": [1, 4]}, lr=0.02)
    trajectory(f"{op}.lr_drop", optimizer, lr_drop={"step": 31, "factor": 0.1}, lr=0.02, weight_decay=0.1)


def clipping():
    clip = {name: 3 * torch.randn(value.shape, generator=G) for name, value in INIT.items()}
    tensors.update({f"clip/{name}": stored(value) for name, value in clip.items()})

    def run(case, function, factor=1, **args):
        parameters = {name: torch.zeros_like(value).double() for name, value in clip.items()}
        for name, parameter in parameters.items():
            parameter.grad = clip[name].double() * factor
        total = function(parameters.values(), **{k: float("inf") if v == "inf" else v for k, v in args.items()})
        described[case] = {"args": args}
        tensors.update({f"{case}/{name}": stored(p.grad) for name, p in parameters.items()})
        if total is not None:
            tensors[f"{case}/total_norm"] = stored(total)

    norm, value = torch.nn.utils.clip_grad_norm_, torch.nn.utils.clip_grad_value_
    for norm_type in [1, 2, "inf"]:
        run(f"clip_grad_norm.norm{norm_type}", norm, max_norm=1.5, norm_type=norm_type)
        run(f"clip_grad_norm.norm{norm_type}_not_reached", norm, max_norm=1000.0, norm_type=norm_type)
    run("clip_grad_norm.zero", norm, factor=0, max_norm=1.5, norm_type=2)
    run("clip_grad_value.small", value, clip_value=0.5)
    run("clip_grad_value.not_reached", value, clip_value=100.0)


if __name__ == "__main__":
    sgd()
    adam("Adam")
    adam("AdamW")
    clipping()
    save(Path(sys.argv[1] if len(sys.argv) > 1 else HERE) / "optim.safetensors", tensors, "cases", described)
