//! Sums, products and copies.

use super::{map, map2, update, update2};
use crate::{parallel, vectorize::vectorize};

/// `y = a + b`
#[track_caller]
pub fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    map2(a, b, y, |a, b| a + b);
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
pub fn add_assign(y: &mut [f32], x: &[f32]) {
    update2(y, x, |y, x| y + x);
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
    if y.is_empty() {
        return;
    }
    assert_eq!(y.len() % bias.len(), 0, "{} elements in rows of {}", y.len(), bias.len());
    parallel::for_each_chunk(y, bias.len(), |start, y| {
        let x = &x[start..][..y.len()];
        vectorize(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(bias.len()).zip(x.chunks_exact(bias.len())) {
                    y.iter_mut().zip(x).zip(bias).for_each(|((y, x), b)| *y = x + b);
                }
            },
        );
    });
}

/// `x += bias` for `x` (rows, columns) and `bias` (columns).
#[track_caller]
pub fn bias_add_in_place(x: &mut [f32], bias: &[f32]) {
    if x.is_empty() {
        return;
    }
    assert_eq!(x.len() % bias.len(), 0, "{} elements in rows of {}", x.len(), bias.len());
    parallel::for_each_chunk(x, bias.len(), |_, x| {
        vectorize(
            #[inline(always)]
            || {
                for x in x.chunks_exact_mut(bias.len()) {
                    x.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
                }
            },
        );
    });
}
