"""Cases of the functional layers: convolution, pooling, batch norm."""
import torch
import torch.nn.functional as F

from golden_file import CASES, positive, ties

case = CASES.case
INF, NAN = float("inf"), float("nan")
CHANNELS_LAST = {0: [["permute", [0, 3, 1, 2]]]}


def convolutions():
    def conv(variant, x, weight, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=True,
             views=None):
        inputs = [x, weight, (weight[0],)] if bias else [x, weight]
        padding = padding if isinstance(padding, str) else list(padding)
        case(f"conv2d.{variant}", F.conv2d, *inputs, views=views, stride=list(stride), padding=padding,
             dilation=list(dilation), groups=groups)

    conv("1x1", (2, 5, 3, 4), (3, 5, 1, 1))
    conv("1x1_no_bias", (2, 5, 3, 4), (3, 5, 1, 1), bias=False)
    conv("1x1_stride2", (2, 3, 5, 6), (4, 3, 1, 1), (2, 2), bias=False)
    conv("3x3", (2, 3, 5, 6), (4, 3, 3, 3))
    conv("3x3_pad1", (2, 3, 6, 7), (4, 3, 3, 3), padding=(1, 1))
    conv("3x3_pad1_one_channel", (2, 1, 6, 5), (8, 1, 3, 3), padding=(1, 1))
    conv("3x3_pad1_larger", (1, 8, 9, 11), (8, 8, 3, 3), padding=(1, 1), bias=False)
    conv("3x3_pad1_channels_last", (2, 6, 7, 3), (4, 3, 3, 3), padding=(1, 1), views=CHANNELS_LAST)
    conv("3x3_pad1_transposed", (2, 3, 7, 5), (4, 3, 3, 3), padding=(1, 1), views={0: [["transpose", 2, 3]]})
    conv("stride2", (2, 3, 7, 8), (4, 3, 3, 3), (2, 2))
    conv("stride2_pad1", (2, 3, 7, 8), (4, 3, 3, 3), (2, 2), (1, 1), bias=False)
    conv("stride3_last_row_unused", (1, 2, 9, 8), (3, 2, 2, 2), (3, 3))
    conv("dilation2", (1, 3, 8, 9), (4, 3, 3, 3), dilation=(2, 2))
    conv("dilation2_pad2", (1, 3, 6, 5), (4, 3, 3, 3), padding=(2, 2), dilation=(2, 2))
    conv("groups2", (2, 4, 5, 5), (6, 2, 3, 3), padding=(1, 1), groups=2)
    conv("stride2_pad1_groups2", (2, 4, 6, 5), (4, 2, 3, 3), (2, 2), (1, 1), groups=2)
    conv("groups4_of_many", (1, 8, 4, 5), (8, 2, 3, 3), padding=(1, 1), groups=4, bias=False)
    conv("depthwise", (2, 4, 5, 6), (4, 1, 3, 3), padding=(1, 1), groups=4)
    conv("depthwise_stride2", (2, 4, 5, 6), (4, 1, 3, 3), (2, 2), (1, 1), groups=4)
    conv("depthwise_multiplier2", (1, 3, 5, 4), (6, 1, 3, 3), padding=(1, 1), groups=3)
    conv("7x7_stride2_pad3", (1, 3, 13, 11), (4, 3, 7, 7), (2, 2), (3, 3), bias=False)
    conv("5x5_pad2", (1, 2, 7, 6), (3, 2, 5, 5), padding=(2, 2))
    conv("asymmetric_kernel", (2, 3, 5, 7), (4, 3, 1, 3), padding=(0, 1))
    conv("asymmetric_all", (1, 3, 9, 8), (4, 3, 3, 2), (2, 1), (1, 0), (1, 2))
    conv("same_odd", (2, 3, 5, 6), (4, 3, 3, 3), padding="same")
    conv("same_even", (2, 3, 5, 6), (4, 3, 2, 4), padding="same")
    conv("same_even_dilated", (1, 2, 6, 7), (3, 2, 2, 4), padding="same", dilation=(2, 3))
    conv("valid", (1, 2, 4, 5), (3, 2, 3, 3), padding="valid")
    conv("image1x1", (2, 3, 1, 1), (4, 3, 1, 1))
    conv("image1x1_3x3_pad1", (2, 3, 1, 1), (4, 3, 3, 3), padding=(1, 1))
    conv("one_of_all", (1, 1, 1, 1), (1, 1, 1, 1))
    conv("kernel_as_large_as_image", (2, 3, 4, 3), (5, 3, 4, 3))
    conv("padding_beyond_kernel", (1, 2, 3, 3), (2, 2, 2, 2), padding=(3, 3))


def pooling():
    def max_pool(variant, x, kernel, stride=None, padding=0, dilation=1, ceil_mode=False, views=None):
        case(f"max_pool2d.{variant}", F.max_pool2d, x, views=views, kernel_size=pair(kernel),
             stride=pair(stride or kernel), padding=pair(padding), dilation=pair(dilation), ceil_mode=ceil_mode)

    def avg_pool(variant, x, kernel, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
                 views=None):
        case(f"avg_pool2d.{variant}", F.avg_pool2d, x, views=views, kernel_size=pair(kernel),
             stride=pair(stride or kernel), padding=pair(padding), ceil_mode=ceil_mode,
             count_include_pad=count_include_pad)

    def pair(value):
        return list(value) if isinstance(value, tuple) else [value, value]

    max_pool("2x2", (2, 3, 4, 6), 2)
    max_pool("2x2_odd", (2, 3, 5, 7), 2)
    max_pool("2x2_ties", ties(2, 3, 4, 6), 2)
    max_pool("3x3_stride2_pad1", (2, 3, 7, 6), 3, 2, 1)
    max_pool("3x3_stride2_pad1_ties", ties(1, 2, 7, 7), 3, 2, 1)
    max_pool("overlapping", (1, 3, 5, 5), 3, 1)
    max_pool("gaps", (1, 2, 7, 8), 2, 3)
    max_pool("dilation2", (1, 2, 7, 8), 3, 2, 1, 2)
    max_pool("ceil_mode", (2, 3, 5, 7), 2, 2, ceil_mode=True)
    max_pool("ceil_mode_pad1", (1, 2, 6, 7), 3, 2, 1, ceil_mode=True)
    max_pool("ceil_mode_last_window_outside", (1, 2, 4, 4), 1, 3, ceil_mode=True)
    max_pool("asymmetric", (1, 2, 6, 9), (2, 3), (1, 2), (1, 0), (1, 2))
    max_pool("negative_with_padding", torch.arange(-18.0, 0).reshape(1, 2, 3, 3), 3, 2, 1)
    max_pool("image1x1", (2, 3, 1, 1), 1)
    max_pool("nan", torch.tensor([[[[1.0, NAN, 3, 4], [5, 6, 7, -INF]]]]), 2)
    max_pool("channels_last", (2, 5, 6, 3), 2, views=CHANNELS_LAST)

    avg_pool("2x2", (2, 3, 4, 6), 2)
    avg_pool("2x2_odd", (2, 3, 5, 7), 2)
    avg_pool("3x3_stride1_pad1", (1, 2, 5, 4), 3, 1, 1)
    avg_pool("3x3_stride2_pad1", (2, 3, 7, 6), 3, 2, 1)
    avg_pool("3x3_stride2_pad1_without_pad", (2, 3, 7, 6), 3, 2, 1, count_include_pad=False)
    avg_pool("ceil_mode", (2, 3, 5, 7), 2, 2, ceil_mode=True)
    avg_pool("ceil_mode_pad1", (1, 2, 6, 7), 3, 2, 1, ceil_mode=True)
    avg_pool("ceil_mode_pad1_without_pad", (1, 2, 6, 7), 3, 2, 1, ceil_mode=True, count_include_pad=False)
    avg_pool("asymmetric", (1, 2, 6, 9), (2, 3), (1, 2), (1, 0))
    avg_pool("asymmetric_without_pad", (1, 2, 6, 9), (2, 3), (1, 2), (1, 1), count_include_pad=False)
    avg_pool("image1x1", (2, 3, 1, 1), 1)
    avg_pool("channels_last", (2, 5, 6, 3), 2, views=CHANNELS_LAST)

    for op in ["adaptive_avg_pool2d", "adaptive_max_pool2d"]:
        function = getattr(F, op)
        case(f"{op}.to_1x1", function, (2, 3, 5, 7), output_size=[1, 1])
        case(f"{op}.even", function, (2, 3, 6, 4), output_size=[3, 2])
        case(f"{op}.uneven", function, (1, 2, 7, 5), output_size=[3, 4])
        case(f"{op}.same_size", function, (1, 2, 3, 4), output_size=[3, 4])
        case(f"{op}.larger_than_input", function, (1, 2, 3, 2), output_size=[5, 7])
        case(f"{op}.from_1x1", function, (2, 3, 1, 1), output_size=[2, 3])
        case(f"{op}.ties", function, ties(1, 2, 5, 5), output_size=[2, 2])
        case(f"{op}.channels_last", function, (2, 5, 6, 3), output_size=[2, 2], views=CHANNELS_LAST)


def batch_norms():
    """Inputs in PyTorch's order: x, running_mean, running_var, weight, bias (the last two if affine).

    In training the outputs `out1` and `out2` are the running statistics afterwards.
    """
    def batch_norm(x, *rest, running=True, affine=True, training=True, momentum=0.1, eps=1e-5):
        mean, var = [t.clone() for t in rest[:2]] if running else (None, None)
        weight, bias = rest[-2:] if affine else (None, None)
        out = F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)
        return (out, mean, var) if training and running else out

    def norm(variant, x, channels, running=True, affine=True, training=True, **extra):
        rest = [(channels,), positive(channels)] if running else []
        case(f"batch_norm.{variant}", batch_norm, x, *rest, *[(channels,), (channels,)] * affine,
             fixed=(1, 2) if running else (), running=running, affine=affine, training=training,
             **{"momentum": 0.1, "eps": 1e-5, **extra})

    for mode in [True, False]:
        name = "train" if mode else "eval"
        norm(f"2d_{name}", (2, 3, 4, 5), 3, training=mode)
        norm(f"2d_{name}_not_affine", (2, 3, 3, 3), 3, training=mode, affine=False)
        norm(f"2d_{name}_momentum_eps", (3, 2, 3, 3), 2, training=mode, momentum=0.3, eps=1e-2)
        norm(f"2d_{name}_one_channel", (2, 1, 3, 5), 1, training=mode)
        norm(f"2d_{name}_channels_last", (2, 4, 5, 3), 3, training=mode, views=CHANNELS_LAST)
        norm(f"1d_{name}", (5, 3), 3, training=mode)
        norm(f"1d_{name}_not_affine", (5, 3), 3, training=mode, affine=False)
        norm(f"1d_{name}_length", (2, 3, 4), 3, training=mode)
    norm("2d_train_no_running", (2, 3, 4, 5), 3, running=False)
    norm("2d_train_two_values", (2, 3, 1, 1), 3)
    norm("2d_train_constant", torch.ones(2, 2, 2, 2), 2)
    norm("2d_train_far_from_zero", lambda g: 100 + torch.randn(3, 2, 3, 3, generator=g).round(decimals=2), 2)
    norm("2d_eval_single", (1, 3, 1, 1), 3, training=False)
