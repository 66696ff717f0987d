//! The loops of all element-wise kernels.
//!
//! Functions handed in are inlined into a loop that is compiled for each instruction set; mark long ones
//! `#[inline(always)]`.

use crate::{parallel, vectorize::vectorize};

/// `y[i] = f(x[i])`
#[track_caller]
#[inline(always)]
pub(crate) fn map<T: Copy + Sync, U: Send>(x: &[T], y: &mut [U], f: impl Fn(T) -> U + Copy + Sync) {
    assert_eq!(x.len(), y.len(), "lengths of input and output");
    parallel::for_each_chunk(y, 1, |start, y| {
        let x = &x[start..][..y.len()];
        vectorize(
            #[inline(always)]
            move || {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = f(x);
                }
            },
        );
    });
}

/// `y[i] = f(a[i], b[i])`
#[track_caller]
#[inline(always)]
pub(crate) fn map2<A: Copy + Sync, B: Copy + Sync, U: Send>(
    a: &[A],
    b: &[B],
    y: &mut [U],
    f: impl Fn(A, B) -> U + Copy + Sync,
) {
    assert!(a.len() == y.len() && b.len() == y.len(), "lengths {}, {} and {}", a.len(), b.len(), y.len());
    parallel::for_each_chunk(y, 1, |start, y| {
        let (a, b) = (&a[start..][..y.len()], &b[start..][..y.len()]);
        vectorize(
            #[inline(always)]
            move || {
                for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
                    *y = f(a, b);
                }
            },
        );
    });
}

/// `y[i] = f(y[i])`
#[inline(always)]
pub(crate) fn update<U: Copy + Send>(y: &mut [U], f: impl Fn(U) -> U + Copy + Sync) {
    parallel::for_each_chunk(y, 1, |_, y| {
        vectorize(
            #[inline(always)]
            move || {
                for y in y.iter_mut() {
                    *y = f(*y);
                }
            },
        );
    });
}

/// `y[i] = f(y[i], x[i])`
#[track_caller]
#[inline(always)]
pub(crate) fn update2<T: Copy + Sync, U: Copy + Send>(
    y: &mut [U],
    x: &[T],
    f: impl Fn(U, T) -> U + Copy + Sync,
) {
    assert_eq!(x.len(), y.len(), "lengths of input and output");
    parallel::for_each_chunk(y, 1, |start, y| {
        let x = &x[start..][..y.len()];
        vectorize(
            #[inline(always)]
            move || {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = f(*y, x);
                }
            },
        );
    });
}
