"""Times PyTorch on one fixed synthetic batch and prints a JSON line.

    python torch_step.py MODEL MODE BATCH WARMUP STEPS THREADS [OPTION ...]

MODEL   cnn (1x28x28, 10 classes), cifar_resnet18 (3x32x32, 10 classes, 3x3 stem, no max pool),
        resnet18, resnet50 (3x224x224, 1000 classes)
MODE    train: forward, cross entropy, backward, SGD with momentum 0.9; infer: forward in eval and inference mode
OPTION  channels_last; frozen (a TorchScript, frozen and optimized for inference); bf16 (autocast, train only)
"""

import sys

import torch
from torch import nn
from torchvision import models

from timing import time_steps


class Cnn(nn.Module):
    """The small network for handwriting: 103,018 parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * 7 * 7, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def cifar_resnet18():
    """torchvision's ResNet-18 for images of 32x32."""
    model = models.resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


# How it is made, the shape of an image, classes.
MODELS = {
    "cnn": (Cnn, (1, 28, 28), 10),
    "cifar_resnet18": (cifar_resnet18, (3, 32, 32), 10),
    "resnet18": (models.resnet18, (3, 224, 224), 1000),
    "resnet50": (models.resnet50, (3, 224, 224), 1000),
}


def model_and_batch(name, batch, options=()):
    make, shape, classes = MODELS[name]
    torch.manual_seed(0)
    model, images, labels = make(), torch.randn(batch, *shape), torch.randint(classes, (batch,))
    if "channels_last" in options:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    return model, images, labels


def training_step(model, images, labels, bf16=False):
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def inference_step(model, images, frozen):
    model.eval()
    if frozen:
        model = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, images)))

    def step():
        with torch.inference_mode():
            model(images)

    return step


def main():
    name, mode, *rest = sys.argv[1:]
    batch, warmup, steps, threads = map(int, rest[:4])
    options = rest[4:]
    torch.set_num_threads(threads)
    model, images, labels = model_and_batch(name, batch, options)
    if mode == "train":
        step = training_step(model, images, labels, "bf16" in options)
    else:
        step = inference_step(model, images, "frozen" in options)
    time_steps(step, warmup, steps)


if __name__ == "__main__":
    main()
