//! What a profile says of a step.

use cresset_tensor::ops::{Conv2dBatchNorm, Conv2dOptions};
use cresset_tensor::profile::{self, Cost, Event, Pass};
use cresset_tensor::scope::LayerName;
use cresset_tensor::{Tensor, trace};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Every event lies within one of the depth above, after its elder siblings.
fn check_nesting(events: &[Event]) {
    let end = |e: &Event| e.start + e.time;
    let mut open: Vec<&Event> = Vec::new();
    for event in events {
        assert!(event.depth <= open.len(), "{event:?}");
        if let Some(elder) = open.get(event.depth) {
            assert!(end(elder) <= event.start, "{elder:?} overlaps {event:?}");
        }
        open.truncate(event.depth);
        if let Some(parent) = open.last() {
            assert!(parent.start <= event.start && end(event) <= end(parent), "{event:?} leaves {parent:?}");
        }
        open.push(event);
    }
}

#[test]
fn passes_of_a_convolution_and_its_norm() {
    let x = Tensor::ones([2, 8, 6, 6]).requires_grad();
    let weight = Tensor::ones([16, 8, 3, 3]).requires_grad();
    let fused = Conv2dBatchNorm {
        weight: &weight,
        bias: None,
        conv: Conv2dOptions::default().padding(1),
        norm_weight: None,
        norm_bias: None,
        eps: 1e-5,
        residual: None,
        relu: true,
    };
    let name = LayerName::default();
    name.set("layer1.conv1");
    let (_, events) = profile::record(|| {
        let layer = trace::enter(&name, "Conv2d", &x);
        let y = layer.leave(fused.train(&x).0, || 0);
        y.sum().backward();
    });
    check_nesting(&events);
    let macs = 2 * 16 * 8 * 9 * 36;
    let (bytes_x, bytes_w, bytes_y) = (4 * x.numel() as u64, 4 * weight.numel() as u64, 4 * 2 * 16 * 36);
    let expected = [
        ("conv2d_batch_norm", Pass::Forward, 0, Some((macs, bytes_x + bytes_w, bytes_y))),
        ("conv2d", Pass::Forward, 1, Some((macs, bytes_x + bytes_w, bytes_y))),
        ("batch_norm", Pass::Forward, 1, Some((0, bytes_y, bytes_y))),
        (
            "conv2d_batch_norm",
            Pass::Backward,
            0,
            Some((2 * macs, bytes_y + bytes_x + bytes_w, bytes_x + bytes_w)),
        ),
        ("batch_norm", Pass::Backward, 1, Some((0, 2 * bytes_y, bytes_y))),
        ("conv2d", Pass::WeightGradient, 1, Some((macs, bytes_x + bytes_y, bytes_w))),
        ("conv2d", Pass::InputGradient, 1, Some((macs, bytes_y + bytes_w, bytes_x))),
    ];
    let of_layer: Vec<&Event> =
        events.iter().filter(|e| e.layer.as_deref() == Some("layer1.conv1")).collect();
    assert_eq!(of_layer.len(), expected.len(), "{of_layer:#?}");
    for (event, (op, pass, depth, cost)) in of_layer.into_iter().zip(expected) {
        assert_eq!((event.op, event.pass, event.depth), (op, pass, depth));
        let cost = cost.map(|(macs, read, written)| Cost { macs, read, written });
        assert_eq!(Some(event.cost), cost, "{op} {pass:?}");
        assert_eq!(event.algorithm.is_some(), op == "conv2d", "{op} {pass:?}");
    }
    assert!(events.iter().any(|e| e.op == "sum" && e.layer.is_none()));
}

#[test]
fn only_what_is_computed_costs() {
    let x = Tensor::ones([4, 6]);
    let weight = Tensor::ones([3, 6]).requires_grad();
    let (_, events) = profile::record(|| {
        // x needs no gradient, reshape moves nothing, two gradients meet in y.
        let y = x.linear(&weight, None);
        y.add(&y.reshape([12]).reshape([4, 3])).sum().backward();
    });
    check_nesting(&events);
    let cost = |op: &str, pass: Pass| events.iter().find(|e| e.op == op && e.pass == pass).map(|e| e.cost);
    assert_eq!(cost("linear", Pass::Backward).map(|c| c.macs), Some(4 * 3 * 6));
    assert_eq!(cost("linear", Pass::Backward).map(|c| c.written), Some(4 * 3 * 6));
    assert_eq!(cost("reshape", Pass::Forward), Some(Cost::default()));
    assert_eq!(cost("sum of gradients", Pass::Backward), Some(Cost { macs: 0, read: 96, written: 48 }));
}

#[test]
fn a_recording_ends_with_its_closure() {
    let x = Tensor::ones([3]);
    let (_, outer) = profile::record(|| {
        x.relu();
        let (_, inner) = profile::record(|| x.exp());
        assert_eq!(inner.iter().map(|e| e.op).collect::<Vec<_>>(), ["exp"]);
        let panics = catch_unwind(AssertUnwindSafe(|| profile::record(|| x.matmul(&Tensor::ones([4])))));
        assert!(panics.is_err());
        x.relu();
    });
    assert_eq!(outer.iter().map(|e| e.op).collect::<Vec<_>>(), ["relu", "relu"]);
    assert!(!profile::is_active());
    assert!(profile::record(|| ()).1.is_empty());
}
