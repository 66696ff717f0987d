//! Dropout with a mask that the caller drew: the same function is forward (of activations) and backward (of
//! gradients).

/// `y = mask ? scale * x : 0`, where `scale` is `1 / (1 - p)` and a mask byte of 0 drops the element.
///
/// # Panics
/// When the slices differ in length.
#[track_caller]
pub fn apply(mask: &[u8], scale: f32, x: &[f32], y: &mut [f32]) {
    assert_eq!(mask.len(), x.len(), "dropout: length of mask");
    assert_eq!(y.len(), x.len(), "dropout: length of y");
    for ((y, &x), &keep) in y.iter_mut().zip(x).zip(mask) {
        *y = if keep != 0 { scale * x } else { 0.0 };
    }
}

/// [`apply`] in place.
///
/// # Panics
/// When the slices differ in length.
#[track_caller]
pub fn apply_in_place(mask: &[u8], scale: f32, x: &mut [f32]) {
    assert_eq!(mask.len(), x.len(), "dropout: length of mask");
    for (x, &keep) in x.iter_mut().zip(mask) {
        *x = if keep != 0 { scale * *x } else { 0.0 };
    }
}
