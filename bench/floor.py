"""The floor under a step's time: no engine that computes this way can be faster on this machine.

Each op takes the longer of two times. Its multiplications at the peak of multiply-adds on registers: a quarter of a
direct convolution's where Winograd's F(4x4, 3x3) applies (3x3, stride 1, at least 16 channels on both sides), nine
sixteenths where its decomposition for stride 2 does, seven eighths where one level of Strassen's algorithm does (multiples
of 128 channels, at least 256 in the result; not in the gradient of the weight). Convolutions that are pooled at once (the
small CNN's): four ninths where F(2x2, 3x3) applies (at least 8 channels, 16 outputs), and a quarter in the gradients, since
three of four elements are zero behind a 2x2 max pooling. Transforms and sums count nothing. And its bytes, each array once,
at the speed at which this machine copies as many bytes again and again; small ones thus at the speed of the caches.
ReLU, the residual's addition and the statistics of batch norm cost nothing: they ride along. In training a convolution reads
its input and writes its output, batch norm reads that and writes its own; backward reads both gradient and what was saved, and
writes gradients; SGD reads weight, gradient and momentum and writes two of them. In mixed precision numbers are half as long,
and where more than half of the multiplications would be left they are made two at a time.
"""

FLOAT = 4
BFLOAT16 = 2

# What Winograd's algorithms leave of the multiplications of a 3x3 convolution with stride 1 and with stride 2.
WINOGRAD = {1: 1 / 4, 2: 9 / 16}


class Floor:
    """Adds up seconds over the ops of a network."""

    def __init__(self, machine, training, mixed=False):
        self.mixed = mixed
        self.flops = machine["gflops"] * 1e9
        self.copies = falling(machine["copies"])
        self.training = training
        self.seconds = 0.0

    def op(self, macs, numbers):
        size = numbers * (BFLOAT16 if self.mixed else FLOAT)
        rate = next((rate for limit, rate in self.copies if size <= limit), self.copies[-1][1])
        self.seconds += max(2 * macs / self.flops, size / (rate * 1e9))

    def convolution(self, x, out, kernel, stride=1, norm=True, residual=False, image=False):
        """`x` is (batch, channels, height, width); returns the shape of the output. `image`: x needs no gradient."""
        batch, channels, height, width = x
        y = (batch, out, -(-height // stride), -(-width // stride))
        weights = out * channels * kernel * kernel
        macs = numel(y) * channels * kernel * kernel
        winograd = WINOGRAD[stride] if kernel == 3 and min(channels, out) >= 16 else None
        self.update(weights + (2 * out if norm else out))
        arrays = numel(x) + weights + numel(y)
        if not self.training:
            self.op(macs * self.share(winograd, channels, out), arrays + residual * numel(y))
            return y
        self.op(macs * self.share(winograd, channels, out), arrays)
        self.op(macs * min(winograd or 1, self.most()), arrays)  # gradient of the weight
        if not image:
            self.op(macs * self.share(winograd, out, channels), arrays)  # gradient of the input
        if norm:
            self.op(0, (2 + residual) * numel(y))  # z and the residual to y
            self.op(0, (3 + 2 * residual) * numel(y))  # y's gradient and z (and y) to z's (and the residual's)
        return y

    def pooled_convolution(self, x, out):
        """A 3x3 convolution with bias, ReLU and 2x2 max pooling in one: what is between is never written."""
        batch, channels, height, width = x
        y = (batch, out, height // 2, width // 2)
        weights = out * channels * 9
        macs = 4 * numel(y) * channels * 9
        arrays = numel(x) + weights + numel(y)
        self.update(weights + out)
        self.op(macs * (4 / 9 if channels >= 8 and out >= 16 else 1), arrays)
        if self.training:
            for _ in range(1 if channels == 1 else 2):  # the image needs no gradient
                self.op(macs / 4, arrays)
        return y

    def share(self, winograd, terms, columns):
        """What is left of a direct convolution's multiplications: sums over `terms` channels for each of `columns`."""
        strassen = terms % 128 == 0 and columns % 128 == 0 and columns >= 256
        return min(winograd or (7 / 8 if strassen else 1), self.most())

    def most(self):
        return 1 / 2 if self.mixed else 1

    def pool(self, x, size):
        """Max or average pooling to `size` squared."""
        y = (*x[:2], size, size)
        for _ in range(2 if self.training else 1):
            self.op(0, numel(x) + numel(y))
        return y

    def linear(self, batch, inputs, outputs):
        for _ in range(3 if self.training else 1):
            self.op(batch * inputs * outputs, batch * (inputs + outputs) + inputs * outputs)
        self.update((inputs + 1) * outputs)

    def update(self, parameters):
        if self.training:
            # Of float32 always.
            self.op(0, 5 * parameters * (2 if self.mixed else 1))


def falling(copies):
    """Sizes and rates, a smaller copy at least as fast as each larger one: else it was disturbed."""
    copies = sorted(copies)
    return [(size, max(rate for _, rate in copies[i:])) for i, (size, _) in enumerate(copies)]


def numel(shape):
    product = 1
    for size in shape:
        product *= size
    return product


def cnn(floor, batch):
    x = floor.pooled_convolution((batch, 1, 28, 28), 8)
    floor.pooled_convolution(x, 16)
    floor.linear(batch, 784, 128)
    floor.linear(batch, 128, 10)


def basic_block(floor, x, width, stride):
    y = floor.convolution(x, width, 3, stride)
    shortcut(floor, x, width, stride)
    return floor.convolution(y, width, 3, residual=True)


def bottleneck(floor, x, width, stride):
    y = floor.convolution(x, width, 1)
    y = floor.convolution(y, width, 3, stride)
    shortcut(floor, x, 4 * width, stride)
    return floor.convolution(y, 4 * width, 1, residual=True)


def shortcut(floor, x, out, stride):
    if stride != 1 or x[1] != out:
        floor.convolution(x, out, 1, stride)


def resnet(floor, x, block, blocks, classes):
    for stage, count in enumerate(blocks):
        for i in range(count):
            x = block(floor, x, 64 << stage, 2 if stage > 0 and i == 0 else 1)
    batch, channels = floor.pool(x, 1)[:2]
    floor.linear(batch, channels, classes)


def imagenet(block, blocks):
    def network(floor, batch):
        x = floor.convolution((batch, 3, 224, 224), 64, 7, 2, image=True)
        resnet(floor, floor.pool(x, 56), block, blocks, 1000)

    return network


def cifar_resnet18(floor, batch):
    x = floor.convolution((batch, 3, 32, 32), 64, 3, image=True)
    resnet(floor, x, basic_block, [2, 2, 2, 2], 10)


NETWORKS = {
    "cnn": cnn,
    "cifar_resnet18": cifar_resnet18,
    "resnet18": imagenet(basic_block, [2, 2, 2, 2]),
    "resnet50": imagenet(bottleneck, [3, 4, 6, 3]),
}


def floor_ms(work, machine):
    """Milliseconds of a step, or of an epoch of MNIST without its loading; None where that is not known."""
    if work.amp and machine["isa"] != "avx512-bf16":
        return None  # processors differ in what bfloat16 saves
    if work.mode == "epoch":
        floor = Floor(machine, training=True)
        cnn(floor, work.batch)
        return floor.seconds * 1e3 * 60_000 / work.batch
    floor = Floor(machine, training=work.mode == "train", mixed=work.amp)
    NETWORKS[work.model](floor, work.batch)
    return floor.seconds * 1e3
