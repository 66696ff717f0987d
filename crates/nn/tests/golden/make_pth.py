"""Makes pth/*.pth: PyTorch's weight files in all their flavours, harmless and hostile, and what to read in them.

    python make_pth.py [OUTPUT_DIR]          needs torch, numpy and safetensors

pth/expected.safetensors holds the tensors to be found, as float32 or int64: `base/<key>`, and `<file>/<key>` for
files with tensors of their own. Its metadata key "files" is JSON, one entry a file:
  {"tensors": "base", "keys": [...]}   read it: these keys, in this order, of that set of tensors
  {"refused": "why", "names": "..."}   refuse it, with a message that contains `names` (if not empty)
All numbers are small multiples of 1/8, so that they are the same in float16, bfloat16, float32 and float64.

Nothing here does harm: what the hostile pickles would execute prints a line. legacy.pth contains addresses of
memory, so it alone differs from run to run.
"""
import argparse
import builtins
import io
import os
import pickle
import sys
import tarfile
import types
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[2] / "tensor/tests/golden"))
from golden_file import generator, save, stored  # noqa: E402

OUT = Path(sys.argv[1] if len(sys.argv) > 1 else HERE) / "pth"
OUT.mkdir(parents=True, exist_ok=True)
expected, files = {}, {}


def model():
    """A convolution with batch norm and a classifier, as state-dict keys conv.weight, bn.weight, ..., fc.bias."""
    net = nn.Sequential(OrderedDict(
        conv=nn.Conv2d(2, 4, 3, bias=False), bn=nn.BatchNorm2d(4), fc=nn.Linear(4, 3)))
    g = generator("pth")
    for tensor in net.state_dict().values():
        tensor.copy_(torch.randint(-64, 65, tensor.shape, generator=g) / (8 if tensor.is_floating_point() else 1))
    net.bn.num_batches_tracked.fill_(7)
    return net


BASE = model().state_dict()
expected.update({f"base/{key}": stored(value) for key, value in BASE.items()})


def readable(name, content, tensors=None, keys=None, **options):
    """Saves `content`, in which a reader finds `tensors` (default: BASE), or of these only `keys`."""
    if tensors is not None:
        expected.update({f"{name}/{key}": stored(value) for key, value in tensors.items()})
    keys = list(BASE if tensors is None else tensors) if keys is None else keys
    files[f"{name}.pth"] = {"tensors": "base" if tensors is None else name, "keys": keys}
    torch.save(content, OUT / f"{name}.pth", **options)


def refused(name, content, why, names="", **options):
    """Saves `content`, which a reader must refuse, naming `names`."""
    files[f"{name}.pth"] = {"refused": why, "names": names}
    if isinstance(content, bytes):
        (OUT / f"{name}.pth").write_bytes(content)
    else:
        torch.save(content, OUT / f"{name}.pth", **options)


def zip_bytes(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def rewritten(data, change):
    """The zip archive `data` with `change(name, bytes)` applied to every entry; None leaves an entry out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for info in old.infolist():
            changed = change(info.filename, old.read(info))
            if changed is not None:
                new.writestr(zipfile.ZipInfo(info.filename), changed)
    return buffer.getvalue()


def flavours():
    readable("plain", BASE)  # an OrderedDict with the attribute _metadata, as every state_dict() has
    readable("dict", dict(BASE))
    readable("parameters", model().state_dict(keep_vars=True))
    # The folder within the archive is "archive" when written to a buffer, and the file's name otherwise.
    files["buffer.pth"] = {"tensors": "base", "keys": list(BASE)}
    (OUT / "buffer.pth").write_bytes(zip_bytes(BASE))
    for protocol in [3, 4, 5]:
        readable(f"protocol{protocol}", BASE, pickle_protocol=protocol)

    optimizer = torch.optim.SGD(model().parameters(), lr=0.1, momentum=0.9)
    checkpoint = {"epoch": 3, "arch": "small", "best_acc1": 75.5, "done": False, "classes": ["a", "b"],
                  "shape": (1, -2, 3000000000), "nothing": None, "optimizer": optimizer.state_dict()}
    averaged = {key: value * 2 for key, value in BASE.items()}
    for key in ["state_dict", "model", "model_ema", "state_dict_ema"]:
        readable(f"wrapped_{key}", {**checkpoint, key: BASE})
    readable("wrapped_model_and_ema", {"model": BASE, **checkpoint, "model_ema": averaged}, averaged)
    # torchvision's reference scripts average with AveragedModel: a prefix, and a count of its own.
    ema = torch.optim.swa_utils.AveragedModel(model())
    readable("torchvision_ema", {"model_ema": ema.state_dict(), **checkpoint})
    readable("module_prefix", OrderedDict((f"module.{key}", value) for key, value in BASE.items()))
    readable("wrapped_module_prefix", {**checkpoint, "state_dict": {f"module.{k}": v for k, v in BASE.items()}})
    without = {key: value for key, value in BASE.items() if "num_batches" not in key}
    readable("without_num_batches_tracked", without, keys=list(without))


def number_types():
    for dtype in [torch.float16, torch.bfloat16, torch.float64]:
        cast = {k: v.to(dtype) if v.is_floating_point() else v for k, v in BASE.items()}
        readable(str(dtype).removeprefix("torch."), cast)
    whole = torch.tensor([[0, 1, 2], [3, 100, 127]])
    integers = {str(t).removeprefix("torch."): whole.to(t) for t in
                [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]}
    integers["negative"] = torch.tensor([-1, -(2 ** 40)])
    readable("integers", integers, integers)
    refused("complex", {"weight": torch.zeros(2, dtype=torch.complex64)}, "a complex tensor", "weight")


def layouts():
    table = torch.arange(24.0).reshape(4, 6)
    image = (torch.arange(2 * 3 * 4 * 5) / 8).reshape(2, 3, 4, 5)
    views = {"whole": table, "transposed": table.T, "rows": table[1:3], "column": table[:, 2],
             "every_other": table[::2, 1::3], "expanded": table[:1].expand(3, 6), "scalar": table[3, 5],
             "channels_last": image.to(memory_format=torch.channels_last), "empty": torch.zeros(0, 3)}
    readable("views_of_shared_storage", views, views)
    tied = nn.Parameter(torch.ones(2, 3))
    readable("tied", {"a.weight": tied, "b.weight": tied}, {"a.weight": tied, "b.weight": tied})

    tag, torch.serialization.location_tag = torch.serialization.location_tag, lambda storage: "cuda:0"
    readable("cuda", BASE)
    torch.serialization.location_tag = tag

    swapped = {"weight": torch.arange(6.0).reshape(2, 3)}
    big = {"byteorder": lambda data: b"big",
           "data/0": lambda data: numpy.frombuffer(data, "<f4").byteswap().tobytes()}
    data = rewritten(zip_bytes(swapped), lambda name, data: big.get(name.split("/", 1)[1], bytes)(data))
    refused("big_endian", data, "numbers in big-endian order", "endian")
    readable("empty_dict", {}, {})


class Executes:
    """Pickles as a call of `function(argument)`."""
    def __init__(self, function, argument):
        self.call = (function, (argument,))

    def __reduce__(self):
        return self.call


class Config:
    """A class of someone's own."""
    def __init__(self):
        self.depth = 18


def hostile():
    system = Executes(os.system, "echo this pickle was executed")
    refused("calls_os_system", system, "a call of os.system", "system")
    evaluation = Executes(builtins.eval, "print('this pickle was executed')")
    refused("calls_eval", {"state_dict": BASE, "extra": evaluation}, "a call of eval, beside good weights", "eval")
    Config.__module__ = "myproject"
    sys.modules["myproject"] = types.ModuleType("myproject")
    sys.modules["myproject"].Config = Config
    refused("foreign_class", {"state_dict": BASE, "config": Config()}, "a class of someone's own", "myproject")
    refused("namespace", {"model": BASE, "args": argparse.Namespace(lr=0.1)}, "argparse.Namespace", "argparse")
    refused("numpy_number", {"model": BASE, "best": numpy.float64(75.5)}, "a numpy scalar", "numpy")
    refused("whole_model", model(), "a module instead of its state dict", "torch.nn.modules")
    refused("sparse", {"weight": torch.eye(3).to_sparse()}, "a sparse tensor", "sparse")


def damaged():
    plain = zip_bytes(BASE)

    def changed(entry, change):
        return rewritten(plain, lambda name, data: change(data) if name.endswith(entry) else data)

    refused("empty", b"", "no bytes")
    refused("text", b"these are not weights\n" * 10, "a text file")
    refused("truncated", plain[:len(plain) // 2], "half a file")
    refused("no_pickle", changed("data.pkl", lambda data: None), "no data.pkl", "data.pkl")
    refused("no_storage", changed("data/0", lambda data: None), "a missing storage")
    refused("short_storage", changed("data/0", lambda data: data[:-4]), "a storage cut short")
    refused("truncated_pickle", changed("data.pkl", lambda data: data[:len(data) // 2]), "half a pickle")
    refused("not_tensors", {"loss": [1.0, 2.0]}, "a pickle without tensors")
    refused("one_tensor", torch.ones(3), "a tensor that has no name")
    # A few bytes that ask for 4 TiB, through stride 0.
    refused("expands_to_terabytes", {"weight": torch.zeros(1).expand(2 ** 20, 2 ** 20)}, "a huge shape", "weight")
    # A list that contains itself is no harm, unless one walks it.
    knot = []
    knot.append(knot)
    readable("cyclic", {"state_dict": BASE, "extra": knot})
    refused("legacy", BASE, "torch.save before version 1.6", "1.6", _use_new_zipfile_serialization=False)
    refused("legacy_tar", legacy_tar(), "torch.save before version 0.1.10", "")


def legacy_tar():
    """The outline of the oldest format, a tar archive of pickles."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ["storages", "tensors", "pickle"]:
            data = pickle.dumps(0, protocol=2)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    for old in OUT.glob("*.pth"):
        old.unlink()
    for group in [flavours, number_types, layouts, hostile, damaged]:
        group()
    save(OUT / "expected.safetensors", expected, "files", files)
    print(f"{len(files)} files, {sum(path.stat().st_size for path in OUT.iterdir())} bytes in all")
