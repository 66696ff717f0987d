"""Cases of the tensor ops: arithmetic, activations, reductions, shapes, indexing, products."""
import torch
import torch.nn.functional as F

from golden_file import CASES, TRANSPOSED, index, mask, positive, ties

case = CASES.case
INF, NAN = float("inf"), float("nan")
EXTREMES = torch.tensor([-100.0, -20, -5, -1, -1e-3, -0.0, 0, 1e-3, 1, 5, 20, 100])
NARROWED = {0: [["narrow", 1, 1, 2]]}


def arithmetic():
    binary = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div}
    for op, function in binary.items():
        # Division by something near zero would only measure conditioning.
        right = positive if op == "div" else (lambda *shape: shape)
        case(f"{op}.same", function, (2, 3, 4), right(2, 3, 4))
        case(f"{op}.size1", function, (1,), right(1))
        case(f"{op}.zero_dim", function, (), right())
        case(f"{op}.broadcast_right", function, (2, 3, 5), right(5))
        case(f"{op}.broadcast_left", function, (5,), right(2, 3, 5))
        case(f"{op}.broadcast_both", function, (3, 1, 5), right(4, 1))
        case(f"{op}.broadcast_channels", function, (2, 3, 3, 2), right(3, 1, 1))
        case(f"{op}.broadcast_zero_dim", function, (), right(3, 2))
        case(f"{op}.scalar", function, (3, 5), other=2.5)
        case(f"{op}.scalar_first", lambda x, input, f=function: f(torch.full_like(x, input), x), right(3, 5),
             input=1.5)
        case(f"{op}.transposed", function, (5, 3), right(3, 5), views=TRANSPOSED)
    case("mul.with_itself", lambda x: x * x, (2, 3))

    for op, function in {"neg": torch.neg, "abs": torch.abs, "exp": torch.exp}.items():
        case(f"{op}.odd", function, (3, 7))
        case(f"{op}.zero_dim", function, ())
        case(f"{op}.transposed", function, (4, 3), views=TRANSPOSED)
    case("abs.zeros", torch.abs, ties(5, 3))
    case("exp.extremes", torch.exp, EXTREMES[:-1])
    for op, function in {"log": torch.log, "sqrt": torch.sqrt, "reciprocal": torch.reciprocal}.items():
        case(f"{op}.odd", function, positive(3, 7))
        case(f"{op}.zero_dim", function, positive())
        case(f"{op}.small", function, torch.tensor([1e-6, 1e-3, 0.25, 1, 1e3, 1e6]))
    case("reciprocal.negative", torch.reciprocal, torch.tensor([-0.5, -2.0, -1e3]))

    exponents = {"zero": 0.0, "half": 0.5, "one": 1.0, "two": 2.0, "two_and_half": 2.5, "three": 3.0,
                 "minus_one": -1.0, "minus_two": -2.0}
    for variant, exponent in exponents.items():
        case(f"pow.scalar_{variant}", torch.pow, positive(3, 5), exponent=exponent)
    case("pow.scalar_square_of_negative", torch.pow, (3, 5), exponent=2.0)
    case("pow.scalar_cube_of_negative", torch.pow, ties(7), exponent=3.0)
    case("pow.tensor", torch.pow, positive(3, 5), (3, 5))
    case("pow.tensor_broadcast", torch.pow, positive(3, 1, 5), (4, 1))
    case("pow.tensor_zero_base", torch.pow, torch.tensor([0.0, 0, 0, 2]), torch.tensor([0.0, 1, 2, 0]))

    case("clamp.both", torch.clamp, (4, 7), min=-0.5, max=0.75)
    case("clamp.min", torch.clamp, (4, 7), min=0.0)
    case("clamp.max", torch.clamp, (4, 7), max=0.25)
    case("clamp.at_the_bounds", torch.clamp, ties(4, 5), min=-1.0, max=1.0)
    case("clamp.min_above_max", torch.clamp, (5,), min=1.0, max=-1.0)


def activations():
    functions = {"relu": F.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "gelu": F.gelu, "silu": F.silu}
    for op, function in functions.items():
        case(f"{op}.odd", function, (3, 7))
        case(f"{op}.image", function, (2, 3, 3, 5))
        case(f"{op}.size1", function, (1, 1))
        case(f"{op}.extremes", function, EXTREMES)
        case(f"{op}.narrowed", function, (3, 4, 2), views=NARROWED)
    case("relu.zeros", F.relu, ties(5, 3))
    case("relu.nan", F.relu, torch.tensor([NAN, -1.0, 0.0, 1.0, INF, -INF]))
    case("gelu.tanh", F.gelu, (3, 7), approximate="tanh")
    case("gelu.tanh_extremes", F.gelu, EXTREMES, approximate="tanh")
    case("leaky_relu.default", F.leaky_relu, (3, 7), negative_slope=0.01)
    case("leaky_relu.slope", F.leaky_relu, (2, 3, 5), negative_slope=0.2)
    case("leaky_relu.zeros", F.leaky_relu, ties(5, 3), negative_slope=0.2)
    case("dropout.eval", F.dropout, (3, 5), p=0.5, training=False)
    case("dropout.none", F.dropout, (3, 5), p=0.0, training=True)
    case("dropout.all", F.dropout, (3, 5), p=1.0, training=True)
    for op, function in {"softmax": F.softmax, "log_softmax": F.log_softmax}.items():
        for dim in [0, 1, -1]:
            case(f"{op}.dim{dim}".replace("-1", "_last"), function, (3, 4, 5), dim=dim)
        case(f"{op}.image_channels", function, (2, 3, 2, 3), dim=1)
        case(f"{op}.size1", function, (3, 1), dim=1)
        case(f"{op}.vector", function, (7,), dim=0)
        large = torch.tensor([[1000.0, 999, -1000], [-1e4, -1e4, -1e4], [88, 0, 89]])
        case(f"{op}.large", function, large, dim=1)
        case(f"{op}.transposed", function, (4, 3), dim=1, views=TRANSPOSED)


def reductions():
    for op, function in {"sum": torch.sum, "mean": torch.mean, "amax": torch.amax}.items():
        case(f"{op}.all", lambda x, f=function: f(x, dim=()), (3, 5, 2))
        case(f"{op}.dim0", function, (3, 5, 2), dim=[0])
        case(f"{op}.dim_last", function, (3, 5, 7), dim=[-1])
        case(f"{op}.dim1_keepdim", function, (3, 5, 2), dim=[1], keepdim=True)
        case(f"{op}.dims_0_2", function, (3, 5, 2), dim=[0, 2])
        case(f"{op}.image_keepdim", function, (2, 3, 3, 5), dim=[2, 3], keepdim=True)
        case(f"{op}.channels", function, (2, 3, 3, 5), dim=[0, 2, 3])
        case(f"{op}.size1", function, (1, 1), dim=[1])
        case(f"{op}.transposed", function, (4, 3), dim=[1], views=TRANSPOSED)
    case("sum.zero_dim", torch.sum, ())
    case("sum.expanded", torch.sum, (3, 1), dim=[0], views={0: [["expand", [3, 4]]]})
    case("amax.ties", torch.amax, ties(4, 6), dim=[1])
    case("amax.ties_all", lambda x: torch.amax(x, dim=()), ties(4, 6))
    for correction in [0, 1]:
        case(f"var.all_correction{correction}", torch.var, (3, 5), correction=correction)
        case(f"var.channels_correction{correction}", torch.var, (2, 3, 3, 2), dim=[0, 2, 3],
             correction=correction)
        case(f"var.keepdim_correction{correction}", torch.var, (3, 5, 2), dim=[1], correction=correction,
             keepdim=True)
    case("var.size1", torch.var, (3, 1), dim=[1], correction=0)
    far = torch.tensor([[1000.5, 1001, 999.25, 1000], [-4096, -4095, -4097, -4096]])
    case("var.far_from_zero", torch.var, far, dim=[1], correction=1)
    for op, function in {"max": torch.max, "min": torch.min}.items():
        case(f"{op}.all", function, (3, 5))
        case(f"{op}.all_ties", function, ties(3, 5))
        case(f"{op}.dim0", function, (3, 5, 2), dim=0)
        case(f"{op}.dim_last", function, (3, 5, 7), dim=-1)
        case(f"{op}.keepdim", function, (3, 5, 2), dim=1, keepdim=True)
        case(f"{op}.ties", function, ties(4, 6), dim=1)
        case(f"{op}.size1", function, (3, 1), dim=1)
        case(f"{op}.nan", function, torch.tensor([[1.0, NAN, 3], [NAN, NAN, 0], [1, 2, 0]]), dim=1)
        case(f"{op}.transposed", function, (4, 3), dim=0, views=TRANSPOSED)
    case("argmax.all", torch.argmax, (3, 5))
    case("argmax.dim1", torch.argmax, (3, 5, 2), dim=1)
    case("argmax.dim_last_keepdim", torch.argmax, (3, 5), dim=-1, keepdim=True)
    case("argmax.ties", torch.argmax, ties(4, 6), dim=1)
    case("argmax.size1", torch.argmax, (3, 1), dim=1)


def shapes():
    permuted = {0: [["permute", [0, 2, 3, 1]]]}
    case("reshape.plain", torch.reshape, (3, 4), shape=[2, 6])
    case("reshape.inferred", torch.reshape, (2, 3, 4), shape=[3, -1])
    case("reshape.to_zero_dim", torch.reshape, (1, 1), shape=[])
    case("reshape.permuted", torch.reshape, (2, 3, 2, 5), shape=[4, 15], views=permuted)
    case("permute.image", torch.permute, (2, 3, 4, 5), dims=[0, 2, 3, 1])
    case("permute.negative", torch.permute, (2, 3, 4), dims=[-1, 0, 1])
    case("transpose.matrix", torch.transpose, (3, 5), dim0=0, dim1=1)
    case("transpose.negative", torch.transpose, (2, 3, 4), dim0=-1, dim1=0)
    case("narrow.middle", torch.narrow, (3, 5, 2), dim=1, start=1, length=3)
    case("narrow.one", torch.narrow, (3, 5), dim=0, start=2, length=1)
    case("narrow.permuted", torch.narrow, (2, 3, 2, 5), dim=3, start=1, length=2, views=permuted)

    def slice_(x, dim, start, end, step=1):
        return x.movedim(dim, 0)[start:end:step].movedim(0, dim)

    case("slice.plain", slice_, (3, 5, 2), dim=1, start=1, end=4)
    case("slice.to_end", slice_, (7, 2), dim=0, start=3, end=7)
    case("slice.step2", slice_, (2, 7), dim=1, start=1, end=7, step=2)
    case("squeeze.dim", torch.squeeze, (3, 1, 5), dim=1)
    case("squeeze.negative", torch.squeeze, (3, 5, 1), dim=-1)
    case("squeeze.not_one", torch.squeeze, (3, 5), dim=0)
    case("unsqueeze.first", torch.unsqueeze, (3, 5), dim=0)
    case("unsqueeze.last", torch.unsqueeze, (3, 5), dim=-1)
    case("expand.rows", lambda x, size: x.expand(size), (1, 5), size=[3, 5])
    case("expand.new_dim", lambda x, size: x.expand(size), (3, 1), size=[2, 3, 4])
    case("expand.kept_dim", lambda x, size: x.expand(size), (3, 1), size=[-1, 4])
    case("flatten.batch", torch.flatten, (2, 3, 2, 3), start_dim=1)
    case("flatten.all", torch.flatten, (2, 3, 4), start_dim=0)
    case("flatten.middle", torch.flatten, (2, 3, 2, 3), start_dim=1, end_dim=2)
    case("flatten.permuted", torch.flatten, (2, 3, 2, 5), start_dim=1, views=permuted)
    case("flatten.narrowed", torch.flatten, (2, 4, 3), start_dim=1, views=NARROWED)

    def cat(*tensors, dim):
        return torch.cat(tensors, dim)

    def stack(*tensors, dim):
        return torch.stack(tensors, dim)

    case("cat.dim0", cat, (2, 3), (1, 3), (4, 3), dim=0)
    case("cat.dim1", cat, (2, 1, 3), (2, 4, 3), dim=1)
    case("cat.last", cat, (2, 3), (2, 5), dim=-1)
    case("cat.one", cat, (2, 3), dim=0)
    case("cat.channels", cat, (2, 3, 2, 3), (2, 1, 2, 3), dim=1)
    case("cat.transposed", cat, (3, 2), (2, 5), dim=1, views=TRANSPOSED)
    case("stack.dim0", stack, (2, 3), (2, 3), (2, 3), dim=0)
    case("stack.dim1", stack, (2, 3), (2, 3), dim=1)
    case("stack.last", stack, (2, 3), (2, 3), dim=-1)
    case("stack.zero_dim", stack, (), (), (), dim=0)


def indexing():
    def gather(x, index, dim):
        return torch.gather(x, dim, index)

    def index_select(x, index, dim):
        return torch.index_select(x, dim, index)

    case("gather.dim0", gather, (4, 3), index(4, 2, 3), dim=0)
    case("gather.dim1_repeated", gather, (3, 4), index(4, 3, 7), dim=1)
    case("gather.middle", gather, (2, 5, 3), index(5, 2, 4, 3), dim=1)
    case("gather.smaller_index", gather, (4, 5), index(5, 2, 3), dim=1)
    case("gather.transposed", gather, (4, 3), index(4, 3, 2), dim=1, views=TRANSPOSED)
    case("index_select.rows", index_select, (5, 3), index(5, 4), dim=0)
    case("index_select.repeated", index_select, (2, 3, 4), torch.tensor([1, 1, 0, 2, 1]), dim=1)
    case("index_select.last", index_select, (2, 5), torch.tensor([4]), dim=-1)
    case("index_select.transposed", index_select, (4, 3), torch.tensor([2, 0, 0]), dim=0, views=TRANSPOSED)
    case("where.same", torch.where, mask(3, 5), (3, 5), (3, 5))
    case("where.broadcast", torch.where, mask(3, 1), (5,), (2, 3, 1))
    case("where.zero_dim", torch.where, mask(4), (4,), ())
    case("one_hot.vector", F.one_hot, index(5, 7), num_classes=5)
    case("one_hot.matrix", F.one_hot, index(3, 2, 4), num_classes=3)
    case("one_hot.unused_classes", F.one_hot, torch.tensor([0, 1, 0]), num_classes=4)
    for op in ["eq", "ne", "lt", "le", "gt", "ge"]:
        function = getattr(torch, op)
        case(f"{op}.ties", function, ties(3, 5), ties(3, 5))
        case(f"{op}.broadcast", function, ties(3, 1, 5), ties(4, 1))
        case(f"{op}.scalar", function, ties(3, 5), other=1.0)
        case(f"{op}.nan", function, torch.tensor([NAN, NAN, 1]), torch.tensor([NAN, 0, NAN]))
        case(f"{op}.integers", function, index(3, 7), index(3, 7))


def products():
    case("matmul.plain", torch.matmul, (3, 5), (5, 4))
    case("matmul.one_by_one", torch.matmul, (1, 1), (1, 1))
    case("matmul.inner1", torch.matmul, (3, 1), (1, 4))
    case("matmul.row", torch.matmul, (1, 7), (7, 5))
    case("matmul.column", torch.matmul, (5, 7), (7, 1))
    case("matmul.larger", torch.matmul, (17, 19), (19, 23))
    case("matmul.left_transposed", torch.matmul, (5, 3), (5, 4), views=TRANSPOSED)
    case("matmul.right_transposed", torch.matmul, (3, 5), (4, 5), views={1: [["transpose", 0, 1]]})
    case("matmul.batched", torch.matmul, (3, 2, 5), (3, 5, 4))
    case("matmul.batched_transposed", torch.matmul, (3, 5, 2), (3, 5, 4), views={0: [["transpose", 1, 2]]})
    case("matmul.broadcast_batch", torch.matmul, (2, 1, 3, 4), (3, 4, 2))
    case("matmul.batch_by_matrix", torch.matmul, (2, 3, 5), (5, 4))
    case("matmul.matrix_by_batch", torch.matmul, (3, 5), (2, 5, 4))
    case("matmul.dot", torch.matmul, (7,), (7,))
    case("matmul.matrix_by_vector", torch.matmul, (3, 5), (5,))
    case("matmul.vector_by_matrix", torch.matmul, (5,), (5, 3))
    case("matmul.batch_by_vector", torch.matmul, (2, 3, 5), (5,))
    case("matmul.vector_by_batch", torch.matmul, (5,), (2, 5, 3))
    case("linear.bias", F.linear, (3, 5), (4, 5), (4,))
    case("linear.no_bias", F.linear, (3, 5), (4, 5))
    case("linear.size1", F.linear, (1, 1), (1, 1), (1,))
    case("linear.larger", F.linear, (5, 37), (19, 37), (19,))
    case("linear.sequence", F.linear, (2, 3, 5), (4, 5), (4,))
    case("linear.vector", F.linear, (5,), (4, 5), (4,))
    case("linear.transposed", F.linear, (5, 3), (4, 5), (4,), views=TRANSPOSED)
