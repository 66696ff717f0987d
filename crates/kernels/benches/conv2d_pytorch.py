"""Times of the same convolutions in PyTorch, in the format of conv2d.rs: python conv2d_pytorch.py [network] [batch]

Best of the default and the channels-last layout for each pass.
"""
import sys, time
import torch
import torch.nn.functional as F


def basic_blocks(n, size, layers):
    layers.append(("layer1 3x3", 4, (n, 64, size, size), 64, 3, 1))
    for i in range(3):
        s, c = size >> i, 64 << i
        layers.append((f"layer{i+2} 3x3/2", 1, (n, c, s, s), 2 * c, 3, 2))
        layers.append((f"layer{i+2} 3x3", 3, (n, 2 * c, s // 2, s // 2), 2 * c, 3, 1))
        layers.append((f"layer{i+2} 1x1/2", 1, (n, c, s, s), 2 * c, 1, 2))
    return layers


def resnet50(n):
    layers = [
        ("conv1", 1, (n, 3, 224, 224), 64, 7, 2),
        ("layer1 1x1 in", 1, (n, 64, 56, 56), 64, 1, 1),
        ("layer1 1x1 reduce", 2, (n, 256, 56, 56), 64, 1, 1),
        ("layer1 3x3", 3, (n, 64, 56, 56), 64, 3, 1),
        ("layer1 1x1 expand", 4, (n, 64, 56, 56), 256, 1, 1),
    ]
    for i, count in enumerate([4, 6, 3]):
        s, c, name = 56 >> i, 128 << i, f"layer{i+2}"
        layers += [
            (f"{name} 1x1 in", 1, (n, 2 * c, s, s), c, 1, 1),
            (f"{name} 3x3/2", 1, (n, c, s, s), c, 3, 2),
            (f"{name} 1x1/2", 1, (n, 2 * c, s, s), 4 * c, 1, 2),
            (f"{name} 1x1 reduce", count - 1, (n, 4 * c, s // 2, s // 2), c, 1, 1),
            (f"{name} 3x3", count - 1, (n, c, s // 2, s // 2), c, 3, 1),
            (f"{name} 1x1 expand", count, (n, c, s // 2, s // 2), 4 * c, 1, 1),
        ]
    return layers


NETWORKS = {
    "cnn": (64, lambda n: [("conv1", 1, (n, 1, 28, 28), 8, 3, 1), ("conv2", 1, (n, 8, 14, 14), 16, 3, 1)]),
    "resnet18": (16, lambda n: basic_blocks(n, 56, [("conv1", 1, (n, 3, 224, 224), 64, 7, 2)])),
    "cifar_resnet18": (64, lambda n: basic_blocks(n, 32, [("conv1", 1, (n, 3, 32, 32), 64, 3, 1)])),
    "resnet50": (16, resnet50),
}


def best(f, repeat=0.15):
    f()
    start, times = time.perf_counter(), []
    while len(times) < 3 or time.perf_counter() - start < repeat:
        t = time.perf_counter()
        f()
        times.append(time.perf_counter() - t)
    return min(times)


network = sys.argv[1] if len(sys.argv) > 1 else "resnet18"
batch, layers = NETWORKS[network]
layers = layers(int(sys.argv[2]) if len(sys.argv) > 2 else batch)
totals = {"forward": 0, "dx": 0, "dw": 0}
print(f"{network}, {torch.get_num_threads()} thread(s), PyTorch {torch.__version__}")
for name, count, shape, out, kernel, stride in layers:
    pad, times = kernel // 2, {p: 1e9 for p in totals}
    for layout in (torch.contiguous_format, torch.channels_last):
        x = torch.randn(shape).to(memory_format=layout)
        w = torch.randn(out, shape[1], kernel, kernel).to(memory_format=layout)
        y = F.conv2d(x, w, stride=stride, padding=pad)
        backward = lambda mask: torch.ops.aten.convolution_backward(
            y, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, mask)
        with torch.no_grad():
            runs = {
                "forward": lambda: F.conv2d(x, w, stride=stride, padding=pad),
                "dx": lambda: backward([True, False, False]),
                "dw": lambda: backward([False, True, False]),
            }
            for p, f in runs.items():
                if not (p == "dx" and name == "conv1"):
                    times[p] = min(times[p], best(f))
    flops = 2 * y.numel() * shape[1] * kernel * kernel
    for p, t in times.items():
        if t < 1e9:
            totals[p] += count * t
            print(f"{name:<20} {count:>5} {p:>9} {t*1e3:>9.3f} {flops/t/1e9:>9.1f}")
f, dx, dw = (1e3 * t for t in totals.values())
print(f"all layers: forward {f:.2f} ms, dx {dx:.2f} ms, dw {dw:.2f} ms, sum {f+dx+dw:.2f} ms")
