"""Makes cnn_curve.safetensors: the first 100 steps of PyTorch's training of the small CNN on MNIST.

    python make_cnn_curve.py MNIST_DIR [OUTPUT_DIR]      needs torch and safetensors

MNIST_DIR holds the four IDX files (train-images-idx3-ubyte and so on), gzipped or not. Images are scaled to
[0, 1] and normalized by (x - 0.1307) / 0.3081; batch 64, SGD with learning rate 0.01 and momentum 0.9, mean cross
entropy, float32 as a user would train.

Tensors: `init/<key>` the initial weights; `order` (6400, i64) the images of step k are order[64 k : 64 (k + 1)];
`loss` (100, f32) the loss of each step before its update; `loss_float64` (100, f64) the same training done in
float64 throughout, which tells rounding from error.
Metadata key "curve" is JSON: the hyper-parameters; `final`, per key, the l2 norm and the sum of the weights after
step 100 (float32 training, summed in float64) and `final_float64` those of the float64 training;
`loss_rounding`, the largest relative difference of the two loss curves; `first_image`, sum and sum of squares of
the first normalized image of the first batch.
"""
import gzip
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[2] / "tensor/tests/golden"))
from golden_file import save  # noqa: E402

STEPS, BATCH, LR, MOMENTUM, SEED = 100, 64, 0.01, 0.9, 42


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc2(torch.relu(self.fc1(torch.flatten(x, 1))))


def idx(folder, name, header):
    """The bytes of an IDX file after its header."""
    plain = folder / name
    data = plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.gz").read_bytes())
    return torch.frombuffer(bytearray(data[header:]), dtype=torch.uint8)


def train(init, images, labels, dtype):
    """Losses and final weights of training in `dtype` from the float32 tensors given."""
    model = CNN().to(dtype)
    model.load_state_dict(init)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    losses = []
    for x, y in zip(images.split(BATCH), labels.split(BATCH)):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x.to(dtype)), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    final = {key: {"norm": value.double().norm().item(), "sum": value.double().sum().item()}
             for key, value in model.state_dict().items()}
    return torch.stack(losses), final


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    torch.manual_seed(SEED)
    init = {key: value.clone() for key, value in CNN().state_dict().items()}
    order = torch.randperm(60000)[:STEPS * BATCH]
    pixels = idx(folder, "train-images-idx3-ubyte", 16).view(-1, 1, 28, 28)[order]
    labels = idx(folder, "train-labels-idx1-ubyte", 8)[order].long()
    images = (pixels.float() / 255 - 0.1307) / 0.3081
    loss, final = train(init, images, labels, torch.float32)
    loss64, final64 = train(init, images, labels, torch.float64)
    first = images[0].double()
    rounding = ((loss - loss64).abs() / loss64).max().item()
    save(Path(sys.argv[2] if len(sys.argv) > 2 else HERE) / "cnn_curve.safetensors",
         {**{f"init/{key}": value for key, value in init.items()}, "order": order, "loss": loss,
          "loss_float64": loss64},
         "curve", {"steps": STEPS, "batch": BATCH, "lr": LR, "momentum": MOMENTUM, "mean": 0.1307, "std": 0.3081,
                   "final": final, "final_float64": final64, "loss_rounding": rounding,
                   "first_image": {"sum": first.sum().item(), "sum_of_squares": (first ** 2).sum().item()}})
    print(f"loss {loss[0]:.4f} -> {loss[-1]:.4f}; float32 differs from float64 by at most {rounding:.1e} relative")
