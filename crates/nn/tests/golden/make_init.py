"""Makes init.json: what PyTorch's initializers draw from, as numbers.

    python make_init.py [OUTPUT_DIR]         needs torch

gains         calculate_gain(nonlinearity, param)
fans          fan_in and fan_out of weights of a shape (linear: out, in; convolution: out, in/groups, kh, kw)
kaiming       per shape, mode and nonlinearity (`a` is leaky_relu's slope): the `std` of kaiming_normal_ and the
              `bound` of kaiming_uniform_ (uniform in [-bound, bound])
xavier        per shape and gain, likewise
trunc_normal  mean and std, after truncation to [a, b], of trunc_normal_(mean, std, a, b)
orthogonal    shapes; rows (or columns, if there are more rows than columns) of the matrix (out, rest) are
              orthogonal with squared length gain^2
linear, conv2d  the bounds of nn.Linear's and nn.Conv2d's default initialization, uniform, of weight and bias

Each number is asserted here against a large sample drawn by PyTorch itself.
"""
import json
import math
import sys
from itertools import product
from pathlib import Path

import torch
from torch import nn
from torch.nn import init

SHAPES = [(128, 784), (10, 128), (1, 1), (8, 1, 3, 3), (64, 3, 7, 7), (32, 16, 1, 1), (16, 8, 3, 5), (32, 1, 3, 3)]
GAINS = [("linear", None), ("conv2d", None), ("sigmoid", None), ("tanh", None), ("relu", None), ("selu", None),
         ("leaky_relu", None), ("leaky_relu", 0.0), ("leaky_relu", 0.2), ("leaky_relu", math.sqrt(5))]


def fans(shape):
    return init._calculate_fan_in_and_fan_out(torch.empty(shape))


def sample(initializer, shape, **args):
    """At least 20,000 numbers drawn as `initializer` draws them for a tensor of `shape`."""
    tensor = torch.empty(shape)
    count = -(-20_000 // tensor.numel())
    return torch.cat([initializer(tensor.clone(), **args).flatten() for _ in range(count)]).double()


def normal_and_uniform(name, shape, std, **args):
    """{std, bound} of the initializers `name`_normal_ and `name`_uniform_, checked."""
    drawn = sample(getattr(init, f"{name}_normal_"), shape, **args)
    assert abs(drawn.std() / std - 1) < 0.05 and abs(drawn.mean()) < 0.05 * std, (name, shape, args)
    bound = math.sqrt(3) * std
    check_uniform(sample(getattr(init, f"{name}_uniform_"), shape, **args), bound)
    return {"std": std, "bound": bound}


def check_uniform(drawn, bound):
    assert 0.98 * bound < drawn.abs().max() <= bound * (1 + 1e-6), (drawn.abs().max(), bound)
    assert abs(drawn.std() / bound * math.sqrt(3) - 1) < 0.05


def kaiming(shape, mode, nonlinearity, a):
    fan = fans(shape)[0 if mode == "fan_in" else 1]
    std = init.calculate_gain(nonlinearity, a) / math.sqrt(fan)
    args = {"mode": mode, "nonlinearity": nonlinearity, "a": a}
    return {"shape": shape, **args, **normal_and_uniform("kaiming", shape, std, **args)}


def xavier(shape, gain):
    std = gain * math.sqrt(2 / sum(fans(shape)))
    return {"shape": shape, "gain": gain, **normal_and_uniform("xavier", shape, std, gain=gain)}


def trunc_normal(mean, std, a, b):
    """Mean and standard deviation of the normal distribution truncated to [a, b]."""
    low, high = (a - mean) / std, (b - mean) / std
    density = lambda x: math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    inside = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    shift = (density(low) - density(high)) / inside
    variance = 1 + (low * density(low) - high * density(high)) / inside - shift ** 2
    expected = {"expected_mean": mean + std * shift, "expected_std": std * math.sqrt(variance)}
    drawn = sample(init.trunc_normal_, (200, 200), mean=mean, std=std, a=a, b=b)
    assert a <= drawn.min() and drawn.max() <= b
    assert abs(drawn.mean() - expected["expected_mean"]) < 0.02 * std
    assert abs(drawn.std() / expected["expected_std"] - 1) < 0.02
    return {"mean": mean, "std": std, "a": a, "b": b, **expected}


def orthogonal(shape, gain):
    matrix = init.orthogonal_(torch.empty(shape, dtype=torch.float64), gain=gain).flatten(1)
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    assert torch.allclose(short @ short.T, gain ** 2 * torch.eye(len(short), dtype=torch.float64))
    return {"shape": shape, "gain": gain}


def default(make, fan_in, **args):
    """Bounds of a layer's weight and bias: both 1 / sqrt(fan_in) (kaiming_uniform_ with a = sqrt 5)."""
    bound = 1 / math.sqrt(fan_in)
    for parameter in ["weight", "bias"]:
        drawn = [getattr(make(**args), parameter).detach().flatten() for _ in range(400)]
        check_uniform(torch.cat(drawn).double(), bound)
    return {**args, "weight_bound": bound, "bias_bound": bound}


if __name__ == "__main__":
    torch.manual_seed(0)
    described = {
        "gains": [{"nonlinearity": n, "param": p, "gain": init.calculate_gain(n, p)} for n, p in GAINS],
        "fans": [{"shape": s, "fan_in": fans(s)[0], "fan_out": fans(s)[1]} for s in SHAPES],
        "kaiming": [kaiming(s, m, n, a) for s, m, (n, a) in product(
            SHAPES, ["fan_in", "fan_out"],
            [("relu", 0), ("leaky_relu", 0), ("leaky_relu", 0.2), ("linear", 0), ("tanh", 0)])],
        "xavier": [xavier(s, g) for s, g in product(SHAPES, [1.0, init.calculate_gain("relu")])],
        "trunc_normal": [trunc_normal(*args) for args in [
            (0.0, 1.0, -2.0, 2.0), (0.0, 0.02, -2.0, 2.0), (0.5, 1.0, -0.5, 1.0), (1.0, 2.0, 0.0, 6.0)]],
        "orthogonal": [orthogonal(s, g) for s, g in product([(5, 5), (3, 7), (7, 3), (8, 2, 3, 3)], [1.0, 0.5])],
        "linear": [default(nn.Linear, i, in_features=i, out_features=o)
                   for i, o in [(784, 128), (128, 10), (1, 64)]],
        "conv2d": [default(nn.Conv2d, i // g * h * w, in_channels=i, out_channels=o, kernel_size=(h, w), groups=g)
                   for i, o, h, w, g in [(1, 8, 3, 3, 1), (3, 64, 7, 7, 1), (16, 32, 1, 1, 1),
                                         (16, 16, 3, 3, 16), (8, 16, 3, 5, 2)]],
    }
    path = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent) / "init.json"
    lists = [f'"{name}":[\n' + ",\n".join(map(json.dumps, rows)) + "\n]" for name, rows in described.items()]
    path.write_text("{" + ",\n".join(lists) + "}\n")
    assert json.loads(path.read_text()).keys() == described.keys()
    print(f"{path}: {path.stat().st_size} bytes")
