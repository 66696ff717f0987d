"""Writes a tiny CIFAR-10 in the python form, pickled as Python 2 pickled the real one.

    python make_cifar.py             # needs numpy; writes into cifar/ beside this script

Each batch holds two pictures; the pixels of picture number n (counted over all batches) are n, n + 1, n + 2, ...
modulo 256 in the stored order of planes, and its label is n modulo 10.
"""

import io
import pathlib
import pickle
import struct

import numpy as np

here = pathlib.Path(__file__).parent / "cifar" / "cifar-10-batches-py"
here.mkdir(parents=True, exist_ok=True)


class Python2(pickle._Pickler):
    """Protocol 2, with every string as Python 2's `str`."""

    def save_string(self, obj):
        data = obj.encode() if isinstance(obj, str) else obj
        short = len(data) < 256
        self.write((pickle.SHORT_BINSTRING + bytes([len(data)]) if short else pickle.BINSTRING + struct.pack("<i", len(data))) + data)
        self.memoize(obj)

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[bytes] = save_string
    dispatch[str] = save_string


def dump(name, value):
    out = io.BytesIO()
    Python2(out, protocol=2).dump(value)
    (here / name).write_bytes(out.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


number = 0
for name in [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]:
    numbers = [number, number + 1]
    number += 2
    data = np.stack([(np.arange(3072) + n) % 256 for n in numbers]).astype("uint8")
    labels = [n % 10 for n in numbers]
    dump(name, {"batch_label": name, "labels": labels, "data": data, "filenames": ["a.png", "b.png"]})
classes = "airplane automobile bird cat deer dog frog horse ship truck".split()
dump("batches.meta", {"num_cases_per_batch": 2, "label_names": classes, "num_vis": 3072})
