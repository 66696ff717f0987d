//! Printing, compared with what PyTorch printed (`display.json`, made by `make_display.py`).

use cresset_tensor::{Array, DType, Shape, Tensor, trace};
use serde_json::Value;

fn tensor(case: &Value) -> Tensor {
    let list = |key: &str| case[key].as_array().expect("a list").iter();
    let shape: Shape = list("shape").map(|d| d.as_u64().expect("a size") as usize).collect();
    let ints = || list("data").map(|v| v.as_i64().expect("a whole number"));
    let array = match case["dtype"].as_str() {
        Some("float32") => {
            let number = |v: &Value| v.as_str().expect("a text").parse().expect("a number");
            Array::from_vec(list("data").map(number).collect(), shape)
        }
        Some("int64") => Array::from_i64(ints().collect(), shape),
        Some("bool") => Array::from_bools(ints().map(|v| v != 0).collect(), shape),
        other => panic!("no case has {other:?}"),
    };
    let tensor = Tensor::constant(array);
    if case["requires_grad"] == true { tensor.requires_grad() } else { tensor }
}

#[test]
fn prints_as_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/display/display.json");
    let text = std::fs::read_to_string(path).expect("display.json stands beside this test");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert!(cases.len() > 50);
    for case in &cases {
        let (found, expected) = (tensor(case).to_string(), case["text"].as_str().expect("a text"));
        assert!(found == expected, "{}:\n{found}\ninstead of\n{expected}", case["name"]);
    }
}

#[test]
fn computed_tensors_name_their_op() {
    let x = Tensor::new([1.0, 2.0], [2]).requires_grad();
    assert_eq!((&x + &x).to_string(), "tensor([2., 4.], grad_fn=<AddBackward0>)");
    assert_eq!(
        x.index_select(0, &Tensor::from_i64([1], [1])).to_string(),
        "tensor([2.], grad_fn=<IndexSelectBackward0>)"
    );
    assert_eq!((&x + &x).detach().to_string(), "tensor([2., 4.])");
    assert_eq!(format!("{:?}", Tensor::scalar(0.5)), "tensor(0.5000)");
}

#[test]
fn memory_order_does_not_show() {
    let x = Tensor::arange(0.0, 6.0, 1.0).reshape([2, 3]).t();
    assert_eq!(x.to_string(), "tensor([[0., 3.],\n        [1., 4.],\n        [2., 5.]])");
}

#[test]
fn shapes_of_dry_runs_have_no_values() {
    let mut texts = Vec::new();
    trace::dry_run([2, 3], |x| {
        texts.extend([x.to_string(), x.argmax(1, false).to_string()]);
        x.clone()
    })
    .unwrap();
    assert_eq!(
        texts,
        [
            "tensor(..., device='meta', size=(2, 3))",
            "tensor(..., device='meta', size=(2,), dtype=torch.int64)"
        ]
    );
    assert_eq!(Tensor::zeros([1]).to_dtype(DType::Bool).to_string(), "tensor([False])");
}
