//! Rectified linear unit. As in PyTorch, NaN stays NaN.

use super::{map, map2, update};
use crate::{Element, parallel, vectorize::vectorize};

/// `y = max(x, 0)`
#[track_caller]
pub fn relu<E: Element>(x: &[E], y: &mut [E]) {
    map(
        x,
        y,
        #[inline(always)]
        |x| E::narrow(positive_part(x.widen())),
    );
}

/// [`relu`] in place.
pub fn relu_in_place(x: &mut [f32]) {
    update(x, positive_part);
}

/// Gradient of [`relu`] from its output: `dx = y > 0 ? dy : 0`.
#[track_caller]
pub fn relu_backward<E: Element>(y: &[E], dy: &[E], dx: &mut [E]) {
    map2(
        dy,
        y,
        dx,
        #[inline(always)]
        |dy, y| E::narrow(gate(dy.widen(), y.widen())),
    );
}

/// [`relu_backward`] with `dx` taking the place of `dy`.
#[track_caller]
pub fn relu_backward_in_place<E: Element>(y: &[E], dy: &mut [E]) {
    const BLOCK: usize = 512;
    assert_eq!(y.len(), dy.len(), "lengths of y and dy");
    parallel::for_each_chunk(dy, 1, |start, dy| {
        // By way of a buffer, because a choice between 0 and what is already there becomes a masked store,
        // which takes tens of cycles on many processors.
        let mut buffer = [E::default(); BLOCK];
        let y = &y[start..][..dy.len()];
        vectorize(
            #[inline(always)]
            || {
                for (dy, y) in dy.chunks_mut(BLOCK).zip(y.chunks(BLOCK)) {
                    let dx = &mut buffer[..dy.len()];
                    for ((dx, dy), y) in dx.iter_mut().zip(&*dy).zip(y) {
                        *dx = E::narrow(gate(dy.widen(), y.widen()));
                    }
                    dy.copy_from_slice(dx);
                }
            },
        );
    });
}

#[inline(always)]
pub(crate) fn positive_part(x: f32) -> f32 {
    if 0.0 > x { 0.0 } else { x }
}

/// What passes of the gradient `dy` at output `y`; a NaN output lets it pass, as in PyTorch.
#[inline(always)]
pub(crate) fn gate(dy: f32, y: f32) -> f32 {
    if y <= 0.0 { 0.0 } else { dy }
}
