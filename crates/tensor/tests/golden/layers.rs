//! Convolution, pooling, batch norm.

use crate::file::Case;
use cresset_tensor::Tensor;
use cresset_tensor::ops::{
    AvgPool2dOptions, Conv2dOptions, MaxPool2dOptions, Padding, batch_norm_eval, batch_norm_train,
};

pub fn run(case: &Case) -> Option<Vec<Tensor>> {
    let x = case.x();
    let output = match case.op {
        "conv2d" => x.conv2d(&case.inputs[1], case.inputs.get(2), &conv2d_options(case)),
        "max_pool2d" => x.max_pool2d(
            MaxPool2dOptions::new(case.pair("kernel_size"))
                .stride(case.pair("stride"))
                .padding(case.pair("padding"))
                .dilation(case.pair("dilation"))
                .ceil_mode(case.flag("ceil_mode")),
        ),
        "avg_pool2d" => x.avg_pool2d(
            AvgPool2dOptions::new(case.pair("kernel_size"))
                .stride(case.pair("stride"))
                .padding(case.pair("padding"))
                .ceil_mode(case.flag("ceil_mode"))
                .count_include_pad(case.flag("count_include_pad")),
        ),
        "adaptive_avg_pool2d" => x.adaptive_avg_pool2d(case.pair("output_size")),
        "adaptive_max_pool2d" => x.adaptive_max_pool2d(case.pair("output_size")),
        "batch_norm" => return Some(batch_norm(case)),
        _ => return None,
    };
    Some(vec![output])
}

fn conv2d_options(case: &Case) -> Conv2dOptions {
    let padding = match case.text("padding") {
        Some("same") => Padding::Same,
        Some("valid") => Padding::Valid,
        Some(other) => panic!("unknown padding {other:?}"),
        None => case.pair("padding").into(),
    };
    Conv2dOptions::default()
        .stride(case.pair("stride"))
        .padding(padding)
        .dilation(case.pair("dilation"))
        .groups(case.size("groups"))
}

/// The output, and in training the running statistics afterwards.
fn batch_norm(case: &Case) -> Vec<Tensor> {
    let (running, affine) = (case.flag("running"), case.flag("affine"));
    let mut rest = case.inputs[1..].iter();
    let statistics: Vec<&Tensor> = rest.by_ref().take(if running { 2 } else { 0 }).collect();
    let (weight, bias) = if affine { (rest.next(), rest.next()) } else { (None, None) };
    let eps = case.number("eps");
    if !case.flag("training") {
        let [mean, var] = statistics[..] else { panic!("evaluation needs running statistics") };
        return vec![batch_norm_eval(case.x(), mean.array(), var.array(), weight, bias, eps)];
    }
    let (y, stats) = batch_norm_train(case.x(), weight, bias, eps);
    let [mean, var] = statistics[..] else { return vec![y] };
    let (mut mean, mut var) = (mean.array().clone(), var.array().clone());
    stats.update_running(case.number("momentum"), &mut mean, &mut var);
    vec![y, Tensor::constant(mean), Tensor::constant(var)]
}
