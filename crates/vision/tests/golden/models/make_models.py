"""Makes keys.json and the reduced golden files of whole models.

    python make_models.py [OUTPUT_DIR]       needs torch, torchvision, numpy and safetensors

keys.json        {model: {"parameters": count, "entries": ["conv1.weight 64 3 7 7", ...]}}: torchvision's state
                 dicts, keys and shapes in order
<model>.safetensors  a model with the weights, images (2, 3, 64, 64) and labels of formula.py, run in float64 as
                 record.py says:
  eval_logits, train_logits (2, 1000), losses (5, f64)
  grad_norm (P, f64), grad_samples (P, 8)           of each parameter's gradient, in the order of parameters
  running_norm (B, f64), running_samples (B, 8)     of each running statistic after one step, in state-dict order
  after_norm (P + B, f64), after_samples (P + B, 8) of parameters and running statistics after 5 steps
  update_norm (P, f64), update_samples (P, 8)       of each parameter's change in these 5 steps
Samples of a tensor are its entries at j * size / 8, rounded down, j = 0..7; norms are euclidean. Metadata key
"model": {model, lr, momentum, weight_decay, parameters, running (names), float32_error (PyTorch's own, see
record.py)}.
"""
import json
import sys
from pathlib import Path

import torch
import torchvision

import formula
from record import MOMENTUM, WEIGHT_DECAY, errors, record

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[3] / "tensor/tests/golden"))
from golden_file import save  # noqa: E402

MODELS = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d"]
LEARNING_RATES = {"resnet18": 1e-3, "resnet50": 2e-4, "resnext50_32x4d": 2e-4}
BATCH, SIDE, SAMPLES = 2, 64, 8


def keys(path):
    entries = {}
    for name in MODELS:
        with torch.device("meta"):
            model = getattr(torchvision.models, name)()
        entries[name] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "entries": [" ".join(map(str, [key, *value.shape])) for key, value in model.state_dict().items()]}
    rows = [f'"{name}":{json.dumps(entry, separators=(",", ":"))}' for name, entry in entries.items()]
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    print(f"{path}: {[len(entry['entries']) for entry in entries.values()]} entries, {path.stat().st_size} bytes")


def summary(prefix, tensors):
    """Norms and samples of a list of tensors."""
    at = [[j * t.numel() // SAMPLES for j in range(SAMPLES)] for t in tensors]
    return {f"{prefix}_norm": torch.stack([t.double().norm() for t in tensors]),
            f"{prefix}_samples": torch.stack([t.flatten()[i] for t, i in zip(tensors, at)]).float()}


def golden(name, lr, path):
    model = getattr(torchvision.models, name)()
    formula.fill(model)
    images, labels = formula.batch(BATCH, SIDE)
    truth = record(model, images, labels, lr, torch.float64)
    rounding = errors(record(model, images, labels, lr, torch.float32), truth)
    parameters = [key for key, _ in model.named_parameters()]
    running = [key for key, b in model.named_buffers() if b.is_floating_point()]
    tensors = {
        "eval_logits": truth["eval_logits"].float(), "train_logits": truth["train_logits"].detach().float(),
        "losses": truth["losses"],
        **summary("grad", [truth[f"grad/{key}"] for key in parameters]),
        **summary("running", [truth[f"running/{key}"] for key in running]),
        **summary("after", [truth[f"after/{key}"] for key in parameters + running]),
        **summary("update", [truth[f"update/{key}"] for key in parameters]),
    }
    save(path, tensors, "model", {
        "model": name, "lr": lr, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY, "parameters": parameters,
        "running": running, "float32_error": rounding})
    print("losses", truth["losses"].tolist())
    print("float32 error", {kind: f"{worst:.0e} {where}" for kind, (worst, where) in rounding.items()})


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else HERE)
    keys(out / "keys.json")
    for name, lr in LEARNING_RATES.items():
        golden(name, lr, out / f"{name}.safetensors")
