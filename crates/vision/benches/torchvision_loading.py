"""Times torchvision's ImageNet training pipeline in one process and one thread: the peer of `loading.rs`.

Seconds are those spent on a processor, so that a busy machine does not falsify the comparison.

    python torchvision_loading.py FOLDER
"""

import sys
import time

import torch
from torchvision import datasets, transforms as T

torch.set_num_threads(1)
data = datasets.ImageFolder(sys.argv[1])
start = time.process_time()
for index in range(len(data)):
    data[index]
print(f"decoding alone {len(data) / (time.process_time() - start):.1f} images/s")
data.transform = T.Compose(
    [
        T.RandomResizedCrop(224),
        T.RandomHorizontalFlip(),
        T.ToTensor(),
        T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)
loader = torch.utils.data.DataLoader(data, batch_size=50)
rates = []
for epoch in range(5):
    start = time.process_time()
    for batch in loader:
        pass
    rates.append(len(data) / (time.process_time() - start))
print(f"the training pipeline {sorted(rates)[2]:.1f} images/s (median of 5)")
