"""Makes schedules.json: the learning rate of every step under PyTorch's schedules, for two parameter groups.

    python make_schedules.py [OUTPUT_DIR]    needs torch

{"base_lr": [0.1, 0.02], "metrics": [...],
 "cases": {case: {"scheduler": {...}, "lr": [...], "momentum"?: [...], "optimizer"?: "SGD" | "Adam"}}}
`lr[k]` is the pair of learning rates (first group, second group) in force during step k, that is after k calls of
the scheduler's step(); `momentum[k]` likewise (OneCycleLR moves SGD's momentum, or Adam's first beta). A
scheduler is {"name", its arguments}; a SequentialLR lists its "schedulers" and "milestones".
ReduceLROnPlateau is stepped after step k with `metrics[k]`, in mode "max" with 3 - metrics[k].
"""
import json
import sys
import warnings
from pathlib import Path

import torch
from torch.optim import lr_scheduler

STEPS, BASE_LR = 70, [0.1, 0.02]
WARMUP = 5
# Falls, stalls, worsens, falls a little, and stalls again, with a repeated and a barely better value.
METRICS = [round(m, 6) for m in (
    [2.0 * 0.8 ** k for k in range(10)] + [0.27] * 8 + [0.3, 0.4, 0.25, 0.25, 0.249999, 0.26]
    + [0.25 - 0.002 * k for k in range(10)] + [0.2 + 0.01 * (k % 3) for k in range(36)])]


def optimizer(kind="SGD"):
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in BASE_LR]
    return torch.optim.SGD(groups, momentum=0.9) if kind == "SGD" else torch.optim.Adam(groups)


def build(opt, spec):
    args = {key: value for key, value in spec.items() if key != "name"}
    if spec["name"] == "SequentialLR":
        args["schedulers"] = [build(opt, part) for part in args["schedulers"]]
    return getattr(lr_scheduler, spec["name"])(opt, **args)


def momentum(group):
    return group["momentum"] if "momentum" in group else group["betas"][0]


def run(spec, steps=STEPS, kind="SGD"):
    opt = optimizer(kind)
    scheduler = build(opt, spec)
    lrs, momenta = [], []
    for step in range(steps):
        lrs.append([group["lr"] for group in opt.param_groups])
        momenta.append([momentum(group) for group in opt.param_groups])
        opt.step()
        if spec["name"] == "ReduceLROnPlateau":
            scheduler.step(METRICS[step] if spec.get("mode") != "max" else 3 - METRICS[step])
        elif step + 1 < steps:
            scheduler.step()
    moved = any(m != momenta[0] for m in momenta)
    return {"scheduler": spec, "lr": lrs, **({"momentum": momenta, "optimizer": kind} if moved else {})}


def main_schedules(steps):
    """The schedules that follow a warm-up, for `steps` steps."""
    return {
        "step": {"name": "StepLR", "step_size": 15, "gamma": 0.1},
        "multi_step": {"name": "MultiStepLR", "milestones": [10, 30, 31, 55], "gamma": 0.2},
        "exponential": {"name": "ExponentialLR", "gamma": 0.95},
        "cosine": {"name": "CosineAnnealingLR", "T_max": steps},
        "cosine_eta_min": {"name": "CosineAnnealingLR", "T_max": steps, "eta_min": 0.001},
        "polynomial": {"name": "PolynomialLR", "total_iters": steps, "power": 0.9},
    }


def cases():
    for case, spec in main_schedules(STEPS).items():
        yield case, run(spec)
    yield "cosine_past_its_end", run({"name": "CosineAnnealingLR", "T_max": 20, "eta_min": 0.001})
    yield "polynomial_past_its_end", run({"name": "PolynomialLR", "total_iters": 40, "power": 2.0})
    yield "multi_step_repeated", run({"name": "MultiStepLR", "milestones": [20, 20, 40], "gamma": 0.5})
    yield "linear", run({"name": "LinearLR", "start_factor": 0.01, "total_iters": 10})
    yield "linear_down", run({"name": "LinearLR", "start_factor": 1.0, "end_factor": 0.1, "total_iters": 30})
    # As torchvision's reference scripts chain them.
    warmup = {"name": "LinearLR", "start_factor": 0.01, "total_iters": WARMUP}
    for case, spec in main_schedules(STEPS - WARMUP).items():
        yield f"warmup_{case}", run({"name": "SequentialLR", "schedulers": [warmup, spec], "milestones": [WARMUP]})

    one_cycle = {"name": "OneCycleLR", "max_lr": [0.5, 0.1], "total_steps": STEPS}
    yield "one_cycle_cos", run(one_cycle)
    yield "one_cycle_linear", run({**one_cycle, "anneal_strategy": "linear"})
    yield "one_cycle_three_phase_cos", run({**one_cycle, "three_phase": True})
    yield "one_cycle_three_phase_linear", run({**one_cycle, "three_phase": True, "anneal_strategy": "linear"})
    yield "one_cycle_options", run({**one_cycle, "pct_start": 0.45, "base_momentum": 0.8, "max_momentum": 0.9,
                                    "div_factor": 10.0, "final_div_factor": 100.0})
    yield "one_cycle_no_momentum", run({**one_cycle, "cycle_momentum": False})
    yield "one_cycle_adam", run(one_cycle, kind="Adam")

    plateau = {"name": "ReduceLROnPlateau", "factor": 0.5, "patience": 3}
    for variant, args in {
        "default": {"patience": 10, "factor": 0.1},
        "patience": {},
        "patience_0": {"patience": 0},
        "max": {"mode": "max"},
        "absolute": {"threshold_mode": "abs", "threshold": 0.01},
        "max_absolute": {"mode": "max", "threshold_mode": "abs", "threshold": 0.01},
        "relative_threshold": {"threshold": 0.05},
        "cooldown": {"cooldown": 4},
        "min_lr": {"min_lr": 0.015},
        "min_lr_of_groups": {"min_lr": [0.02, 0.001]},
        "eps": {"eps": 0.005},
    }.items():
        yield f"plateau_{variant}", run({**plateau, **args})


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module="torch.optim")  # SequentialLR calls its own deprecated step(epoch)
    described = dict(cases())
    path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent) / "schedules.json"
    rows = ",\n".join(f'"{name}":{json.dumps(case, separators=(",", ":"))}' for name, case in described.items())
    head = f'"base_lr":{json.dumps(BASE_LR)},"metrics":{json.dumps(METRICS)}'
    path.write_text(f'{{{head},\n"cases":{{\n{rows}\n}}}}\n')
    assert json.loads(path.read_text())["cases"] == described
    print(f"{path}: {len(described)} cases, {path.stat().st_size} bytes")
