"""Times onnxruntime on one fixed synthetic batch and prints a JSON line.

    python onnx_step.py export MODEL BATCH FILE
    python onnx_step.py run FILE WARMUP STEPS THREADS

The first writes one of torch_step.py's models, in eval mode; the second runs it, in a process without PyTorch.
"""

import sys


def export(name, batch, path):
    import torch

    from torch_step import model_and_batch

    model, images, _ = model_and_batch(name, int(batch))
    torch.onnx.export(model.eval(), (images,), path, input_names=["images"], dynamo=False)


def run(path, warmup, steps, threads):
    import numpy
    import onnxruntime

    from timing import time_steps

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(threads)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    shape = session.get_inputs()[0].shape
    images = numpy.random.default_rng(0).standard_normal(shape, dtype=numpy.float32)
    time_steps(lambda: session.run(None, {"images": images}), int(warmup), int(steps))


if __name__ == "__main__":
    {"export": export, "run": run}[sys.argv[1]](*sys.argv[2:])
