//! Every op's values and gradients against those of PyTorch (`ops.safetensors`, made by `make_ops.py`).
//!
//! The other files mirror the groups of cases: each says, for an op's PyTorch name, what to call. A case whose
//! op nobody knows fails the test, so nothing in the file can be forgotten.

mod activations;
mod arithmetic;
mod file;
mod indexing;
mod layers;
mod losses;
mod products;
mod reductions;
mod shapes;

use cresset_tensor::{Array, DType, Tensor};
use file::{Case, GoldenFile};

/// What the op of a case gives; `None` if this group does not know it.
type Group = fn(&Case) -> Option<Vec<Tensor>>;

const GROUPS: [Group; 8] = [
    activations::run,
    arithmetic::run,
    indexing::run,
    layers::run,
    losses::run,
    products::run,
    reductions::run,
    shapes::run,
];

/// Cases that lose digits in single precision whatever is done, and how many times the usual error they may have.
const ILL_CONDITIONED: [(&str, f32); 2] = [
    // The inputs have only five digits behind their mean.
    ("batch_norm.2d_train_far_from_zero", 10.0),
    // All but 1e-5 of the gradient cancels: PyTorch's own single precision is off by 2e-7 of values of 5e-5.
    ("batch_norm.2d_train_two_values", 500.0),
];

/// The stored values are right to the last bit of single precision; ours are computed in it. Allowed are, times
/// `slack`, 1e-5 of each value and 2e-6 of the largest beside it, from which small ones may be differences.
fn compare(what: &str, found: &Array, expected: &Array, slack: f32) -> Result<(), String> {
    if found.shape() != expected.shape() || found.dtype() != expected.dtype() {
        let describe = |a: &Array| format!("{} {}", a.dtype().name(), a.shape());
        return Err(format!("{what}: found {}, expected {}", describe(found), describe(expected)));
    }
    if found.dtype() != DType::F32 {
        let values = |a: &Array| a.to_dtype(DType::I64).to_vec_i64();
        return if values(found) == values(expected) {
            Ok(())
        } else {
            Err(format!("{what}: found {:?}, expected {:?}", values(found), values(expected)))
        };
    }
    let (found, expected) = (found.to_vec(), expected.to_vec());
    let largest = expected.iter().filter(|e| e.is_finite()).fold(0.0f32, |m, e| m.max(e.abs()));
    for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
        let close = (f - e).abs() <= slack * (1e-5 * e.abs() + 2e-6 * largest);
        if !(close || f == e || (f.is_nan() && e.is_nan())) {
            return Err(format!("{what}: element {i} is {f}, expected {e}"));
        }
    }
    Ok(())
}

fn check(case: &Case) -> Result<(), String> {
    let slack = ILL_CONDITIONED.iter().find(|(name, _)| *name == case.name).map_or(1.0, |(_, slack)| *slack);
    let outputs = GROUPS.iter().find_map(|run| run(case)).ok_or("no group knows this op")?;
    let expected = case.outputs();
    if outputs.len() != expected.len() {
        return Err(format!("{} outputs, expected {}", outputs.len(), expected.len()));
    }
    for (i, (found, expected)) in outputs.iter().zip(&expected).enumerate() {
        compare(&format!("output {i}"), found.array(), expected, slack)?;
    }
    if let Some(cotangent) = case.cotangent() {
        outputs[0].backward_with(&Tensor::constant(cotangent));
        for (input, leaf, expected) in case.gradients() {
            let found = leaf.grad().ok_or_else(|| format!("no gradient by input {input}"))?;
            compare(&format!("gradient by input {input}"), found.array(), &expected, slack)?;
        }
    }
    Ok(())
}

#[test]
fn every_case_is_as_pytorch_has_it() {
    let file = GoldenFile::open();
    let mut failures = Vec::new();
    let mut count = 0;
    for case in file.cases() {
        count += 1;
        // A panic is a failure of this case only.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&case)));
        match result {
            Ok(Ok(())) => {}
            Ok(Err(message)) => failures.push(format!("{}: {message}", case.name)),
            Err(_) => failures.push(format!("{}: panicked, see above", case.name)),
        }
    }
    assert!(count > 300, "only {count} cases found");
    assert!(failures.is_empty(), "{} of {count} cases fail:\n{}", failures.len(), failures.join("\n"));
}
