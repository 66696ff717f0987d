"""Makes display.json: how PyTorch prints tensors of all kinds.

    python make_display.py [OUTPUT_DIR]          needs torch

Each case is {name, dtype, shape, data, requires_grad, text}; floats in `data` are texts of nine digits,
integers are themselves, truth values 0 or 1.
"""
import json
import sys
from pathlib import Path

import torch

INF, NAN = float("inf"), float("nan")
CASES = []


def case(name, tensor, requires_grad=False):
    values = tensor.flatten().tolist()
    floating = tensor.is_floating_point()
    CASES.append({
        "name": name,
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "data": [f"{v:.9g}" if floating else int(v) for v in values],
        "requires_grad": requires_grad,
        "text": str(tensor.requires_grad_() if requires_grad else tensor),
    })


def cases():
    t = torch.tensor
    g = torch.Generator().manual_seed(0)
    normal = lambda *shape: torch.randn(shape, generator=g).round(decimals=3)
    case("scalar", t(1.5))
    case("whole scalar", t(-3.0))
    case("zero", t(0.0))
    case("tiny scalar", t(1e-7))
    case("vector", t([1.0, 2.5, -3.25]))
    case("whole numbers", t([1.0, 20.0, -300.0]))
    case("zeros", torch.zeros(2, 3))
    case("negative zero", t([-0.0, 0.0, 1.0]))
    case("negative zero and fractions", t([-0.0, 0.5]))
    case("rounding", t([0.12345, 0.12355, 2.00005, 0.99999]))
    case("wide range", t([1e-3, 1.0, 2e3]))
    case("range of exactly 1000", t([1.0, 1000.0]))
    case("range of more than 1000", t([1.5, 1501.0]))
    case("whole numbers of wide range", t([1.0, 2e4, 3e6]))
    case("large", t([1e8, 2e8]))
    case("too large", t([1.5e8, 2e8, 1e30]))
    case("small", t([1.5e-4, 2e-4]))
    case("too small", t([5e-5, 2e-4]))
    case("extremes", t([1e-38, 3e38, 1e-45]))
    case("infinities", t([INF, -INF, 1.0]))
    case("infinities and fractions", t([INF, -INF, 1.5, NAN]))
    case("infinities and wide range", t([INF, -INF, 1.5, NAN, 1e6]))
    case("nothing ordinary", t([NAN, INF, 0.0]))
    case("matrix", normal(2, 3))
    case("column", normal(4, 1))
    case("cube", normal(2, 3, 4))
    case("images", normal(2, 1, 2, 2))
    case("five dimensions", normal(1, 2, 1, 2, 2))
    case("long vector", torch.arange(30) / 4)
    case("long integers", torch.arange(45))
    case("line exactly full", torch.arange(100.0, 122.0))
    case("wide rows", normal(2, 25))
    case("1000 elements", torch.arange(1000.0))
    case("1001 elements", torch.arange(1001.0))
    case("summarized matrix", (torch.arange(1200.0) / 8).reshape(30, 40))
    case("summarized, narrow", (torch.arange(1400.0) / 8).reshape(200, 7))
    case("summarized, short columns", (torch.arange(1200.0) / 8).reshape(6, 200))
    case("summarized cube", torch.arange(1040.0).reshape(8, 10, 13))
    edge = torch.ones(40, 40)
    edge[20, 20] = 1e9
    case("what is left out does not count", edge)
    case("empty", t([]))
    case("empty matrix", torch.zeros(0, 3))
    case("empty integers", torch.zeros(0, dtype=torch.int64))
    case("empty matrix of integers", torch.zeros(2, 0, dtype=torch.int64))
    case("integers", t([[1, -20], [300, 4]]))
    case("integer scalar", t(7))
    case("many integers", torch.arange(1200).reshape(30, 40))
    case("truth", t([True, False, True]))
    case("truth scalar", t(False))
    case("all true", torch.ones(2, 2, dtype=torch.bool))
    case("leaf", t([1.0, 2.0]), requires_grad=True)
    case("leaf matrix", normal(3, 3), requires_grad=True)
    case("leaf whose note needs a line", t([1.0, 20.0, -300.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]), requires_grad=True)
    case("leaf whose note just fits", torch.arange(100.0, 109.0), requires_grad=True)


if __name__ == "__main__":
    cases()
    here = Path(__file__).resolve().parent
    path = Path(sys.argv[1] if len(sys.argv) > 1 else here) / "display.json"
    path.write_text("[\n" + ",\n".join(json.dumps(c) for c in CASES) + "\n]\n")
    print(f"{path}: {len(CASES)} cases, {path.stat().st_size} bytes")
