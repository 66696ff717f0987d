"""Writes the two IDX files of the embedded `digits` dataset from scikit-learn's copy.

    python make_digits.py            # needs scikit-learn; writes beside this script

The data: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49, licensed CC BY 4.0. scikit-learn carries the 1,797 pictures
of its test part, 8x8 with 17 grey levels; they are stored here unchanged, in their order.
"""

import gzip
import pathlib
import struct

from sklearn.datasets import load_digits

here = pathlib.Path(__file__).parent
digits = load_digits()
images = digits.images.astype("uint8")
assert images.shape == (1797, 8, 8) and images.max() == 16 and (images == digits.images).all()


def write(name, array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    # No name and no time in the gzip header, so that the same data gives the same file.
    (here / name).write_bytes(gzip.compress(header + array.astype("uint8").tobytes(), 9, mtime=0))


write("digits-images-idx3-ubyte.gz", images)
write("digits-labels-idx1-ubyte.gz", digits.target)
