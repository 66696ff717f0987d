"""Makes modules.safetensors: every layer module of PyTorch, forward and backward, in train and in eval mode.

    python make_modules.py [OUTPUT_DIR]      needs torch and safetensors

Of a module `<case>`:
  <case>/state/<key>                the state dict to load (parameters, running statistics)
  <case>/in0, <case>/grad_out       the input and the cotangent of the output
  <case>/<mode>/out                 for <mode> train and eval, each starting from that state
  <case>/<mode>/grad_in0            gradient of sum(out * grad_out) for the input
  <case>/<mode>/grad/<parameter>    and for each parameter
  <case>/<mode>/after/<buffer>      buffers after that one forward pass
Metadata key "cases" is JSON, {case: {class, args, parameters, keys}}; `keys` are the state dict's [key, shape] in
order, `parameters` the names of the parameters in order. `cnn` is the small CNN of the examples with its keys and
shapes alone (no tensors); `tiny_cnn` is the same class for 8x8 images. Computed in float64, rounded to float32.
"""
import sys
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[2] / "tensor/tests/golden"))
from golden_file import generator, save, stored  # noqa: E402

tensors, described = {}, {}


class CNN(nn.Module):
    def __init__(self, channels=(8, 16), image=28, hidden=128, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels[0], 3, padding=1)
        self.conv2 = nn.Conv2d(channels[0], channels[1], 3, padding=1)
        self.fc1 = nn.Linear(channels[1] * (image // 4) ** 2, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc2(torch.relu(self.fc1(torch.flatten(x, 1))))


def nested():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 4, 3, stride=2, groups=2, bias=False), nn.BatchNorm2d(4, affine=False),
                      nn.MaxPool2d(2)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.0),
        nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, momentum=None), nn.GELU(), nn.Linear(6, 3)),
    )


def state_of(module, g):
    """Random parameters and running statistics, exact in float32, so that eval mode differs from identity."""
    state = {}
    for key, value in module.state_dict().items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(3)
        elif key.endswith("running_var"):
            state[key] = torch.rand(value.shape, generator=g) + 0.5
        else:
            state[key] = torch.randn(value.shape, generator=g) * (0.5 if value.dim() > 1 else 1)
    return state


def describe(case, module, args):
    described[case] = {
        "class": type(module).__name__, "args": args, "parameters": [name for name, _ in module.named_parameters()],
        "keys": [[key, list(value.shape)] for key, value in module.state_dict().items()]}


def case(name, module, shape, **args):
    """Records `module`, a class (constructed from `args`) or an instance, on a random input of `shape`."""
    module = module(**args) if isinstance(module, type) else module
    g = generator(name)
    describe(name, module, args)
    state, x = state_of(module, g), torch.randn(shape, generator=g)
    tensors.update({f"{name}/state/{key}": stored(value) for key, value in state.items()})
    tensors[f"{name}/in0"] = stored(x)
    module.double()
    for mode in ["train", "eval"]:
        module.load_state_dict(state)
        module.train(mode == "train").zero_grad()
        leaf = x.double().requires_grad_()
        out = module(leaf)
        if mode == "train":
            cotangent = torch.randn(out.shape, generator=g)
            tensors[f"{name}/grad_out"] = stored(cotangent)
        out.backward(cotangent.double())
        tensors[f"{name}/{mode}/out"] = stored(out)
        tensors[f"{name}/{mode}/grad_in0"] = stored(leaf.grad)
        tensors.update({f"{name}/{mode}/grad/{key}": stored(p.grad) for key, p in module.named_parameters()})
        tensors.update({f"{name}/{mode}/after/{key}": stored(b) for key, b in module.named_buffers()})


def layers():
    case("conv2d", nn.Conv2d, (2, 2, 5, 6), in_channels=2, out_channels=3, kernel_size=3, padding=1)
    case("conv2d_all", nn.Conv2d, (2, 4, 7, 8), in_channels=4, out_channels=6, kernel_size=(3, 2), stride=(2, 1),
         padding=(1, 0), dilation=(1, 2), groups=2, bias=False)
    case("conv2d_same", nn.Conv2d, (1, 2, 5, 6), in_channels=2, out_channels=3, kernel_size=(2, 3), padding="same")
    case("linear", nn.Linear, (4, 5), in_features=5, out_features=3)
    case("linear_no_bias", nn.Linear, (2, 3, 5), in_features=5, out_features=3, bias=False)
    case("batch_norm2d", nn.BatchNorm2d, (2, 3, 4, 3), num_features=3)
    case("batch_norm2d_momentum", nn.BatchNorm2d, (2, 3, 4, 3), num_features=3, momentum=0.3, eps=1e-3)
    case("batch_norm2d_cumulative", nn.BatchNorm2d, (2, 3, 4, 3), num_features=3, momentum=None)
    case("batch_norm2d_not_affine", nn.BatchNorm2d, (2, 3, 4, 3), num_features=3, affine=False)
    case("batch_norm2d_not_tracking", nn.BatchNorm2d, (2, 3, 4, 3), num_features=3, track_running_stats=False)
    case("batch_norm1d", nn.BatchNorm1d, (5, 3), num_features=3)
    case("batch_norm1d_length", nn.BatchNorm1d, (2, 3, 4), num_features=3, momentum=0.3)
    # A random mask cannot be compared; no mask and nothing but mask can.
    case("dropout_none", nn.Dropout, (3, 5), p=0.0)
    case("dropout_all", nn.Dropout, (3, 5), p=1.0)
    case("max_pool2d", nn.MaxPool2d, (2, 2, 5, 6), kernel_size=2)
    case("max_pool2d_all", nn.MaxPool2d, (1, 2, 8, 9), kernel_size=3, stride=2, padding=1, dilation=2,
         ceil_mode=True)
    case("avg_pool2d", nn.AvgPool2d, (2, 2, 5, 6), kernel_size=2)
    case("avg_pool2d_all", nn.AvgPool2d, (1, 2, 6, 8), kernel_size=3, stride=2, padding=1, ceil_mode=True,
         count_include_pad=False)
    case("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d, (2, 2, 5, 7), output_size=[2, 3])
    case("adaptive_max_pool2d", nn.AdaptiveMaxPool2d, (2, 2, 5, 7), output_size=[2, 3])
    case("relu", nn.ReLU, (3, 5))
    case("leaky_relu", nn.LeakyReLU, (3, 5))
    case("leaky_relu_slope", nn.LeakyReLU, (3, 5), negative_slope=0.2)
    case("sigmoid", nn.Sigmoid, (3, 5))
    case("tanh", nn.Tanh, (3, 5))
    case("gelu", nn.GELU, (3, 5))
    case("gelu_tanh", nn.GELU, (3, 5), approximate="tanh")
    case("silu", nn.SiLU, (3, 5))
    case("softmax", nn.Softmax, (3, 5), dim=1)
    case("flatten", nn.Flatten, (2, 3, 2, 2))
    case("flatten_dims", nn.Flatten, (2, 3, 2, 2), start_dim=2, end_dim=-1)
    case("identity", nn.Identity, (3, 5))


def networks():
    describe("cnn", CNN(), {})
    case("tiny_cnn", CNN, (3, 1, 8, 8), channels=(2, 3), image=8, hidden=5, classes=4)
    case("nested", nested(), (3, 2, 9, 8))
    case("empty", nn.Sequential(), (2, 3))


if __name__ == "__main__":
    layers()
    networks()
    save(Path(sys.argv[1] if len(sys.argv) > 1 else HERE) / "modules.safetensors", tensors, "cases", described)
