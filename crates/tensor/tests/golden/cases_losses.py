"""Cases of the losses, with every combination of their options."""
from itertools import product

import torch
import torch.nn.functional as F

from golden_file import CASES, TRANSPOSED, distribution, index, positive, ties, zero_one

case = CASES.case
EXTREMES = torch.tensor([-100.0, -20, -5, -1, -1e-3, -0.0, 0, 1e-3, 1, 5, 20, 100])


def losses():
    for reduction in ["mean", "sum", "none"]:
        for op, function in {"mse_loss": F.mse_loss, "l1_loss": F.l1_loss}.items():
            case(f"{op}.{reduction}", function, (3, 5), (3, 5), fixed=(1,), reduction=reduction)
        bce(reduction, (3, 5), zero_one(3, 5), reduction=reduction)
        bce(f"{reduction}_soft_targets", (3, 5), lambda g: torch.rand(3, 5, generator=g), reduction=reduction)
        bce(f"{reduction}_weight", (3, 5), zero_one(3, 5), weight=(3, 5), reduction=reduction)
        bce(f"{reduction}_pos_weight", (3, 5), zero_one(3, 5), pos_weight=(5,), reduction=reduction)
        bce(f"{reduction}_weight_pos_weight", (3, 5), zero_one(3, 5), weight=(5,), pos_weight=(5,),
            reduction=reduction)
        nll(reduction, 7, 5, reduction=reduction)
        nll(f"{reduction}_weight", 7, 5, weighted=True, reduction=reduction)
        nll(f"{reduction}_ignore_index", 7, 5, reduction=reduction, ignore_index=2)
        nll(f"{reduction}_weight_ignore_index", 7, 5, weighted=True, reduction=reduction, ignore_index=2)
        for weighted, smoothing, ignoring in product([False, True], repeat=3):
            options = ["weight"] * weighted + ["smoothing"] * smoothing + ["ignore_index"] * ignoring
            args = {"reduction": reduction, "label_smoothing": 0.1 * smoothing}
            target = torch.tensor([0, 2, 4, 1, 2, 3])
            cross_entropy("_".join([reduction, *options]), (6, 5), target, weighted,
                          **args, **{"ignore_index": 2} if ignoring else {})
            if not ignoring:
                cross_entropy("_".join([reduction, "probabilities", *options]), (4, 5), distribution(4, 5),
                              weighted, **args)
    case("mse_loss.size1", F.mse_loss, (1,), (1,), fixed=(1,), reduction="mean")
    case("mse_loss.both_differentiable", F.mse_loss, (2, 3), (2, 3), reduction="mean")
    case("l1_loss.ties", F.l1_loss, ties(4, 5), ties(4, 5), fixed=(1,), reduction="sum")
    bce("extremes", EXTREMES, (torch.arange(12) % 2).float(), reduction="none")
    bce("extremes_pos_weight", EXTREMES, (torch.arange(12) % 2).float(), pos_weight=(), reduction="none")
    nll("size1", 1, 1, reduction="mean")
    cross_entropy("one_sample", (1, 3), index(3, 1))
    cross_entropy("one_class", (3, 1), index(1, 3))
    cross_entropy("large_logits", torch.tensor([[1000.0, 0, -1000], [-5e3, 5e3, 5e3]]), torch.tensor([1, 1]))
    cross_entropy("ignore_minus_100", (4, 3), torch.tensor([0, -100, 2, -100]))
    cross_entropy("smoothing_one", (4, 3), index(3, 4), reduction="mean", label_smoothing=1.0)
    cross_entropy("transposed", (5, 4), index(5, 4), views=TRANSPOSED)
    cross_entropy("pixels", (2, 3, 2, 3), index(3, 2, 2, 3), True, label_smoothing=0.1, ignore_index=1)


def cross_entropy(variant, logits, target, weighted=False, **args):
    """Inputs: logits, target (class indices i64, or probabilities f32), class weights if any."""
    fixed = (1, 2)
    classes = logits.shape[1] if isinstance(logits, torch.Tensor) else logits[1]
    weight = [positive(classes)] * weighted
    case(f"cross_entropy.{variant}", F.cross_entropy, logits, target, *weight, fixed=fixed, **args)


def nll(variant, batch, classes, weighted=False, **args):
    """Inputs: log-probabilities, class indices, class weights if any."""
    logits = lambda g: torch.randn(batch, classes, generator=g).log_softmax(1)
    weight = [positive(classes)] * weighted
    target = torch.tensor([3, 2, 0, 4, 1, 2, 2])[:batch] % classes
    case(f"nll_loss.{variant}", F.nll_loss, logits, target, *weight, fixed=(2,), **args)


def bce(variant, logits, target, weight=None, pos_weight=None, **args):
    """Inputs: logits, target, then `weight` and `pos_weight` where `args` has them as true."""
    def loss(x, target, *given, weight, pos_weight, **args):
        given = iter(given)
        return F.binary_cross_entropy_with_logits(x, target.double(), next(given) if weight else None,
                                                  pos_weight=next(given) if pos_weight else None, **args)

    drawn = [positive(*shape) for shape in [weight, pos_weight] if shape is not None]
    case(f"binary_cross_entropy_with_logits.{variant}", loss, logits, target, *drawn, fixed=(1, 2, 3),
         weight=weight is not None, pos_weight=pos_weight is not None, **args)
