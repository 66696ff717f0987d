//! What is said when something does not fit: the op, the shapes, the way out, and the line of the caller.

use super::support::randn;
use cresset_tensor::ops::{
    BceWithLogitsOptions, Conv2dBatchNorm, Conv2dOptions, CrossEntropyOptions, MaxPool2dOptions,
    NllLossOptions, Padding, Reduction, batch_norm_eval, batch_norm_train, bce_with_logits, cross_entropy,
    mse_loss, nll_loss,
};
use cresset_tensor::trace::dry_run;
use cresset_tensor::{Array, Generator, Tensor};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static FILE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The message with which `f` panics, which must point into this file.
#[track_caller]
fn message<R>(f: impl FnOnce() -> R) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let file = info.location().map_or("", |l| l.file());
            FILE.with_borrow_mut(|f| *f = file.to_owned());
            if !file.ends_with("messages.rs") {
                default(info);
            }
        }));
    });
    let payload = catch_unwind(AssertUnwindSafe(|| drop(f()))).expect_err("this does not fit");
    FILE.with_borrow(|file| assert!(file.ends_with("messages.rs"), "the panic points at {file}"));
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("a text")).to_owned(),
    }
}

/// The message of `f` contains all parts.
#[track_caller]
fn says<R>(parts: &[&str], f: impl FnOnce() -> R) {
    let text = message(f);
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[test]
fn products() {
    let (a, b) = (randn([2, 3]), randn([4, 5]));
    says(&["matmul", "(2, 3)", "(4, 5)", "(3)", "(4)"], || a.matmul(&b));
    says(&["matmul", "(2, 3, 4)", "(3, 4, 5)", "broadcast"], || randn([2, 3, 4]).matmul(&randn([3, 4, 5])));
    says(&["matmul", "()", "*"], || Tensor::scalar(1.0).matmul(&a));
    says(&["linear", "(2, 3)", "(4, 5)", "must be 5"], || a.linear(&b, None));
    says(&["linear", "(2, 4, 1)", "flatten(1)"], || randn([2, 4, 1]).linear(&b.transpose(0, 1), None));
    says(&["linear", "bias", "(3,)", "(4,)"], || randn([2, 5]).linear(&b, Some(&randn([3]))));
    says(&["linear", "(out, in)", "(5,)"], || a.linear(&randn([5]), None));
}

#[test]
fn convolutions() {
    let options = Conv2dOptions::default();
    let (x, w) = (randn([2, 3, 5, 5]), randn([4, 3, 3, 3]));
    says(&["conv2d", "(2, 5, 3, 5)", "5 channels", "(4, 3, 3, 3)", "takes 3"], || {
        x.transpose(1, 2).conv2d(&w, None, &options)
    });
    says(&["conv2d", "(3, 5, 5)", "unsqueeze(0)"], || randn([3, 5, 5]).conv2d(&w, None, &options));
    says(&["conv2d", "(4, 3)", "kh, kw"], || x.conv2d(&randn([4, 3]), None, &options));
    says(&["conv2d", "2 groups", "takes 6"], || x.conv2d(&w, None, &options.groups(2)));
    says(&["conv2d", "bias", "(3,)", "(4,)"], || x.conv2d(&w, Some(&randn([3])), &options));
    says(&["conv2d", "stride of 1", "[2, 2]"], || {
        x.conv2d(&w, None, &options.padding(Padding::Same).stride(2))
    });
    says(&["conv2d", "stride", "at least 1"], || x.conv2d(&w, None, &options.stride(0)));
    says(&["conv2d", "height", "(2, 3, 2, 2)"], || randn([2, 3, 2, 2]).conv2d(&w, None, &options));
    let fused = Conv2dBatchNorm {
        weight: &w,
        bias: None,
        conv: options,
        norm_weight: None,
        norm_bias: None,
        eps: 1e-5,
        residual: Some(&x),
        relu: true,
    };
    says(&["residual", "(2, 3, 5, 5)", "(2, 4, 3, 3)"], || fused.train(&x));
    says(&["residual", "(2, 3, 5, 5)", "(2, 4, 3, 3)"], || {
        fused.eval(&x, &Array::zeros([4]), &Array::zeros([4]))
    });
    says(&["running_mean", "(3,)", "(4, 3, 3, 3)"], || {
        fused.eval(&x, &Array::zeros([3]), &Array::zeros([4]))
    });
    says(&["more than 1 value per channel", "(1, 4, 1, 1)"], || fused.train(&randn([1, 3, 3, 3])));
}

#[test]
fn pooling() {
    let x = randn([2, 3, 5, 5]);
    says(&["max_pool2d", "(2, 3)", "(N, C, H, W)"], || randn([2, 3]).max_pool2d(2));
    says(&["max_pool2d", "does not fit", "(2, 3, 5, 5)"], || x.max_pool2d(6));
    says(&["max_pool2d", "half of the kernel"], || x.max_pool2d(MaxPool2dOptions::new(2).padding(2)));
    says(&["max_pool2d", "stride", "at least 1"], || x.max_pool2d(MaxPool2dOptions::new(2).stride([0, 1])));
    says(&["avg_pool2d", "does not fit", "(2, 3, 5, 5)"], || x.avg_pool2d(6));
    says(&["avg_pool2d", "unsqueeze(0)"], || randn([3, 5, 5]).avg_pool2d(2));
    says(&["adaptive_avg_pool2d", "positive", "(2, 3, 0, 5)"], || {
        Tensor::zeros([2, 3, 0, 5]).adaptive_avg_pool2d(1)
    });
    says(&["adaptive_max_pool2d", "(3, 5, 5)"], || randn([3, 5, 5]).adaptive_max_pool2d(1));
}

#[test]
fn batch_norm() {
    let one = Array::full([3], 1.0);
    says(&["more than 1 value per channel", "(1, 3, 1, 1)", "eval()"], || {
        batch_norm_train(&randn([1, 3, 1, 1]), None, None, 1e-5)
    });
    says(&["more than 1 value per channel", "(1, 3)"], || batch_norm_train(&randn([1, 3]), None, None, 1e-5));
    says(&["batch_norm", "(3,)", "channels in dimension 1"], || {
        batch_norm_train(&randn([3]), None, None, 1e-5)
    });
    says(&["batch_norm", "weight", "(2,)", "(3,)"], || {
        batch_norm_train(&randn([2, 3]), Some(&randn([2])), None, 1e-5)
    });
    says(&["batch_norm", "running_var", "(4,)", "(3,)", "(2, 3)"], || {
        batch_norm_eval(&randn([2, 3]), &one, &Array::zeros([4]), None, None, 1e-5)
    });
}

#[test]
fn activations() {
    says(&["softmax", "dimension 2", "(2, 3)"], || randn([2, 3]).softmax(2));
    says(&["log_softmax", "dimension -3", "(2, 3)"], || randn([2, 3]).log_softmax(-3));
    for p in [-0.1, 1.5, f32::NAN] {
        says(&["dropout", "probability"], || randn([2]).dropout(p, &mut Generator::new(0)));
    }
    says(&["relu", "float32", "int64"], || Tensor::from_i64([1], [1]).relu());
}

#[test]
fn softmax_before_cross_entropy_is_refused() {
    let (logits, labels) = (randn([2, 3]), Tensor::from_i64([0, 2], [2]));
    let options = CrossEntropyOptions::default();
    let parts = ["cross_entropy", "softmax()", "raw logits", "remove"];
    says(&parts, || cross_entropy(&logits.softmax(1), &labels, &options));
    // Also seen through other shapes.
    says(&parts, || cross_entropy(&logits.softmax(1).reshape([2, 3]), &labels, &options));
    says(&parts, || cross_entropy(&logits.reshape([1, 2, 3]).softmax(2).squeeze(0), &labels, &options));
    says(&parts, || cross_entropy(&logits.softmax(1).detach(), &labels, &options));
    says(&["nll_loss", "log_softmax()"], || {
        nll_loss(&logits.softmax(1), &labels, &NllLossOptions::default())
    });
    // What is computed from probabilities is something else.
    cross_entropy(&logits.softmax(1).log(), &labels, &options);
}

#[test]
fn labels() {
    let logits = randn([2, 3, 2]);
    let options = CrossEntropyOptions::default();
    let labels = |values: [i64; 4]| Tensor::from_i64(values, [2, 2]);
    says(&["cross_entropy", "label 3", "[1, 0]", "3 classes", "0 to 2"], || {
        cross_entropy(&logits, &labels([0, 1, 3, 2]), &options)
    });
    says(&["label -1", "[0, 1]", "-100"], || cross_entropy(&logits, &labels([0, -1, 1, 2]), &options));
    says(&["nll_loss", "label 7", "[1, 1]"], || {
        nll_loss(&logits, &labels([0, 1, 2, 7]), &NllLossOptions::default())
    });
    says(&["cross_entropy", "(2,)", "(2, 3, 2)", "(2, 2)"], || {
        cross_entropy(&logits, &Tensor::from_i64([0, 1], [2]), &options)
    });
    says(&["cross_entropy", "probabilities", "(2,)", "int64", "to_dtype"], || {
        cross_entropy(&randn([2, 3]), &Tensor::new([0.0, 1.0], [2]), &options)
    });
    says(&["cross_entropy", "bool", "int64"], || {
        cross_entropy(&randn([2, 3]), &Tensor::from_bools([true, false], [2]), &options)
    });
    says(&["cross_entropy", "class weights", "(2,)", "(3,)"], || {
        let options = CrossEntropyOptions { weight: Some(Array::zeros([2])), ..Default::default() };
        cross_entropy(&logits, &labels([0, 1, 2, 0]), &options)
    });
    says(&["cross_entropy", "label_smoothing", "1.5"], || {
        let options = CrossEntropyOptions { label_smoothing: 1.5, ..Default::default() };
        cross_entropy(&logits, &labels([0, 1, 2, 0]), &options)
    });
    says(&["cross_entropy", "detach()"], || {
        cross_entropy(&randn([2, 3]), &randn([2, 3]).requires_grad(), &options)
    });
    says(&["cross_entropy", "(C)", "single number"], || {
        cross_entropy(&Tensor::scalar(1.0), &Tensor::scalar(1.0), &options)
    });
}

#[test]
fn regression() {
    says(&["mse_loss", "(4, 1)", "(4,)", "reshape()"], || {
        mse_loss(&randn([4, 1]), &randn([4]), Reduction::Mean)
    });
    let options = BceWithLogitsOptions { pos_weight: Some(randn([3])), ..Default::default() };
    says(&["bce_with_logits", "pos_weight", "(3,)", "(2, 4)"], || {
        bce_with_logits(&randn([2, 4]), &randn([2, 4]), &options)
    });
}

#[test]
fn a_dry_run_gives_shapes_and_macs_or_the_same_message_as_an_error() {
    let (w, fc) = (randn([8, 3, 3, 3]), randn([10, 32]));
    let forward = |x: &Tensor| {
        let x = x.conv2d(&w, None, &Conv2dOptions::default().padding(1)).relu();
        let (x, indices) = x.max_pool2d_with_indices(2);
        assert_eq!(indices.shape(), x.shape());
        let x = batch_norm_train(&x, None, None, 1e-5).0;
        x.adaptive_avg_pool2d(2).flatten(1).linear(&fc, None).softmax(1)
    };
    let run = dry_run([1, 3, 8, 6], forward).unwrap();
    assert_eq!(run.output[..], [1, 10]);
    let macs: Vec<u64> = run.layers.iter().map(|l| l.macs).filter(|&m| m > 0).collect();
    assert_eq!(macs, [8 * 8 * 6 * 27, 320]);
    let error = dry_run([1, 4, 8, 6], forward).unwrap_err().to_string();
    assert!(error.contains("conv2d") && error.contains("4 channels"), "{error}");
}
