//! Linear layers, whose weights may lie in memory as (in, out).

use cresset_nn::*;
use cresset_tensor::{Array, Generator, Tensor, autocast};

/// Largest difference, as a share of the largest number.
#[track_caller]
fn assert_close(found: &Array, expected: &Array, what: &str) {
    let (found, expected) = (found.to_vec(), expected.to_vec());
    let largest = expected.iter().fold(0f32, |m, x| m.max(x.abs()));
    let off = found.iter().zip(&expected).fold(0f32, |m, (f, e)| m.max((f - e).abs()));
    assert!(found.len() == expected.len() && off <= 2e-6 * largest, "{what}: {off} of {largest}");
}

#[test]
fn the_weights_place_in_memory_changes_neither_values_nor_gradients() {
    let rng = &mut Generator::new(3);
    for (inputs, outputs) in [(784, 128), (600, 48), (100, 16), (600, 512), (70, 10)] {
        let layer = Linear::new(inputs, outputs, rng);
        let rows = outputs < 512 && outputs.is_multiple_of(16);
        assert_eq!(layer.weight.array().strides(), if rows { [1, outputs] } else { [inputs, 1] });
        for (batch, amp) in [(1, false), (5, false), (64, false), (64, true), (300, false)] {
            let x = Tensor::randn([batch, inputs], rng).into_array();
            let dy = Tensor::randn([batch, outputs], rng);
            let what = format!("{batch} rows of {inputs} to {outputs}");
            let run = |weight: &Tensor, bias: &Tensor| {
                let x = Tensor::constant(x.clone()).requires_grad();
                let y = autocast(amp, || x.linear(weight, Some(bias)));
                (&y * &dy).sum().backward();
                (y.into_array(), x.grad().expect("of x").into_array())
            };
            let [weight, bias] =
                [&layer.weight, layer.bias.as_ref().expect("a bias")].map(|p| p.array().contiguous());
            let row_major = [weight, bias].map(|a| Tensor::constant(a).requires_grad());
            let expected = run(&row_major[0], &row_major[1]);
            layer.zero_grad();
            let found = run(&layer.weight.tensor(), &layer.bias.as_ref().expect("a bias").tensor());
            assert_close(&found.0, &expected.0, &format!("{what}, y"));
            assert_close(&found.1, &expected.1, &format!("{what}, dx"));
            let dw = layer.weight.grad().expect("of the weight");
            assert_eq!(dw.strides(), layer.weight.array().strides(), "{what}: an update copies no gradient");
            assert_close(&dw, row_major[0].grad().expect("of the weight").array(), &format!("{what}, dw"));
        }
    }
}

#[test]
fn state_dicts_do_not_show_it() {
    let rng = &mut Generator::new(4);
    let (layer, other) = (Linear::new(40, 32, rng), Linear::new(40, 32, rng));
    let state = layer.state_dict();
    assert_eq!(*state["weight"].shape(), [32, 40]);
    assert_eq!(state["weight"].to_vec(), layer.weight.array().to_vec());
    other.load_state_dict(&state, Strictness::Strict).unwrap();
    assert_eq!(other.weight.array().to_vec(), layer.weight.array().to_vec());
    assert_eq!(other.weight.array().strides(), [1, 32]);
}
