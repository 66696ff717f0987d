//! Checks gradients against differences of the function itself, as `torch.autograd.gradcheck`.
//!
//! ```
//! use cresset_tensor::{Generator, Tensor, gradcheck::{GradcheckOptions, gradcheck}};
//!
//! let x = Tensor::randn([3, 4], &mut Generator::new(0));
//! gradcheck(|t| t[0].exp().sum_dim(1, false), &[x], &GradcheckOptions::default()).unwrap();
//! ```
//!
//! Differences in single precision are noisy when the step is small and wrong when it is large. Each element is
//! therefore checked with steps that are powers of two times its size, two of which are combined so that the error
//! of second order cancels (Richardson's extrapolation); if the function has a kink within a step, smaller ones are
//! tried. Output differences are taken element by element and added in double precision.

use crate::array::{Array, DType};
use crate::graph::no_grad;
use crate::random::Generator;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// How a gradient is checked. The tolerance for an element is `atol + rtol * |numeric|`, plus the rounding error that
/// single precision leaves in the difference.
#[derive(Clone, Debug)]
pub struct GradcheckOptions {
    /// The largest step, for elements up to 1; it grows with larger ones. A power of two keeps steps exact.
    pub step: f32,
    /// Absolute tolerance.
    pub atol: f64,
    /// Relative tolerance.
    pub rtol: f64,
    /// Of the random cotangent with which outputs are weighted.
    pub seed: u64,
}

/// Step 1/32, tolerances 3e-4 and 1e-3.
impl Default for GradcheckOptions {
    fn default() -> Self {
        Self { step: 1.0 / 32.0, atol: 3e-4, rtol: 1e-3, seed: 0 }
    }
}

/// What is wrong with a gradient.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GradcheckError {
    /// The output does not depend on any input that is differentiated.
    #[error(
        "gradcheck: the output has no gradient: it was computed without recording, or from constants alone"
    )]
    NothingRecorded,
    /// Two calls with the same inputs gave different outputs.
    #[error(
        "gradcheck: the function gives {first} and then {second} at element {index} of its output: fix its random numbers"
    )]
    NotDeterministic {
        /// Element of the output.
        index: Shape,
        /// Of the first call.
        first: f32,
        /// Of the second call.
        second: f32,
    },
    /// The gradient is not what differences say.
    #[error(
        "gradcheck: input {input}, element {index}: the gradient is {analytic}, differences give {numeric} ± {tolerance:.1e}"
    )]
    Wrong {
        /// Position in `inputs`.
        input: usize,
        /// Element of the input.
        index: Shape,
        /// What backward computed.
        analytic: f32,
        /// What differences say.
        numeric: f64,
        /// How far apart they may be.
        tolerance: f64,
    },
    /// Inputs and cotangent in another memory order lead to something else.
    #[error("gradcheck: {layout}, {what} at element {index} is {found} instead of {expected}")]
    DependsOnLayout {
        /// The memory order.
        layout: &'static str,
        /// The output, or the gradient by one of the inputs.
        what: String,
        /// Element of it.
        index: Shape,
        /// With contiguous inputs.
        expected: f32,
        /// With the layout.
        found: f32,
    },
    /// A second backward did not add the same gradient again.
    #[error(
        "gradcheck: input {input}, element {index}: after two passes the gradient is {twice}, after one {once}"
    )]
    NotAccumulated {
        /// Position in `inputs`.
        input: usize,
        /// Element of the input.
        index: Shape,
        /// After one backward.
        once: f32,
        /// After two.
        twice: f32,
    },
}

/// Checks the gradients of `f` by every floating-point input:
///
/// - against central differences, with the output weighted by a random cotangent;
/// - that inputs and cotangents that are not contiguous (transposed memory, gaps, channels-last) lead to the same
///   values and gradients;
/// - that a second backward adds to what is there.
///
/// `f` must be smooth at the inputs (keep them away from kinks and ties) and give the same for the same inputs.
/// Other values that it needs can be captured.
///
/// # Errors
/// The first thing that is wrong.
pub fn gradcheck(
    f: impl Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    options: &GradcheckOptions,
) -> Result<(), GradcheckError> {
    let inputs: Vec<Tensor> = inputs.iter().map(|x| Tensor::constant(x.array().contiguous())).collect();
    let output = no_grad(|| f(&inputs));
    check_deterministic(&output, &no_grad(|| f(&inputs)))?;

    let cotangent = cotangent(output.shape(), options.seed);
    let leaves = leaves(&inputs);
    let y = f(&leaves);
    if !y.needs_grad() {
        return Err(GradcheckError::NothingRecorded);
    }
    y.backward_with(&cotangent);
    let gradients = gradients(&leaves);
    for (input, gradient) in gradients.iter().enumerate() {
        if let Some(gradient) = gradient {
            check_differences(&f, &inputs, input, gradient, &cotangent, options)?;
        }
    }
    check_accumulation(&f, &leaves, &gradients, &cotangent, options)?;
    for (layout, arrange) in LAYOUTS {
        check_layout(&f, &inputs, layout, arrange, &gradients, &cotangent, options)?;
    }
    Ok(())
}

/// Away from zero, so that every output counts.
fn cotangent(shape: &Shape, seed: u64) -> Tensor {
    let mut generator = Generator::new(seed);
    let draw = |g: &mut Generator| {
        let magnitude = 0.5 + g.uniform();
        if g.below(2) == 0 { magnitude } else { -magnitude }
    };
    Tensor::constant(generator.fill(shape, draw))
}

fn leaves(inputs: &[Tensor]) -> Vec<Tensor> {
    let leaf = |x: &Tensor| if x.dtype() == DType::F32 { x.detach().requires_grad() } else { x.clone() };
    inputs.iter().map(leaf).collect()
}

/// By floating-point inputs; zeros for one that the output does not depend on.
fn gradients(leaves: &[Tensor]) -> Vec<Option<Vec<f32>>> {
    let gradient = |x: &Tensor| x.grad().map_or_else(|| vec![0.0; x.numel()], |g| g.to_vec());
    leaves.iter().map(|x| (x.dtype() == DType::F32).then(|| gradient(x))).collect()
}

/// The indices of the element at this place in row-major order.
fn index_of(shape: &Shape, mut place: usize) -> Shape {
    let mut index = vec![0; shape.rank()];
    for d in (0..shape.rank()).rev() {
        index[d] = place % shape[d];
        place /= shape[d];
    }
    index.into()
}

fn check_deterministic(first: &Tensor, second: &Tensor) -> Result<(), GradcheckError> {
    let pairs = first.to_vec().into_iter().zip(second.to_vec());
    match pairs.enumerate().find(|(_, (a, b))| a.to_bits() != b.to_bits()) {
        None => Ok(()),
        Some((i, (a, b))) => {
            let index = index_of(first.shape(), i);
            Err(GradcheckError::NotDeterministic { index, first: a, second: b })
        }
    }
}

/// A difference quotient and the rounding error in it.
struct Quotient {
    value: f64,
    rounding: f64,
}

fn check_differences(
    f: &impl Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    input: usize,
    gradient: &[f32],
    cotangent: &Tensor,
    options: &GradcheckOptions,
) -> Result<(), GradcheckError> {
    let shape = inputs[input].shape();
    let base = inputs[input].to_vec();
    let weights = cotangent.to_vec();
    let quotient = |element: usize, step: f32| {
        let at = |value: f32| {
            let mut changed = base.clone();
            changed[element] = value;
            let mut inputs = inputs.to_vec();
            inputs[input] = Tensor::from_vec(changed, shape);
            no_grad(|| f(&inputs)).to_vec()
        };
        let (low, high) = (base[element] - step, base[element] + step);
        let distance = f64::from(high) - f64::from(low);
        let (mut sum, mut rounding) = (0.0, 0.0);
        for ((high, low), weight) in at(high).into_iter().zip(at(low)).zip(&weights) {
            let (high, low, weight) = (f64::from(high), f64::from(low), f64::from(*weight));
            sum += weight * (high - low);
            // Outputs that do not depend on this element add no error.
            if high != low {
                rounding += (weight * high.abs().max(low.abs()) * f64::from(f32::EPSILON)).powi(2);
            }
        }
        Quotient { value: sum / distance, rounding: 2.0 * rounding.sqrt() / distance }
    };
    for (element, &analytic) in gradient.iter().enumerate() {
        let mut best: Option<(f64, GradcheckError)> = None;
        let mut step = options.step * base[element].abs().max(1.0);
        for _ in 0..4 {
            let (wide, narrow) = (quotient(element, step), quotient(element, step / 2.0));
            let bend = narrow.value - wide.value;
            let numeric = narrow.value + bend / 3.0;
            let tolerance = options.atol + options.rtol * numeric.abs() + narrow.rounding + wide.rounding;
            if (numeric - f64::from(analytic)).abs() <= tolerance {
                best = None;
                break;
            }
            // If no step confirms the gradient, the one in which the function is straightest has the say.
            if best.as_ref().is_none_or(|(least, _)| bend.abs() < *least) {
                let index = index_of(shape, element);
                best =
                    Some((bend.abs(), GradcheckError::Wrong { input, index, analytic, numeric, tolerance }));
            }
            step /= 4.0;
        }
        if let Some((_, error)) = best {
            return Err(error);
        }
    }
    Ok(())
}

/// The leaves have had one backward; after another, gradients must have doubled.
fn check_accumulation(
    f: &impl Fn(&[Tensor]) -> Tensor,
    leaves: &[Tensor],
    gradients: &[Option<Vec<f32>>],
    cotangent: &Tensor,
    options: &GradcheckOptions,
) -> Result<(), GradcheckError> {
    f(leaves).backward_with(cotangent);
    for (input, once) in gradients.iter().enumerate() {
        let (Some(once), Some(twice)) = (once, leaves[input].grad()) else { continue };
        let doubled: Vec<f32> = once.iter().map(|g| 2.0 * g).collect();
        if let Some(i) = differs(&doubled, &twice.to_vec(), options) {
            let index = index_of(leaves[input].shape(), i);
            let (once, twice) = (once[i], twice.to_vec()[i]);
            return Err(GradcheckError::NotAccumulated { input, index, once, twice });
        }
    }
    Ok(())
}

type Layout = (&'static str, fn(&Array) -> Array);

const LAYOUTS: [Layout; 3] = [
    ("with transposed memory", |a| {
        let reversed: Vec<usize> = (0..a.rank()).rev().collect();
        a.permute(&reversed).contiguous().permute(&reversed)
    }),
    ("with gaps in memory", |a| {
        // Every second element of a wider buffer, the first of which is not ours either.
        let wide: Vec<f32> = a.to_vec().into_iter().flat_map(|v| [f32::NAN, v]).collect();
        let sizes = a.shape().iter().copied();
        Array::from_vec(wide, sizes.clone().chain([2]).collect::<Shape>())
            .narrow(a.rank(), 1, 1)
            .reshape(sizes.collect::<Shape>())
    }),
    ("channels-last", |a| if a.rank() == 4 { a.channels_last() } else { a.clone() }),
];

fn check_layout(
    f: &impl Fn(&[Tensor]) -> Tensor,
    inputs: &[Tensor],
    layout: &'static str,
    arrange: fn(&Array) -> Array,
    gradients_expected: &[Option<Vec<f32>>],
    cotangent: &Tensor,
    options: &GradcheckOptions,
) -> Result<(), GradcheckError> {
    let arranged = |x: &Tensor| match x.dtype() {
        DType::F32 => Tensor::constant(arrange(x.array())),
        _ => x.clone(),
    };
    let compare = |what: &dyn Fn() -> String, shape: &Shape, expected: &[f32], found: &[f32]| {
        let Some(i) = differs(expected, found, options) else { return Ok(()) };
        let (index, expected, found) = (index_of(shape, i), expected[i], found[i]);
        Err(GradcheckError::DependsOnLayout { layout, what: what(), index, expected, found })
    };
    let leaves = leaves(&inputs.iter().map(arranged).collect::<Vec<_>>());
    let y = f(&leaves);
    let expected = no_grad(|| f(inputs));
    compare(&|| "the output".into(), y.shape(), &expected.to_vec(), &y.to_vec())?;
    y.backward_with(&arranged(cotangent));
    for (input, found) in gradients(&leaves).iter().enumerate() {
        if let (Some(expected), Some(found)) = (&gradients_expected[input], found) {
            let what = || format!("the gradient by input {input}");
            compare(&what, inputs[input].shape(), expected, found)?;
        }
    }
    Ok(())
}

/// The first place where two computations of the same values differ by more than rounding.
fn differs(expected: &[f32], found: &[f32], options: &GradcheckOptions) -> Option<usize> {
    let close = |(&e, &f): (&f32, &f32)| {
        let tolerance = options.atol + options.rtol * f64::from(e.abs());
        e.to_bits() == f.to_bits() || f64::from((e - f).abs()) <= tolerance
    };
    expected.iter().zip(found).position(|pair| !close(pair))
}
