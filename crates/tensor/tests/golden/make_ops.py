"""Makes ops.safetensors: values and gradients of every tensor op and functional layer, from PyTorch.

    python make_ops.py [OUTPUT_DIR]          needs torch and safetensors

A case `op.variant` holds `<case>/in0`, `in1`..., `out` (`out1`... for further outputs), `grad_out` (a fixed
random cotangent of `out`) and `grad0`... (gradient of sum(out * grad_out) for each differentiable input;
none for integers, class weights, running statistics and targets). Floats are f32, integers i64, bools u8.
Metadata key "cases" is JSON: {case: {op, args, inputs, views?}}; `args` are PyTorch's keyword arguments,
`views` lists, per input, views to take of the stored tensor before the op (so the op's input is not
contiguous; the gradient is of the stored tensor). NaN in a result equals NaN.
"""
import sys
from pathlib import Path

import cases_layers
import cases_losses
import cases_tensor
from golden_file import CASES

GROUPS = [
    cases_tensor.arithmetic, cases_tensor.activations, cases_tensor.reductions, cases_tensor.shapes,
    cases_tensor.indexing, cases_tensor.products,
    cases_layers.convolutions, cases_layers.pooling, cases_layers.batch_norms,
    cases_losses.losses,
]

if __name__ == "__main__":
    for group in GROUPS:
        group()
    here = Path(__file__).resolve().parent
    CASES.save(Path(sys.argv[1] if len(sys.argv) > 1 else here) / "ops.safetensors")
