"""Makes bfloat16.json: how far PyTorch's own mixed precision is from float64.

    python make_bfloat16.py [OUTPUT_DIR]     needs torch, torchvision and numpy

Forward and loss under torch.autocast("cpu", torch.bfloat16), against the same in float64. Relative errors (euclidean): of the
losses of the five steps of make_models.py on ResNet-18; and of the first logits and gradients of SEEDS freshly initialized
ResNet-18, each with a batch of noise: means over the seeds, for the gradients also over the parameters. One gradient's error
is mostly chance; means over a model's differ by a few hundredths from seed to seed.
"""
import json
import sys
from copy import deepcopy
from pathlib import Path

import torch
import torchvision

import formula
from make_models import BATCH, LEARNING_RATES, SIDE
from record import MOMENTUM, WEIGHT_DECAY

HERE = Path(__file__).resolve().parent
NAME = "resnet18"
SEEDS = 10


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
        loss = forward(model, images.to(dtype), labels, amp)[1]
        loss.backward()
        losses.append(loss.detach().double())
        optimizer.step()
    return torch.stack(losses)


def forward(model, images, labels, amp):
    with torch.autocast("cpu", torch.bfloat16, enabled=amp):
        logits = model(images)
        return logits, torch.nn.functional.cross_entropy(logits, labels)


def first_step(seed):
    """Errors of the logits, and of the gradients on average."""
    torch.manual_seed(seed)
    model = getattr(torchvision.models, NAME)().double().train()
    images, labels = torch.randn(8, 3, 64, 64, dtype=torch.float64), torch.arange(8) * 7
    found = []
    for amp, copy in ((False, model), (True, deepcopy(model).float())):
        logits, loss = forward(copy, images.to(copy.conv1.weight.dtype), labels, amp)
        loss.backward()
        found.append([logits.detach().double()] + [p.grad.double() for p in copy.parameters()])
    logits, *gradients = [relative(short, exact) for exact, short in zip(*found)]
    return logits, sum(gradients) / len(gradients)


def relative(found, truth):
    return ((found - truth).norm() / truth.norm()).item()


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else HERE) / "bfloat16.json"
    losses = relative(train(torch.float32, True), train(torch.float64, False))
    logits, gradients = (sum(errors) / SEEDS for errors in zip(*map(first_step, range(SEEDS))))
    errors = {"losses": losses, "first_logits": logits, "first_gradients": gradients}
    out.write_text(json.dumps({"model": NAME, "torch": torch.__version__, "errors": errors}, indent=1) + "\n")
    print(errors)
