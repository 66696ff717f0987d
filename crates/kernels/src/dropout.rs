//! Dropout with a mask that the caller drew: the same function is forward (of activations) and backward (of
//! gradients).

use crate::pointwise::{map2, update2};

/// `y = mask ? scale * x : 0`, where `scale` is `1 / (1 - p)` and a mask byte of 0 drops the element.
///
/// # Panics
/// When the slices differ in length.
#[track_caller]
pub fn apply(mask: &[u8], scale: f32, x: &[f32], y: &mut [f32]) {
    map2(x, mask, y, |x, keep| if keep != 0 { scale * x } else { 0.0 });
}

/// [`apply`] in place.
///
/// # Panics
/// When the slices differ in length.
#[track_caller]
pub fn apply_in_place(mask: &[u8], scale: f32, x: &mut [f32]) {
    update2(x, mask, |x, keep| if keep != 0 { scale * x } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on_any_threads, random};

    #[test]
    fn drops_and_scales() {
        for len in [0, 1, 9, 40_000] {
            let mut x = random(len, 1);
            // What is dropped is 0, even if it was infinite.
            x.iter_mut().step_by(3).for_each(|x| *x = f32::INFINITY);
            let mask: Vec<u8> = (0..len).map(|i| [0, 1, 255][i % 3]).collect();
            let (y, in_place) = on_any_threads(|| {
                let (mut y, mut in_place) = (vec![f32::NAN; len], x.clone());
                apply(&mask, 1.25, &x, &mut y);
                apply_in_place(&mask, 1.25, &mut in_place);
                (y, in_place)
            });
            let expected: Vec<f32> =
                x.iter().enumerate().map(|(i, x)| if i % 3 == 0 { 0.0 } else { 1.25 * x }).collect();
            assert_eq!(y, expected);
            assert_eq!(in_place, expected);
        }
    }
}
