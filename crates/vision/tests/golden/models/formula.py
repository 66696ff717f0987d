"""Weights, images and labels that every language can make: a hash of the position, in float32.

Number i of the tensor at place k of the state dict (k = 65536 for the images) comes from

    h = (i + 0x9E3779B9 * (k + 1)) mod 2^32           then MurmurHash3's finalizer, modulo 2^32:
    h ^= h >> 16;  h *= 0x85EBCA6B;  h ^= h >> 13;  h *= 0xC2B2AE35;  h ^= h >> 16
    u = (h >> 8) / 2^24         in [0, 1), exact      (h >> 8 begins 9620015, 9871609, 11813403 for k = 0,
                                                       and 14332909, 7832429, 14801079 for k = 65536)
    s = 2 u - 1                 in [-1, 1), exact

and is, computed in float32 from constants rounded to float32:

    convolution weight   sqrt(6 / fan_in) * s       fan_in = in/groups * kh * kw
    fc.weight            0.25 / sqrt(fan_in) * s
    fc.bias              0.1 * s
    batch norm weight    0.5 + 0.5 u
    batch norm bias      s + 3, or s - 3 where s < 0
    running_mean         0.1 * s
    running_var          0.5 + u
    num_batches_tracked  0
    images               2 * s
    labels               3, 7, 11, ...

The biases keep what goes into a ReLU away from zero: with PyTorch's own initial weights a handful of a million
numbers lie so near to zero that rounding decides their sign, and each changes gradients by 1e-3 to 1e-2.
"""
import math

import numpy as np
import torch

IMAGES = 65536


def uniform(place, count):
    """The numbers u of the tensor at `place`."""
    with np.errstate(over="ignore"):
        h = np.arange(count, dtype=np.uint32) + np.uint32(0x9E3779B9 * (place + 1) % 2 ** 32)
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(2 ** -24)


def values(place, key, shape):
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    u = uniform(place, math.prod(shape))
    s = u * np.float32(2) - np.float32(1)
    if key == "images":
        flat = np.float32(2) * s
    elif len(shape) == 4:
        flat = np.float32(math.sqrt(6 / math.prod(shape[1:]))) * s
    elif len(shape) == 2:
        flat = np.float32(0.25 / math.sqrt(shape[1])) * s
    elif key == "fc.bias" or key.endswith("running_mean"):
        flat = np.float32(0.1) * s
    elif key.endswith("running_var"):
        flat = np.float32(0.5) + u
    elif key.endswith("weight"):
        flat = np.float32(0.5) + np.float32(0.5) * u
    else:
        flat = s + np.copysign(np.float32(3), s)
    assert flat.dtype == np.float32
    return torch.from_numpy(flat).reshape(shape)


def fill(model):
    """Gives `model` its weights."""
    state = model.state_dict()
    model.load_state_dict({key: values(k, key, tuple(v.shape)) for k, (key, v) in enumerate(state.items())})


def batch(size, side):
    """Images (size, 3, side, side) and labels."""
    return values(IMAGES, "images", (size, 3, side, side)), 3 + 4 * torch.arange(size)
