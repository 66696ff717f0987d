//! What is said when something is used wrongly: each guard's whole message, and that the panic points at the line of
//! the caller.

use cresset_tensor::ops::{CrossEntropyOptions, cross_entropy};
use cresset_tensor::{Array, DType, Tensor, trace};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// File and line of the last panic; `None` while panics are reported as usual.
    static PLACE: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// The message with which `f` panics, and where.
fn panic_of<R>(f: impl FnOnce() -> R) -> (String, String, u32) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(|l| (l.file().to_owned(), l.line()));
            let expected = PLACE.with_borrow_mut(|p| {
                p.is_some() && {
                    *p = place;
                    true
                }
            });
            if !expected {
                usual(info);
            }
        }));
    });
    PLACE.set(Some(Default::default()));
    let payload = catch_unwind(AssertUnwindSafe(|| drop(f()))).expect_err("this must panic");
    let (file, line) = PLACE.take().expect("set by the hook");
    let text = match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().expect("a text")).to_owned(),
    };
    (text, file, line)
}

/// The expression panics with this message, and the panic points here.
macro_rules! guard {
    ($message:expr, $wrong:expr) => {
        let (message, file, _) = panic_of(|| $wrong);
        assert_eq!(message, $message);
        assert_eq!(file, file!(), "{message}");
    };
}

fn zeros<const N: usize>(shape: [usize; N]) -> Tensor {
    Tensor::zeros(shape)
}

fn ints<const N: usize>(values: [i64; N]) -> Tensor {
    Tensor::from_i64(values, [N])
}

#[test]
fn the_panic_points_at_the_users_line() {
    let (a, b) = (zeros([2, 3]), zeros([2]));
    let here = line!() + 1;
    let (_, file, line) = panic_of(|| a.add(&b));
    assert_eq!((file.as_str(), line), (file!(), here));
    let here = line!() + 1;
    let (_, _, line) = panic_of(|| &a * &b);
    assert_eq!(line, here, "through an operator");
    let here = line!() + 1;
    let (_, _, line) = panic_of(|| a.sum_dim(2, false));
    assert_eq!(line, here, "through a reduction");
}

#[test]
fn shapes_that_do_not_broadcast() {
    let says = |op: &str| {
        format!(
            "{op}: shapes (2, 3) and (2,) do not broadcast: aligned at the right, each pair of sizes must be equal or 1"
        )
    };
    let (a, b) = (zeros([2, 3]), zeros([2]));
    guard!(says("add"), &a + &b);
    guard!(says("sub"), a.clone() - b.clone());
    guard!(says("mul"), &a * b.clone());
    guard!(says("div"), a.clone() / &b);
    guard!(says("add"), a.add(&b));
    guard!(says("pow"), a.pow(&b));
    guard!(says("maximum"), a.maximum(&b));
    guard!(says("minimum"), a.minimum(&b));
    guard!(says("eq"), a.eq(&b));
    guard!(says("ge"), a.ge(&b));
    guard!(says("where"), Tensor::where_(&a.gt(0.0), &a, &b));
    guard!(says("logical_and"), a.logical_and(&b));
}

#[test]
fn dimensions_that_do_not_exist() {
    let x = zeros([2, 3]);
    let says = |op: &str| format!("{op}: dimension 2 does not exist in shape (2, 3); they run from -2 to 1");
    guard!(says("sum"), x.sum_dim(2, false));
    guard!(says("mean"), x.mean_dim(2, false));
    guard!(says("var"), x.var_dim(2, 1, false));
    guard!(says("var"), x.std_dim(2, 1, false));
    guard!(says("amax"), x.amax(2, true));
    guard!(says("amin"), x.amin([0, 2], true));
    guard!(says("max"), x.max_dim(2, true));
    guard!(says("min"), x.min_dim(2, true));
    guard!(says("argmax"), x.argmax(2, true));
    guard!(says("argmin"), x.argmin(2, true));
    guard!(says("topk"), x.topk(1, 2));
    guard!(says("all"), x.all_dim(2, true));
    guard!(says("any"), x.any_dim(2, true));
    guard!(says("sum"), x.to_dtype(DType::I64).sum_dim(2, true));
    guard!(says("flatten"), x.flatten(2));
    guard!(says("squeeze"), x.squeeze(2));
    guard!(says("transpose"), x.transpose(0, 2));
    guard!(says("permute"), x.permute([0, 2]));
    guard!(says("narrow"), x.narrow(2, 0, 1));
    guard!(says("slice"), x.slice(2, 0..1));
    guard!(says("select"), x.select(2, 0));
    guard!(says("cat"), Tensor::cat(&[&x, &x], 2));
    guard!(says("gather"), x.gather(2, &Tensor::from_i64([0], [1, 1])));
    guard!(says("index_select"), x.index_select(2, &ints([0])));
    guard!("sum: dimension 0 of shape (2, 3) appears more than once in (0, -2)", x.sum_dim([0, -2], false));
    guard!(
        "sum: dimension 0 does not exist in a scalar, which has none",
        Tensor::scalar(1.0).sum_dim(0, false)
    );
    guard!("size: dimension 2 does not exist in shape (2, 3)", x.size(2));
    guard!("size: dimension 2 does not exist in shape (2, 3)", x.split(1, 2));
}

#[test]
fn views_that_do_not_fit() {
    let x = zeros([2, 3]);
    guard!("reshape: shape (2, 3) does not fit (-1, 4): 6 elements are no multiple of 4", x.reshape([-1, 4]));
    guard!("flatten: start dimension 1 lies behind end dimension 0 of shape (2, 3)", x.flatten_dims(1, 0));
    guard!("unsqueeze: dimension 3 cannot be put into shape (2, 3); possible are -3 to 2", x.unsqueeze(3));
    guard!("permute: order (0, 1, 2) names 3 dimensions, but shape (2, 3) has 2", x.permute([0, 1, 2]));
    guard!("t: expected a matrix, found shape (1, 2, 3); use transpose() or permute()", x.unsqueeze(0).t());
    guard!("narrow: start 2 and length 2 reach beyond dimension 1 of shape (2, 3)", x.narrow(1, 2, 2));
    guard!("slice: range 1..4 does not lie in dimension 1 of shape (2, 3)", x.slice(1, 1..4));
    guard!("slice: the step must be at least 1, found 0", x.slice_step(1, .., 0));
    guard!("select: index -3 does not exist in dimension 0 of shape (2, 3)", x.select(0, -3));
    guard!("split: the parts must have at least size 1", x.split(0, 0));
    guard!("chunk: there must be at least 1 part", x.chunk(0, 0));
    guard!(
        "expand: shape (2, 3) does not expand to (4, 3): only dimensions of size 1 can be repeated, found 2 for 4",
        x.expand([4, 3])
    );
    guard!(
        "broadcast_to: shape (2, 3) does not expand to (3,): there are more dimensions than sizes",
        x.broadcast_to([3])
    );
    guard!(
        "expand: shape (2, 3) does not expand to (-1, 2, 3): a new dimension needs a size of its own, not -1",
        x.expand([-1, 2, 3])
    );
}

#[test]
fn joins_that_do_not_fit() {
    let x = zeros([2, 3]);
    guard!(
        "cat: tensor 1 of shape (3, 3) does not join tensor 0 of shape (2, 3): sizes may differ only in dimension 1",
        Tensor::cat(&[&x, &zeros([3, 3])], 1)
    );
    guard!("cat: expected at least one tensor, found none", Tensor::cat(&[] as &[Tensor], 0));
    guard!(
        "cat: tensor 1 is of int64, tensor 0 of float32; convert with to_dtype()",
        Tensor::cat(&[&zeros([1]), &ints([1])], 0)
    );
    guard!(
        "unsqueeze: dimension 4 cannot be put into shape (2, 3); possible are -3 to 2",
        Tensor::stack(&[&x, &x], 4)
    );
}

#[test]
fn indices_out_of_range() {
    let x = zeros([2, 3]);
    guard!(
        "index_select: index 3 is out of range for dimension 1 of shape (2, 3)",
        x.index_select(1, &ints([0, 3]))
    );
    guard!(
        "index_select: index -1 is out of range for dimension 0 of shape (2, 3)",
        x.index_select(0, &ints([-1]))
    );
    guard!(
        "index_select: expected a one-dimensional index, found shape (1, 1)",
        x.index_select(0, &Tensor::from_i64([0], [1, 1]))
    );
    guard!(
        "gather: index 2 is out of range for dimension 0 of shape (2, 3)",
        x.gather(0, &Tensor::from_i64([2], [1, 1]))
    );
    guard!(
        "gather: index of shape (3, 1) does not fit input of shape (2, 3): it needs the same number of dimensions, and \
         no size may be larger except that of dimension 1",
        x.gather(1, &Tensor::from_i64([0, 0, 0], [3, 1]))
    );
    guard!("one_hot: index 5 is out of range for 5 classes", ints([0, 5]).one_hot(5));
    guard!("topk: dimension 1 of shape (2, 3) has fewer than 4 elements", x.topk(4, 1));
}

#[test]
fn dtypes_that_do_not_fit() {
    let (x, i) = (zeros([2]), ints([0, 1]));
    guard!("add: expected float32, found int64; convert with to_dtype(DType::F32)", &x + &i);
    guard!("exp: expected float32, found int64; convert with to_dtype(DType::F32)", i.exp());
    guard!(
        "gather: expected int64 indices, found float32; convert with to_dtype(DType::I64)",
        x.gather(0, &x)
    );
    guard!("one_hot: expected int64 indices, found float32; convert with to_dtype(DType::I64)", x.one_hot(2));
    guard!(
        "where: expected a bool mask, found float32; compare it first, as in x.ne(0.0)",
        Tensor::where_(&x, &x, &x)
    );
    guard!("expected a float32 array, found int64; convert with to_dtype()", i.to_vec());
    guard!("expected a bool array, found int64; convert with to_dtype()", i.to_vec_bool());
    guard!("requires_grad: int64 has no gradient", i.clone().requires_grad());
}

#[test]
fn values_that_are_not_there() {
    guard!("item: expected one element, found shape (2,)", zeros([2]).item());
    guard!("item_i64: expected one element, found shape (2,)", ints([1, 2]).item_i64());
    guard!("max: dimension 0 of shape (0,) is empty: there is no value to take", zeros([0]).max());
    guard!(
        "amax: dimension 1 of shape (2, 0) is empty: there is no value to take",
        zeros([2, 0]).amax(1, false)
    );
    guard!(
        "argmax: dimension 1 of shape (2, 0) is empty: there is no value to take",
        zeros([2, 0]).argmax(1, false)
    );
    guard!("max: shape (0,) is empty: there is no value to take", ints([]).max());
    guard!("3 elements do not fill shape (2,), which has 2", Tensor::new([1.0, 2.0, 3.0], [2]));
    guard!(
        "arange: start, end and step must be finite and step not zero, found (0, 1, 0)",
        Tensor::arange(0.0, 1.0, 0.0)
    );
}

#[test]
fn backward_of_what_is_no_loss() {
    let x = zeros([2]).requires_grad();
    guard!(
        "backward: expected a loss of one element, found shape (2,); reduce it with sum() or mean(), or give a gradient \
         with backward_with()",
        x.exp().backward()
    );
    guard!("backward_with: the gradient has shape (3,), the tensor (2,)", x.exp().backward_with(&zeros([3])));
    let message = "backward: nothing was recorded; no input requires a gradient, or this was computed in no_grad() or \
                   detached";
    guard!(message, zeros([2]).sum().backward());
    guard!(message, cresset_tensor::no_grad(|| x.sum()).backward());
    guard!(message, x.sum().detach().backward());
    guard!("requires_grad: this is the result of an op; detach() it first", x.exp().requires_grad());
}

#[test]
fn a_second_backward_says_that_the_graph_is_freed() {
    let x = zeros([2]).requires_grad();
    let hidden = x.exp();
    let loss = hidden.sum();
    loss.backward();
    guard!(
        "backward: the graph of this sum was already used and freed by an earlier backward(); compute the loss again, or \
         add the losses and call backward() once",
        loss.backward()
    );
    guard!(
        "backward: the graph of this exp was already used and freed by an earlier backward(); compute the loss again, or \
         add the losses and call backward() once",
        hidden.mean().backward()
    );
    // Added losses share the graph.
    let hidden = x.exp();
    (hidden.sum() + hidden.mean()).backward();
}

#[test]
fn gradients_that_a_step_has_used_are_stale() {
    use cresset_tensor::Leaf;
    use std::sync::Arc;
    let leaf = Arc::new(Leaf::default());
    let w = Tensor::with_leaf(Array::zeros([2]), leaf.clone());
    // Several backwards before one step add up.
    w.exp().sum().backward();
    w.exp().sum().backward();
    leaf.mark_used();
    guard!(
        "backward: the gradient of this tensor was already used by an optimizer step; call zero_grad() before backward(), \
         or set_grad() if old gradients are wanted",
        w.exp().sum().backward()
    );
    leaf.set_name("fc.weight");
    guard!(
        "backward: the gradient of parameter \"fc.weight\" was already used by an optimizer step; call zero_grad() before \
         backward(), or set_grad() if old gradients are wanted",
        w.exp().sum().backward()
    );
    w.zero_grad();
    w.exp().sum().backward();
    assert_eq!(w.grad().unwrap().to_vec(), [1.0, 1.0]);
}

#[test]
fn a_softmax_before_cross_entropy_is_refused() {
    let labels = ints([0, 1]);
    let probabilities = zeros([2, 3]).softmax(1);
    let expected = panic_of(|| cross_entropy(&probabilities, &labels, &CrossEntropyOptions::default())).0;
    assert!(expected.contains("softmax") && expected.contains("logits"), "{expected}");
    // Views and detached copies are still probabilities.
    let views: [fn(&Tensor) -> Tensor; 5] = [
        |p| p.detach(),
        |p| p.reshape([2, -1]),
        |p| p.narrow(0, 0, 2),
        |p| p.t().contiguous().t(),
        |p| p.unsqueeze(0).flatten_dims(0, 1),
    ];
    for view in views {
        let same = view(&probabilities);
        guard!(expected, cross_entropy(&same, &labels, &CrossEntropyOptions::default()));
    }
    // What was computed from them is not.
    cross_entropy(&probabilities.log(), &labels, &CrossEntropyOptions::default());
}

#[test]
fn dry_runs_keep_the_first_misfit_as_an_error() {
    type Forward = fn(&Tensor) -> Tensor;
    let run = |f: Forward| trace::dry_run([2, 3], f);
    let wrong: [(Forward, &str); 8] = [
        (
            |x| x.reshape([4, -1]),
            "reshape: shape (2, 3) does not fit (4, -1): 6 elements are no multiple of 4",
        ),
        (|x| x.argmax(2, false), "argmax: dimension 2 does not exist in shape (2, 3); they run from -2 to 1"),
        (
            |x| x.max_dim(2, false).0.exp(),
            "max: dimension 2 does not exist in shape (2, 3); they run from -2 to 1",
        ),
        (|x| x.topk(9, 1).1, "topk: dimension 1 of shape (2, 3) has fewer than 9 elements"),
        (
            |x| x.gt(&Tensor::zeros([4])),
            "gt: shapes (2, 3) and (4,) do not broadcast: aligned at the right, each pair of sizes must be equal or 1",
        ),
        (
            |x| Tensor::cat(&[x, &x.t()], 0),
            "cat: tensor 1 of shape (3, 2) does not join tensor 0 of shape (2, 3): sizes may differ only in dimension 0",
        ),
        (
            |x| x.slice(0, 1..5).sum().gather(3, &x.argmax(1, true)),
            "slice: range 1..5 does not lie in dimension 0 of shape (2, 3)",
        ),
        (|x| x.sum_dim(5, true), "sum: dimension 5 does not exist in shape (2, 3); they run from -2 to 1"),
    ];
    for (forward, message) in wrong {
        assert_eq!(run(forward).unwrap_err().to_string(), message);
    }
    let right: [(Forward, &[usize]); 10] = [
        (|x| x.argmax(1, false).one_hot(3), &[2, 3]),
        (|x| x.max_dim(1, false).1, &[2]),
        (|x| x.topk(2, 1).0, &[2, 2]),
        (|x| x.gather(1, &x.argmax(1, true)), &[2, 1]),
        (|x| x.index_select(1, &x.argmax(1, false)), &[2, 2]),
        (|x| Tensor::where_(&x.gt(0.0), x, 0.0).masked_fill(&x.isnan(), 1.0), &[2, 3]),
        (|x| Tensor::stack(&[x, x], 1), &[2, 2, 3]),
        (|x| x.lt(1.0).logical_or(&x.eq(2)).sum_dim(0, true), &[1, 3]),
        (|x| x.to_dtype(DType::I64).t().reshape([-1]).max(), &[]),
        (|x| x.split(1, 0)[0].std(1) + x.chunk(2, 1)[1].any_dim(0, false).to_dtype(DType::F32), &[1]),
    ];
    for (forward, shape) in right {
        assert_eq!(run(forward).unwrap().output[..], *shape);
    }
    guard!(
        "a dry run has shapes but no numbers: do not read values in forward()",
        run(|x| {
            x.sum().item();
            x.clone()
        })
    );
    assert!(!trace::is_active(), "a dry run ends also by a panic");
}
