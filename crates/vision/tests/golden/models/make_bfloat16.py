"""Makes bfloat16.json: how far PyTorch's own mixed precision is from float64.

    python make_bfloat16.py [OUTPUT_DIR]     needs torch, torchvision and numpy

The five steps of make_models.py on ResNet-18, forward and loss under torch.autocast("cpu", torch.bfloat16), against the
same in float64. Relative errors: of the first step's logits and of the five losses (euclidean), and of the norms of the
first gradients of the parameters (mean over the parameters).
"""
import json
import sys
from pathlib import Path

import torch
import torchvision

import formula
from make_models import BATCH, LEARNING_RATES, SIDE
from record import MOMENTUM, WEIGHT_DECAY

HERE = Path(__file__).resolve().parent
NAME = "resnet18"


def train(dtype, amp):
    model = getattr(torchvision.models, NAME)()
    formula.fill(model)
    model = model.to(dtype).train()
    images, labels = formula.batch(BATCH, SIDE)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=LEARNING_RATES[NAME], momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    losses = []
    for step in range(5):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            logits = model(images.to(dtype))
            loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        losses.append(loss.detach().double())
        if step == 0:
            first = logits.detach().double(), torch.stack([p.grad.double().norm() for p in model.parameters()])
        optimizer.step()
    return first[0], torch.stack(losses), first[1]


def relative(found, truth):
    return ((found - truth).norm() / truth.norm()).item()


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else HERE) / "bfloat16.json"
    truth, found = train(torch.float64, False), train(torch.float32, True)
    norms = ((found[2] - truth[2]).abs() / truth[2]).mean().item()
    errors = {"train_logits": relative(found[0], truth[0]), "losses": relative(found[1], truth[1]), "grad_norms": norms}
    out.write_text(json.dumps({"model": NAME, "torch": torch.__version__, "errors": errors}, indent=1) + "\n")
    print(errors)
