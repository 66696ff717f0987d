"""Trains the small CNN on MNIST with PyTorch and prints the seconds of the last epoch as a JSON line.

    python torch_mnist.py VARIANT EPOCHS FOLDER THREADS

VARIANT  tutorial: torchvision's MNIST, ToTensor, Normalize and DataLoader, as every tutorial has it
         in-memory: the images decoded and normalized into one tensor beforehand, which is not counted; channels_last
FOLDER   holds MNIST/raw/*-ubyte
Batch 64, SGD with learning rate 0.01 and momentum 0.9. Seconds are of the training passes, with loading.
"""

import sys
import time

import torch
from torch import nn
from torchvision import datasets, transforms

from timing import report
from torch_step import Cnn

BATCH, MEAN, STD = 64, 0.1307, 0.3081


def tutorial(folder):
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    data = datasets.MNIST(folder, train=True, transform=transform)
    return torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True)


class InMemory:
    def __init__(self, folder):
        data = datasets.MNIST(folder, train=True)
        self.images = ((data.data.float() / 255 - MEAN) / STD).unsqueeze(1)
        self.labels = data.targets

    def __iter__(self):
        for rows in torch.randperm(len(self.images)).split(BATCH):
            yield self.images[rows], self.labels[rows]


def main():
    variant, epochs, folder, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(42)
    loader = tutorial(folder) if variant == "tutorial" else InMemory(folder)
    model = Cnn()
    if variant != "tutorial":
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for _ in range(int(epochs)):
        start = time.perf_counter()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
        seconds = time.perf_counter() - start
    report(seconds)


if __name__ == "__main__":
    main()
