//! What a user is told: the layer and their own line, and a forgotten `eval()`.

use cresset_nn::*;
use cresset_tensor::{Generator, Tensor, no_grad, trace};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};

/// The message and the place (`file:line`) of the panic that `f` ends in.
fn panic_of(f: impl FnOnce()) -> (String, String) {
    thread_local! {
        static PLACE: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
    }
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
            // Panics of other tests are reported as usual.
            if PLACE.with_borrow(Option::is_some) { PLACE.set(place) } else { before(info) }
        }));
    });
    PLACE.set(Some(String::new()));
    let payload = panic::catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
    let place = PLACE.take().unwrap();
    let message = payload.downcast_ref::<String>().cloned();
    (message.unwrap_or_else(|| payload.downcast_ref::<&str>().unwrap().to_string()), place)
}

#[derive(Module, Clone)]
struct Net {
    conv: Conv2d,
    head: Sequential,
}

impl Net {
    fn new() -> Self {
        let rng = &mut Generator::new(0);
        let head = Sequential::new().add(Flatten::new()).add(Linear::new(10, 2, rng));
        Self { conv: Conv2d::new(3, 4, 3, rng), head }
    }
}

impl Forward for Net {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.head.forward(&self.conv.forward(x))
    }
}

#[test]
fn a_misfit_points_at_the_users_line_and_names_the_layer() {
    let net = Net::new();
    net.named_modules();
    let line = line!() + 1;
    let (message, place) = panic_of(|| drop(net.forward(&Tensor::zeros([1, 2, 5, 5]))));
    assert!(message.starts_with("layer \"conv\": conv2d: "), "{message}");
    assert!(message.contains("(1, 2, 5, 5)"), "{message}");
    assert_eq!(place, format!("{}:{line}", file!()));
}

#[test]
fn a_misfit_behind_dyn_points_at_the_users_line_too() {
    let net = Net::new();
    net.named_modules();
    let line = line!() + 1;
    let (message, place) = panic_of(|| drop(net.forward(&Tensor::zeros([1, 3, 5, 5]))));
    assert!(message.starts_with("layer \"head.1\": linear: "), "{message}");
    assert_eq!(place, format!("{}:{line}", file!()));

    let boxed: Box<dyn Layer> = Box::new(Net::new());
    let line = line!() + 1;
    let (_, place) = panic_of(|| drop(boxed.forward(&Tensor::zeros([1, 2, 5, 5]))));
    assert_eq!(place, format!("{}:{line}", file!()));
}

#[test]
fn contradicting_settings_panic_at_the_users_line() {
    let rng = &mut Generator::new(0);
    let line = line!() + 1;
    let (message, place) = panic_of(|| drop(Conv2d::builder(4, 6, 3).groups(3).build(rng)));
    assert_eq!(message, "Conv2d: groups = 3 does not divide in_channels = 4");
    assert_eq!(place, format!("{}:{line}", file!()));
    let line = line!() + 1;
    let (_, place) = panic_of(|| drop(Dropout::new(2.0)));
    assert_eq!(place, format!("{}:{line}", file!()));
}

#[test]
fn batch_norm_names_itself_over_a_wrong_rank() {
    let line = line!() + 1;
    let (message, place) = panic_of(|| drop(BatchNorm2d::new(3).forward(&Tensor::zeros([2, 3]))));
    assert_eq!(message, "BatchNorm2d: expected images (N, C, H, W), found shape (2, 3)");
    assert_eq!(place, format!("{}:{line}", file!()));
}

#[test]
fn a_dry_run_lists_layers_and_names_the_first_misfit() {
    let net = Net::new();
    net.named_modules();
    let run = trace::dry_run([1, 3, 5, 5], |x| net.forward(x)).unwrap_err();
    assert_eq!(run.layer.as_deref(), Some("head.1"));

    let rng = &mut Generator::new(0);
    let model = Sequential::new()
        .add(Conv2d::builder(3, 4, 3).padding(1).bias(false).build(rng))
        .add(BatchNorm2d::new(4))
        .add(ReLU::new())
        .add(AdaptiveAvgPool2d::new(1))
        .add(Flatten::new())
        .add(Dropout::new(0.5))
        .add(Linear::new(4, 10, rng));
    model.named_modules();
    let before = model.state_dict();
    let run = trace::dry_run([2, 3, 6, 6], |x| model.forward(x)).unwrap();
    assert_eq!(run.output, [2, 10]);
    let rows: Vec<_> = run.layers.iter().map(|l| (l.name.as_str(), l.kind, l.params, l.macs)).collect();
    assert_eq!(
        rows,
        [
            ("0", "Conv2d", 108, 2 * 36 * 108),
            ("1", "BatchNorm2d", 8, 0),
            ("2", "ReLU", 0, 0),
            ("3", "AdaptiveAvgPool2d", 0, 0),
            ("4", "Flatten", 0, 0),
            ("5", "Dropout", 0, 0),
            ("6", "Linear", 50, 80),
        ]
    );
    for (name, array) in model.state_dict() {
        assert_eq!(
            format!("{:?}", array),
            format!("{:?}", before[&name]),
            "a dry run changes nothing: {name}"
        );
    }
}

/// Keeps the messages of all warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_forgotten_eval_is_reported_once_by_name() {
    let mut model = Sequential::new()
        .add(Linear::new(2, 4, &mut Generator::new(0)))
        .add(BatchNorm1d::new(4))
        .add(Dropout::new(0.5));
    model.named_modules();
    let x = Tensor::ones([3, 2]);
    let warnings = Warnings::default();
    tracing::subscriber::with_default(warnings.clone(), || {
        model.forward(&x);
        assert!(warnings.0.lock().unwrap().is_empty(), "training with gradients is no mistake");
        for _ in 0..3 {
            no_grad(|| model.forward(&x));
        }
        model.eval();
        no_grad(|| model.forward(&x));
    });
    assert_eq!(
        *warnings.0.lock().unwrap(),
        [
            "layer \"1\" (BatchNorm1d) runs in training mode while gradients are off: did you forget eval()?",
            "layer \"2\" (Dropout) runs in training mode while gradients are off: did you forget eval()?",
        ]
    );
}
