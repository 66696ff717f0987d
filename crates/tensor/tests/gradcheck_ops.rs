//! Gradients of the tensor ops against differences, over awkward shapes; and that the check finds wrong gradients.

use cresset_tensor::gradcheck::{GradcheckError, GradcheckOptions, gradcheck};
use cresset_tensor::op::{Op, apply};
use cresset_tensor::{Array, Generator, Shape, ShapeError, Tensor};
use std::slice::from_ref;

fn randn<const N: usize>(shape: [usize; N]) -> Tensor {
    let key: Vec<u64> = shape.iter().map(|&d| d as u64).collect();
    Tensor::randn(shape, &mut Generator::keyed(11, &key))
}

/// Between 0.5 and 2.5.
fn positive<const N: usize>(shape: [usize; N]) -> Tensor {
    Tensor::rand(shape, &mut Generator::new(12)).mul(2.0).add(0.5)
}

/// All different, at least 0.25 apart, in random order: no ties and no kinks nearby.
fn distinct<const N: usize>(shape: [usize; N]) -> Tensor {
    let n = Shape::from(shape).numel();
    let order = Generator::new(13).permutation(n);
    Tensor::from_vec(order.into_iter().map(|i| (i as f32 - n as f32 / 2.0 + 0.5) / 4.0).collect(), shape)
}

#[track_caller]
fn check(f: impl Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) {
    gradcheck(f, inputs, &GradcheckOptions::default()).unwrap();
}

/// Shapes with sizes 1, odd sizes, no dimensions.
fn shapes(make: impl Fn(Vec<usize>) -> Tensor) -> Vec<Tensor> {
    [&[][..], &[1], &[7], &[3, 5], &[1, 3], &[2, 1, 3], &[2, 3, 3, 1]].map(|s| make(s.to_vec())).into()
}

#[test]
fn elementwise() {
    let smooth: [fn(&Tensor) -> Tensor; 5] =
        [|x| -x, Tensor::exp, Tensor::square, |x| x.mul(1.5).add(2).sub(0.5).div(3), |x| 2.0 - x];
    let of_positive: [fn(&Tensor) -> Tensor; 8] = [
        Tensor::log,
        Tensor::sqrt,
        Tensor::reciprocal,
        |x| x.pow(2.5),
        |x| x.pow(-1),
        |x| x.pow(3) + x.pow(0),
        |x| 2.0 / x,
        |x| 1.0 + x * 3.0,
    ];
    let of_distinct: [fn(&Tensor) -> Tensor; 3] =
        [Tensor::abs, |x| x.clamp(-0.5, 1.0), |x| x.clamp_min(0.0).clamp_max(0.5)];
    for x in shapes(|s| Tensor::randn(s, &mut Generator::new(1))) {
        smooth.iter().for_each(|f| check(|t| f(&t[0]), from_ref(&x)));
    }
    for x in shapes(|s| Tensor::rand(s, &mut Generator::new(2)).add(0.5)) {
        of_positive.iter().for_each(|f| check(|t| f(&t[0]), from_ref(&x)));
    }
    for f in of_distinct {
        check(|t| f(&t[0]), &[distinct([3, 5]).add(0.05)]);
        check(|t| f(&t[0]), &[distinct([2, 3, 1, 3]).add(0.05)]);
    }
}

#[test]
fn arithmetic_broadcasts() {
    let ops: [fn(&Tensor, &Tensor) -> Tensor; 5] =
        [|a, b| a + b, |a, b| a - b, |a, b| a * b, |a, b| a / b, |a, b| a.pow(b)];
    let pairs = [
        (positive([]), positive([])),
        (positive([3]), positive([])),
        (positive([2, 3]), positive([2, 3])),
        (positive([3, 1, 2]), positive([4, 1])),
        (positive([1]), positive([2, 1, 3])),
        (positive([2, 3, 2, 3]), positive([3, 1, 1])),
        (positive([2, 3, 2, 3]), positive([2, 3, 2, 3])),
    ];
    for (a, b) in &pairs {
        ops.iter().for_each(|f| check(|t| f(&t[0], &t[1]), &[a.clone(), b.clone()]));
    }
    check(|t| &t[0] * &t[0] / t[0].add(3), &[positive([3])]);
}

#[test]
fn extremes_of_two() {
    // 0.1 keeps the two apart.
    for (a, b) in [(distinct([3, 4]), distinct([4]).add(0.1)), (distinct([2, 1]), distinct([1, 3]).add(0.1))]
    {
        check(|t| t[0].maximum(&t[1]), &[a.clone(), b.clone()]);
        check(|t| t[0].minimum(&t[1]), &[a, b]);
    }
    check(|t| t[0].maximum(0.0), &[distinct([5]).add(0.1)]);
}

#[test]
fn choices() {
    let mask = Tensor::from_bools([true, false, true], [3]);
    check(|t| Tensor::where_(&mask, &t[0], &t[1]), &[randn([2, 3]), randn([2, 1])]);
    check(|t| Tensor::where_(&mask, &t[0], 2.0), &[randn([])]);
    check(|t| t[0].masked_fill(&mask.unsqueeze(1), 9.0), &[randn([2, 3, 4])]);
}

#[test]
fn views() {
    let forms: [fn(&Tensor) -> Tensor; 16] = [
        |x| x.reshape([-1, 6]),
        |x| x.permute([2, 0, 3, 1]).reshape([4, -1]),
        |x| x.permute([0, 2, 3, 1]),
        |x| x.transpose(0, -1),
        |x| x.flatten(1).t(),
        |x| x.flatten_dims(1, 2),
        |x| x.narrow(1, 1, 2),
        |x| x.permute([0, 2, 3, 1]).narrow(3, 0, 1),
        |x| x.slice_step(3, 1.., 2),
        |x| x.slice(2, -1..),
        |x| x.select(0, -1).select(1, 0),
        |x| x.unsqueeze(2).squeeze(2).unsqueeze(-1),
        |x| x.narrow(2, 0, 1).squeeze(2).squeeze_all(),
        |x| x.narrow(1, 1, 1).expand([3, -1, 5, -1, -1]),
        |x| x.permute([3, 2, 1, 0]).contiguous(),
        |x| x.chunk(2, 3)[1].broadcast_to([2, 2, 3, 2, 2]),
    ];
    for f in forms {
        check(|t| f(&t[0]), &[randn([2, 3, 2, 4])]);
    }
    check(|t| t[0].reshape([1, 1]).expand([3, 2]), &[randn([])]);
    check(|t| t[0].narrow(0, 1, 0).reshape([0, 2]), &[randn([3, 2])]);
}

#[test]
fn joins() {
    check(|t| Tensor::cat(t, 1), &[randn([2, 1, 3]), randn([2, 4, 3]), randn([2, 2, 3])]);
    check(|t| Tensor::cat(t, 1), &[randn([2, 3, 2, 2]), randn([2, 1, 2, 2])]);
    check(|t| Tensor::cat(&[&t[0], &t[1], &t[0]], 0), &[randn([2]), randn([3])]);
    check(|t| Tensor::stack(t, -1), &[randn([2, 3]), randn([2, 3])]);
    check(
        |t| Tensor::stack(&[&t[0].permute([0, 2, 3, 1]), &t[1]], 2),
        &[randn([2, 3, 2, 2]), randn([2, 2, 2, 3])],
    );
    check(|t| Tensor::cat(t, 0), &[randn([0, 3]), randn([2, 3])]);
}

#[test]
fn indexing() {
    let index = Tensor::from_i64([2, 0, 2, 2, 1], [5]);
    check(|t| t[0].index_select(0, &index), &[randn([3])]);
    check(|t| t[0].index_select(1, &index), &[randn([2, 3, 2, 2])]);
    check(|t| t[0].index_select(-1, &index), &[randn([2, 3])]);
    check(|t| t[0].index_select(0, &Tensor::from_i64([], [0])), &[randn([2, 3])]);
    let index = Tensor::from_i64([0, 2, 1, 1, 2, 2, 0, 0], [2, 4]);
    check(|t| t[0].gather(1, &index), &[randn([2, 3])]);
    check(|t| t[0].gather(0, &index), &[randn([3, 5])]);
    check(|t| t[0].gather(2, &index.unsqueeze(1)), &[randn([3, 2, 3])]);
}

#[test]
fn sums_and_means() {
    let dims: [&[isize]; 9] = [&[], &[0], &[1], &[-1], &[0, 2], &[2, 3], &[0, 2, 3], &[1, 3], &[3, 2, 1, 0]];
    for dims in dims {
        for keepdim in [false, true] {
            check(|t| t[0].sum_dim(dims, keepdim), &[randn([2, 3, 2, 3])]);
            check(|t| t[0].mean_dim(dims, keepdim), &[randn([2, 3, 1, 3])]);
            check(|t| t[0].var_dim(dims, 0, keepdim), &[randn([2, 2, 3, 2])]);
        }
    }
    check(|t| t[0].sum(), &[randn([])]);
    check(|t| t[0].expand([4, 3, 2]).sum_dim([0, 2], false), &[randn([3, 1])]);
    check(|t| t[0].expand([4, 3, 2]).sum_dim(1, true), &[randn([3, 1])]);
    check(|t| t[0].var(1) + t[0].std(1).mul(2), &[randn([7])]);
    check(|t| t[0].std_dim(1, 1, true), &[randn([3, 5])]);
}

#[test]
fn extremes() {
    for x in [distinct([2, 3, 2, 3]), distinct([1, 4, 3, 1])] {
        for dims in [&[][..], &[0], &[1], &[-1], &[0, 2], &[2, 3]] {
            check(|t| t[0].amax(dims, false), from_ref(&x));
            check(|t| t[0].amin(dims, true), from_ref(&x));
        }
        for dim in [0, 1, -1] {
            check(|t| t[0].max_dim(dim, false).0, from_ref(&x));
            check(|t| t[0].min_dim(dim, true).0, from_ref(&x));
        }
        check(|t| t[0].topk(3, 1).0, from_ref(&x));
        check(|t| t[0].max() * t[0].min(), from_ref(&x));
    }
}

/// `y = x`, with a gradient that is wrong in a way of one's choice.
#[derive(Debug)]
struct Wrong(fn(&mut [f32]));

impl Op<1> for Wrong {
    type Saved = ();

    fn name(&self) -> &'static str {
        "wrong"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(x.clone())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, ()) {
        (x.clone(), ())
    }

    fn backward(&self, _: (), grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let mut grad = grad.contiguous();
        self.0(grad.memory_mut());
        [Some(grad)]
    }
}

#[test]
fn wrong_gradients_are_found() {
    let options = GradcheckOptions::default();
    let x = randn([2, 3]);
    let off_by_half_a_percent = |t: &[Tensor]| apply(Wrong(|g| g[4] *= 1.005), [&t[0]]);
    match gradcheck(off_by_half_a_percent, from_ref(&x), &options) {
        Err(GradcheckError::Wrong { input: 0, index, .. }) => assert_eq!(index, [1, 1]),
        other => panic!("{other:?}"),
    }
    let error =
        gradcheck(|t| apply(Wrong(|g| g[0] = 7.0), [&t[0]]), &[Tensor::scalar(1.0)], &options).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("gradcheck: input 0, element (): the gradient is 7, differences give ")
            && text.contains('±'),
        "{text}"
    );
    let one_missing = |t: &[Tensor]| t[0].detach() + &t[1];
    match gradcheck(one_missing, &[x.clone(), x.clone()], &options) {
        Err(GradcheckError::Wrong { input: 0, analytic, .. }) => assert_eq!(analytic, 0.0),
        other => panic!("{other:?}"),
    }
    assert_eq!(gradcheck(|t| t[0].detach(), from_ref(&x), &options), Err(GradcheckError::NothingRecorded));
}

#[test]
fn dependence_on_the_memory_order_is_found() {
    // Takes the gradient's memory for row-major.
    #[derive(Debug)]
    struct Careless;
    impl Op<1> for Careless {
        type Saved = Shape;
        fn name(&self) -> &'static str {
            "careless"
        }
        fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
            Ok(x.clone())
        }
        fn forward(&self, [x]: [&Array; 1]) -> (Array, Shape) {
            (x.clone(), x.shape().clone())
        }
        fn backward(&self, shape: Shape, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
            [Some(Array::from_vec(grad.dense().memory().to_vec(), shape))]
        }
    }
    match gradcheck(|t| apply(Careless, [&t[0]]), &[randn([2, 3])], &GradcheckOptions::default()) {
        Err(GradcheckError::DependsOnLayout { layout, what, .. }) => {
            assert_eq!((layout, what.as_str()), ("with transposed memory", "the gradient by input 0"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn random_functions_are_refused() {
    let generator = std::sync::Mutex::new(Generator::new(0));
    let noisy = |t: &[Tensor]| &t[0] + Tensor::rand([3], &mut generator.lock().unwrap());
    let error = gradcheck(noisy, &[randn([3])], &GradcheckOptions::default()).unwrap_err();
    assert!(matches!(error, GradcheckError::NotDeterministic { .. }), "{error}");
}
