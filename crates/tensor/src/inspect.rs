//! Looking at what ops compute, while they do: for finding the first NaN, for counting dead units.
//!
//! Where nobody looks, that costs an op a look at a flag of the thread.
//!
//! ```
//! use cresset_tensor::{Tensor, inspect};
//!
//! let x = Tensor::new([1.0, -1.0], [2]).requires_grad();
//! let (_, anomaly) = inspect::find_anomaly(|| x.sqrt().sum().backward());
//! let anomaly = anomaly.unwrap();
//! assert_eq!((anomaly.op, anomaly.found), ("sqrt", "NaN"));
//! ```

use crate::array::{Array, DType};
use crate::profile::Pass;
use crate::scope;
use cresset_kernels::reduce;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// What an op has just computed.
pub struct Seen<'a> {
    /// The public name of the op.
    pub op: &'static str,
    /// The path of the layer it ran in, if it has one.
    pub layer: Option<Arc<str>>,
    /// [`Pass::Forward`] or [`Pass::Backward`].
    pub pass: Pass,
    /// The output of forward, or a gradient that backward hands on.
    pub array: &'a Array,
}

type Look = Rc<RefCell<dyn FnMut(&Seen<'_>)>>;

thread_local! {
    /// Whether `LOOK` holds something: a plain flag is cheaper to ask.
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static LOOK: RefCell<Option<Look>> = const { RefCell::new(None) };
}

/// Runs `f` and shows `look` everything that ops of this thread compute meanwhile: outputs in forward, gradients in
/// backward.
///
/// Inside another `inspect` it takes them away from that one.
pub fn inspect<R>(f: impl FnOnce() -> R, look: impl FnMut(&Seen<'_>) + 'static) -> R {
    /// Puts back what was before, also when `f` panics.
    struct Restore(Option<Look>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ACTIVE.set(self.0.is_some());
            LOOK.set(self.0.take());
        }
    }
    let _restore = Restore(LOOK.replace(Some(Rc::new(RefCell::new(look)))));
    ACTIVE.set(true);
    f()
}

/// Shows an array to who looks, if anybody does.
pub(crate) fn show(op: &'static str, pass: Pass, array: &Array) {
    if !ACTIVE.get() {
        return;
    }
    let look = LOOK.with_borrow(Clone::clone);
    // An op that is computed by `look` itself is not shown.
    if let Some(Ok(mut look)) = look.as_ref().map(|look| look.try_borrow_mut()) {
        look(&Seen { op, layer: scope::current(), pass, array });
    }
}

/// The first op whose result was not finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// The public name of the op.
    pub op: &'static str,
    /// The path of the layer it ran in, if it has one.
    pub layer: Option<Arc<str>>,
    /// [`Pass::Forward`] or [`Pass::Backward`].
    pub pass: Pass,
    /// `NaN` or `infinity`.
    pub found: &'static str,
}

/// As in messages: `NaN in layer1.0.conv1 (conv2d, forward)`.
impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, layer, pass, found } = self;
        match layer {
            Some(layer) => write!(f, "{found} in {layer} ({op}, {})", pass.name()),
            None => write!(f, "{found} in {op} ({})", pass.name()),
        }
    }
}

/// Runs `f` and says which op first computed NaN or an infinity, in forward or in backward, as
/// `torch.autograd.detect_anomaly` does for backward. Every result is read once more.
///
/// Masks made of infinities count too: look only where none are expected.
pub fn find_anomaly<R>(f: impl FnOnce() -> R) -> (R, Option<Anomaly>) {
    let first: Rc<RefCell<Option<Anomaly>>> = Rc::default();
    let look = {
        let first = first.clone();
        move |seen: &Seen<'_>| {
            let mut first = first.borrow_mut();
            if first.is_none()
                && let Some(found) = not_finite(seen.array)
            {
                *first = Some(Anomaly { op: seen.op, layer: seen.layer.clone(), pass: seen.pass, found });
            }
        }
    };
    let result = inspect(f, look);
    let anomaly = first.borrow_mut().take();
    (result, anomaly)
}

/// `NaN` or `infinity`, if an array of floats holds one; NaN where it holds both.
pub fn not_finite(array: &Array) -> Option<&'static str> {
    if !array.dtype().is_float() {
        return None;
    }
    let dense = array.dense().to_dtype(DType::F32);
    let values = dense.memory();
    if reduce::all_finite(values) {
        return None;
    }
    Some(if values.iter().any(|v| v.is_nan()) { "NaN" } else { "infinity" })
}
