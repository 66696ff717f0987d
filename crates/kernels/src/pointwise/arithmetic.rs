//! Sums, products and copies.

use super::{map, map2, update, update2};
use crate::Element;
use crate::vectorize::vectorize;
use crate::{parallel, rows};
use half::bf16;

/// `y = a + b`
#[track_caller]
pub fn add<E: Element>(a: &[E], b: &[E], y: &mut [E]) {
    map2(
        a,
        b,
        y,
        #[inline(always)]
        |a, b| E::narrow(a.widen() + b.widen()),
    );
}

/// `y = a - b`
#[track_caller]
pub fn sub(a: &[f32], b: &[f32], y: &mut [f32]) {
    map2(a, b, y, |a, b| a - b);
}

/// `y = a * b`
#[track_caller]
pub fn mul(a: &[f32], b: &[f32], y: &mut [f32]) {
    map2(a, b, y, |a, b| a * b);
}

/// `y += x`
#[track_caller]
pub fn add_assign<E: Element>(y: &mut [E], x: &[E]) {
    update2(
        y,
        x,
        #[inline(always)]
        |y, x| E::narrow(y.widen() + x.widen()),
    );
}

/// `y *= x`
#[track_caller]
pub fn mul_assign(y: &mut [f32], x: &[f32]) {
    update2(y, x, |y, x| y * x);
}

/// `y = alpha * x`
#[track_caller]
pub fn scale(alpha: f32, x: &[f32], y: &mut [f32]) {
    map(x, y, |x| alpha * x);
}

/// `x *= alpha`
pub fn scale_in_place(alpha: f32, x: &mut [f32]) {
    update(x, |x| alpha * x);
}

/// `y += alpha * x`
#[track_caller]
pub fn axpy(alpha: f32, x: &[f32], y: &mut [f32]) {
    update2(y, x, |y, x| y + alpha * x);
}

/// Sets every element to `value`.
pub fn fill(value: f32, y: &mut [f32]) {
    parallel::for_each_chunk(y, 1, |_, y| y.fill(value));
}

/// `y = x` as another type of numbers, rounded if that is the shorter one.
#[track_caller]
pub fn convert<A: Element, B: Element>(x: &[A], y: &mut [B]) {
    map(
        x,
        y,
        #[inline(always)]
        |x| B::narrow(x.widen()),
    );
}

/// `y` is `x` rounded to bfloat16: operands of mixed precision that stay float32.
#[track_caller]
pub fn round_to_bfloat16(x: &[f32], y: &mut [f32]) {
    map(
        x,
        y,
        #[inline(always)]
        |x| bf16::narrow(x).widen(),
    );
}

/// `y = x`
#[track_caller]
pub fn copy(x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "lengths of input and output");
    parallel::for_each_chunk(y, 1, |start, y| y.copy_from_slice(&x[start..][..y.len()]));
}

/// `y = x + bias` for `x` (rows, columns) and `bias` (columns).
#[track_caller]
pub fn bias_add(x: &[f32], bias: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "lengths of input and output");
    for_each_row(y, bias, |start, y, bias| {
        let x = &x[start..][..y.len()];
        vectorize(
            #[inline(always)]
            move || {
                for (y, x) in y.chunks_mut(bias.len()).zip(x.chunks(bias.len())) {
                    for ((y, x), b) in y.iter_mut().zip(x).zip(bias) {
                        *y = x + b;
                    }
                }
            },
        );
    });
}

/// `x += bias` for `x` (rows, columns) and `bias` (columns).
#[track_caller]
pub fn bias_add_in_place(x: &mut [f32], bias: &[f32]) {
    for_each_row(x, bias, |_, x, bias| {
        vectorize(
            #[inline(always)]
            move || {
                for x in x.chunks_mut(bias.len()) {
                    for (x, b) in x.iter_mut().zip(bias) {
                        *x += b;
                    }
                }
            },
        );
    });
}

/// Calls `f(first element, chunk of y, wide bias)` for chunks of whole rows.
#[track_caller]
fn for_each_row(y: &mut [f32], bias: &[f32], f: impl Fn(usize, &mut [f32], &[f32]) + Sync) {
    if y.is_empty() {
        return;
    }
    let columns = bias.len();
    assert!(columns > 0 && y.len().is_multiple_of(columns), "{} elements in rows of {columns}", y.len());
    rows::with_widened([bias], |[bias]| parallel::for_each_chunk(y, columns, |start, y| f(start, y, bias)));
}
