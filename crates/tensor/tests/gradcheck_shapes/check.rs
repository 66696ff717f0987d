//! The check: over random shapes, gradients against central differences of the float64 oracle, with the step and the
//! tolerances of `torch.autograd.gradcheck`.

use super::oracle::Nd;
use cresset_tensor::{Generator, Tensor, no_grad};

/// How many shapes an op is checked with.
pub const SHAPES: u64 = 100;

const STEP: f64 = 1e-6;
const ABSOLUTE: f64 = 1e-5;
const RELATIVE: f64 = 1e-3;

/// A function of several arrays.
pub type Function<T> = Box<dyn Fn(&[T]) -> T>;

/// A function, and the same in float64.
pub struct Case {
    pub inputs: Vec<Input>,
    pub ours: Function<Tensor>,
    pub oracle: Function<Nd>,
}

/// Shape and numbers.
pub type Input = (Vec<usize>, Vec<f32>);

/// Random sizes and numbers.
pub struct Draw(pub Generator);

impl Draw {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound.max(1) as u64) as usize
    }

    /// From `low` to `high`, both included.
    pub fn from(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// A shape of up to `rank` dimensions; sizes 0 and 1 are frequent.
    pub fn shape(&mut self, low: usize, rank: usize) -> Vec<usize> {
        let rank = self.below(rank + 1);
        self.shape_of(low, rank)
    }

    /// A shape of this rank with sizes from `low` to 4.
    pub fn shape_of(&mut self, low: usize, rank: usize) -> Vec<usize> {
        (0..rank).map(|_| self.size(low, 4)).collect()
    }

    /// A size from `low` to `high`; often one of the awkward ones.
    pub fn size(&mut self, low: usize, high: usize) -> usize {
        match self.below(8) {
            0 => low,
            1 => low.max(1),
            _ => self.from(low.max(1), high),
        }
    }

    /// Between -2 and 2.
    pub fn any(&mut self, shape: &[usize]) -> Input {
        self.fill(shape, |d| d.0.uniform() * 4.0 - 2.0)
    }

    /// Between 0.5 and 2.5.
    pub fn positive(&mut self, shape: &[usize]) -> Input {
        self.fill(shape, |d| d.0.uniform() * 2.0 + 0.5)
    }

    /// All different, at least 1/16 apart and away from multiples of 1/8, in random order: no ties or kinks nearby.
    pub fn distinct(&mut self, shape: &[usize]) -> Input {
        let count = shape.iter().product::<usize>();
        let order = self.0.permutation(count);
        let values = order.iter().map(|&i| (i as f32 - count as f32 / 2.0) / 8.0 + 0.05).collect();
        (shape.to_vec(), values)
    }

    fn fill(&mut self, shape: &[usize], mut number: impl FnMut(&mut Self) -> f32) -> Input {
        let count = shape.iter().product();
        (shape.to_vec(), (0..count).map(|_| number(self)).collect())
    }

    /// Labels below `classes`.
    pub fn labels(&mut self, count: usize, classes: usize) -> Vec<usize> {
        (0..count).map(|_| self.below(classes)).collect()
    }

    /// A shape that broadcasts to `shape`.
    pub fn narrower(&mut self, shape: &[usize]) -> Vec<usize> {
        let skip = self.below(shape.len() + 1);
        shape[skip..].iter().map(|&n| if self.below(3) == 0 { 1 } else { n }).collect()
    }
}

/// Checks values and gradients of [`SHAPES`] cases that `make` draws.
#[track_caller]
pub fn check(name: &str, make: impl Fn(&mut Draw) -> Case) {
    over_shapes(name, |name, draw| {
        let Case { inputs, ours, oracle } = make(draw);
        let leaves: Vec<Tensor> = inputs.iter().map(leaf).collect();
        gradients_agree(name, &leaves, &ours(&leaves), &oracle)
    });
}

/// Checks values alone, of a function that is not differentiable.
#[track_caller]
pub fn check_values(name: &str, make: impl Fn(&mut Draw) -> Case) {
    over_shapes(name, |name, draw| {
        let Case { inputs, ours, oracle } = make(draw);
        let leaves: Vec<Tensor> = inputs.iter().map(leaf).collect();
        values_agree(name, &leaves, &no_grad(|| ours(&leaves)), &oracle)
    });
}

/// An input as a tensor that collects its gradient.
pub fn leaf((shape, values): &Input) -> Tensor {
    Tensor::from_vec(values.clone(), &shape[..]).requires_grad()
}

/// Calls `check` for [`SHAPES`] cases, each with random numbers of its own; it returns how many elements it has
/// compared.
#[track_caller]
pub fn over_shapes(name: &str, check: impl Fn(&str, &mut Draw) -> usize) {
    let mut elements = 0;
    for number in 0..SHAPES {
        let key: Vec<u64> = name.bytes().map(u64::from).take(24).collect();
        let folded = key.iter().fold(number, |hash, byte| hash.wrapping_mul(1_000_003) ^ byte);
        let mut draw = Draw(Generator::keyed(folded, &[number]));
        elements += check(&format!("{name}, case {number}"), &mut draw);
    }
    assert!(elements > SHAPES as usize, "{name}: only {elements} elements in all");
}

/// `y`, computed from `leaves`, against the oracle. Returns the number of its elements.
pub fn values_agree(name: &str, leaves: &[Tensor], y: &Tensor, oracle: &Function<Nd>) -> usize {
    let expected = oracle(&exact(leaves));
    let shapes: Vec<_> = leaves.iter().map(Tensor::shape).collect();
    assert_eq!(y.shape()[..], expected.shape[..], "{name} of {shapes:?}: shape");
    for (&found, &expected) in y.to_vec().iter().zip(&expected.data) {
        assert!(close(found, expected), "{name} of {shapes:?}: value {found}, expected {expected}");
    }
    expected.data.len()
}

/// `y`, computed from `leaves`, and their gradients against the oracle and its differences. Returns the number of
/// gradients.
pub fn gradients_agree(name: &str, leaves: &[Tensor], y: &Tensor, oracle: &Function<Nd>) -> usize {
    values_agree(name, leaves, y, oracle);
    let exact = exact(leaves);
    let mut draw = Draw(Generator::new(3));
    let (_, cotangent) = draw.any(y.shape());
    y.backward_with(&Tensor::from_vec(cotangent.clone(), y.shape().clone()));
    let weighted = |inputs: &[Nd]| -> Vec<f64> {
        oracle(inputs).data.iter().zip(&cotangent).map(|(y, &w)| y * f64::from(w)).collect()
    };
    let mut elements = 0;
    for (number, leaf) in leaves.iter().enumerate() {
        let gradient = leaf.grad().map_or_else(|| vec![0.0; leaf.numel()], |g| g.to_vec());
        assert_eq!(gradient.len(), leaf.numel(), "{name}: size of gradient {number}");
        for (place, &found) in gradient.iter().enumerate() {
            let at = |step: f64| {
                let mut moved = exact.clone();
                moved[number].data[place] += step;
                weighted(&moved)
            };
            let difference: f64 = at(STEP).iter().zip(&at(-STEP)).map(|(high, low)| high - low).sum();
            let expected = difference / (2.0 * STEP);
            let shapes: Vec<_> = leaves.iter().map(Tensor::shape).collect();
            assert!(
                close(found, expected),
                "{name} of {shapes:?}: gradient of input {number} at {place} is {found}, differences give {expected}"
            );
            elements += 1;
        }
    }
    elements
}

fn close(found: f32, expected: f64) -> bool {
    (f64::from(found) - expected).abs() <= ABSOLUTE + RELATIVE * expected.abs()
}

/// The same numbers in float64.
fn exact(leaves: &[Tensor]) -> Vec<Nd> {
    leaves.iter().map(|x| Nd::new(x.shape(), x.to_vec().into_iter().map(f64::from).collect())).collect()
}
