//! Plain loops compiled for the chosen instruction set.

use crate::simd::{Kernel, Simd, dispatch};

struct Closure<F>(F);

impl<F: FnOnce() -> R, R> Kernel for Closure<F> {
    type Out = R;
    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> R {
        (self.0)()
    }
}

/// Runs `f`, which the compiler vectorizes with the instruction set that [`dispatch`] chooses.
///
/// For loops whose iterations are independent, or whose lanes are spelled out, plain Rust becomes the same
/// machine code as intrinsics do. What is not inlined is compiled for the baseline instruction set, so mark
/// the closure, and what it calls, `#[inline(always)]`, and write `for`: adapters such as `for_each` hide the
/// loop in a function of their own. Capture scalars by `move`: behind a reference they might change with each
/// store, for all that the compiler knows. Rust never contracts or reorders floating-point operations, so the
/// results have the same bits on all instruction sets.
#[inline(always)]
pub(crate) fn vectorize<R>(f: impl FnOnce() -> R) -> R {
    dispatch(Closure(f))
}
