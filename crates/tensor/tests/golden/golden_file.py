"""What the golden-file scripts share: float64 cases rounded to float32, saved as one safetensors file.

Arithmetic runs in float64 from inputs that are exact in float32, and only the results are rounded, so a
stored value is right to the last bit of float32 and an engine is measured against the truth, not against
PyTorch's own rounding.
"""
import json
import zlib

import torch
from safetensors import safe_open
from safetensors.torch import save_file


def stored(tensor):
    """What goes into a file for a tensor: f32, i64, or u8 for bool; contiguous, memory of its own."""
    tensor = tensor.detach()
    if tensor.is_floating_point():
        dtype = torch.float32
    else:
        dtype = torch.uint8 if tensor.dtype == torch.bool else torch.int64
    return tensor.to(dtype).clone(memory_format=torch.contiguous_format)


def generator(name):
    """Random numbers that depend on the case's name alone, so that adding a case changes no other."""
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def save(path, tensors, key, described):
    """Writes `tensors` with `described` as JSON under the one metadata entry `key`, and reads them back."""
    text = json.dumps(described, separators=(",", ":"))
    save_file(tensors, path, metadata={key: text})
    path.chmod(0o644)
    with safe_open(path, "pt") as file:
        assert file.metadata() == {key: text} and set(file.keys()) == set(tensors)
        for name, tensor in tensors.items():
            read = file.get_tensor(name)
            assert read.dtype == tensor.dtype and read.shape == tensor.shape, name
            assert read.numpy().tobytes() == tensor.numpy().tobytes(), name
    print(f"{path}: {len(described)} {key}, {len(tensors)} tensors, {path.stat().st_size} bytes")


class Cases:
    """Collects `case` after `case`, then saves them all."""

    def __init__(self):
        self.tensors, self.described = {}, {}

    def case(self, name, function, *inputs, fixed=(), views=None, **args):
        """Runs `function(*inputs, **args)` and its gradient and stores both under `name` ("op.variant").

        inputs  a tuple is the shape of standard normal numbers, a function draws from the case's generator,
                a tensor stands for itself
        fixed   indices of floating-point inputs that are not differentiated
        views   {index: [[method, *arguments], ...]} views of an input that the op gets in its place; what is
                stored, and differentiated, is the contiguous tensor underneath
        args    keyword arguments of the PyTorch function, kept in the metadata
        """
        assert name not in self.described, name
        g = generator(name)
        values = [self._value(spec, g) for spec in inputs]
        leaves = [v.double() if v.is_floating_point() else v for v in values]
        for i, leaf in enumerate(leaves):
            leaf.requires_grad_(leaf.is_floating_point() and i not in fixed)
        arguments = [self._view(leaf, (views or {}).get(i, [])) for i, leaf in enumerate(leaves)]
        outputs = function(*arguments, **args)
        outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]

        for i, value in enumerate(values):
            self.tensors[f"{name}/in{i}"] = stored(value)
        for i, output in enumerate(outputs):
            self.tensors[f"{name}/out{i or ''}"] = stored(output)
        if outputs[0].requires_grad:
            cotangent = torch.randn(outputs[0].shape, generator=g)
            wanted = [i for i, leaf in enumerate(leaves) if leaf.requires_grad]
            grads = torch.autograd.grad(outputs[0], [leaves[i] for i in wanted], cotangent.double())
            self.tensors[f"{name}/grad_out"] = stored(cotangent)
            for i, grad in zip(wanted, grads):
                self.tensors[f"{name}/grad{i}"] = stored(grad)
        self.described[name] = {"op": name.split(".")[0], "args": args, "inputs": len(inputs)}
        if views:
            self.described[name]["views"] = views

    def save(self, path):
        save(path, self.tensors, "cases", self.described)

    @staticmethod
    def _value(spec, g):
        if isinstance(spec, tuple):
            return torch.randn(spec, generator=g)
        return spec(g) if callable(spec) else spec.clone()

    @staticmethod
    def _view(tensor, steps):
        for method, *arguments in steps:
            tensor = getattr(tensor, method)(*arguments)
        return tensor


CASES = Cases()
TRANSPOSED = {0: [["transpose", 0, 1]]}


# What inputs are drawn from, besides the normal distribution of a plain shape.
def positive(*shape):
    """Uniform in (0.5, 2.5)."""
    return lambda g: torch.rand(shape, generator=g) * 2 + 0.5


def ties(*shape):
    """Small whole numbers, zeros among them: equal maxima, zeros exactly at a kink."""
    return lambda g: torch.randint(-2, 3, shape, generator=g).float()


def index(high, *shape):
    return lambda g: torch.randint(0, high, shape, generator=g)


def mask(*shape):
    return lambda g: torch.rand(shape, generator=g) < 0.5


def distribution(*shape):
    """Class probabilities along dimension 1."""
    return lambda g: torch.randn(shape, generator=g).softmax(1)


def zero_one(*shape):
    return lambda g: torch.randint(0, 2, shape, generator=g).float()
