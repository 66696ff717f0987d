//! The loops of all element-wise kernels.
//!
//! Functions handed in are inlined into a loop that is compiled for each instruction set; mark long ones
//! `#[inline(always)]`.

use crate::{parallel, vectorize::vectorize};

/// `y[i] = f(x[i])`
#[track_caller]
#[inline(always)]
pub(crate) fn map<T: Copy + Sync>(x: &[T], y: &mut [f32], f: impl Fn(T) -> f32 + Copy + Sync) {
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
pub(crate) fn map2<T: Copy + Sync>(
    a: &[f32],
    b: &[T],
    y: &mut [f32],
    f: impl Fn(f32, T) -> f32 + Copy + Sync,
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
pub(crate) fn update(y: &mut [f32], f: impl Fn(f32) -> f32 + Copy + Sync) {
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
pub(crate) fn update2<T: Copy + Sync>(y: &mut [f32], x: &[T], f: impl Fn(f32, T) -> f32 + Copy + Sync) {
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
