//! Looking at what ops compute.

use cresset_tensor::inspect::{find_anomaly, inspect};
use cresset_tensor::profile::Pass;
use cresset_tensor::{Generator, Tensor};
use std::cell::RefCell;
use std::rc::Rc;

#[test]
fn every_result_is_shown_once_in_the_order_of_computation() {
    let x = Tensor::randn([2, 3], &mut Generator::new(0)).requires_grad();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let into = seen.clone();
    inspect(
        || x.relu().sum().backward(),
        move |result| into.borrow_mut().push((result.op, result.pass, result.array.numel())),
    );
    let expected = [
        ("relu", Pass::Forward, 6),
        ("sum", Pass::Forward, 1),
        ("sum", Pass::Backward, 6),
        ("relu", Pass::Backward, 6),
    ];
    assert_eq!(*seen.borrow(), expected);
    x.relu();
    assert_eq!(seen.borrow().len(), 4, "nobody looks any more");
}

#[test]
fn the_first_result_that_is_not_finite_is_found() {
    let anomaly = |f: fn(&Tensor) -> Tensor, data: [f32; 2]| {
        let x = Tensor::new(data, [2]).requires_grad();
        find_anomaly(|| f(&x).sum().backward()).1.map(|a| (a.op, a.pass, a.found))
    };
    assert_eq!(anomaly(|x| x.sqrt(), [1.0, 4.0]), None);
    assert_eq!(anomaly(|x| x.sqrt().exp(), [1.0, -1.0]), Some(("sqrt", Pass::Forward, "NaN")));
    assert_eq!(anomaly(|x| x.exp().relu(), [1.0, 1e3]), Some(("exp", Pass::Forward, "infinity")));
    // The root of zero is fine, its slope is not.
    assert_eq!(anomaly(|x| x.sqrt(), [0.0, 1.0]), Some(("sqrt", Pass::Backward, "infinity")));
}

#[test]
fn a_look_inside_a_look_takes_over_and_gives_back() {
    let x = Tensor::new([-1.0], [1]);
    let (inner, outer) = find_anomaly(|| find_anomaly(|| x.sqrt()).1);
    assert!(inner.is_some() && outer.is_none());
    let ((), outer) = find_anomaly(|| {
        find_anomaly(|| ());
        x.sqrt();
    });
    assert!(outer.is_some());
}
