"""Writes one torchvision model and what PyTorch makes of it, for a live comparison where PyTorch is installed.

    python live_models.py MODEL OUTPUT.safetensors [--weights torchvision|formula] [--seed 0] [--batch 2]
                          [--side 64] [--lr 0.001] [--threads N]

--weights torchvision  the model's own random initialization from --seed, images from the normal distribution
          formula      weights and images of formula.py, whose ReLUs do not hang on rounding

Tensors: `init/<key>` the state dict to load, `images`, `labels`, and what record.py records (but the updates, which
are after - init), run in float64 and rounded to float32: 140 MB for resnet18. Metadata key "model" is JSON: {model, weights, seed, lr, momentum, weight_decay,
float32_error: {tensor: relative error of PyTorch's own float32 run (see record.error)}}. Where PyTorch itself is
off by more than rounding, as it is in gradients of the 50-layer models with their own initialization, an engine
can be asked for no more.
"""
import argparse
from pathlib import Path

import torch
import torchvision

import formula
from make_models import save
from record import MOMENTUM, WEIGHT_DECAY, error, errors, record


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("output", type=Path)
    parser.add_argument("--weights", choices=["torchvision", "formula"], default="torchvision")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def main(args):
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = getattr(torchvision.models, args.model)()
    if args.weights == "formula":
        formula.fill(model)
        images, labels = formula.batch(args.batch, args.side)
    else:
        images = torch.randn(args.batch, 3, args.side, args.side)
        labels = torch.randint(0, 1000, (args.batch,))
    truth = record(model, images, labels, args.lr, torch.float64)
    rounded = record(model, images, labels, args.lr, torch.float32)
    tensors = {f"init/{key}": value.clone() for key, value in model.state_dict().items()}
    tensors |= {"images": images, "labels": labels}
    tensors |= {name: v.float() if v.is_floating_point() else v for name, v in truth.items() if "update" not in name}
    save(args.output, tensors, "model", {
        "model": args.model, "weights": args.weights, "seed": args.seed, "lr": args.lr, "momentum": MOMENTUM,
        "weight_decay": WEIGHT_DECAY,
        "float32_error": {name: error(v, truth, name) for name, v in rounded.items() if v.is_floating_point()}})
    print({kind: f"{worst:.0e} {where}" for kind, (worst, where) in errors(rounded, truth).items()})


if __name__ == "__main__":
    main(arguments())
