//! Softmax and its logarithm over the last dimension of (rows, columns).


/// `y = exp(x) / sum(exp(x))` of each row.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn softmax(columns: usize, x: &[f32], y: &mut [f32]) {
    log_softmax(columns, x, y);
    y.iter_mut().for_each(|y| *y = y.exp());
}

/// Gradient of [`softmax`] from its output: `dx = y * (dy - sum(dy * y))`.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn softmax_backward(columns: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    check(columns, y.len(), dx.len());
    check(columns, dy.len(), dx.len());
    for at in (0..dx.len()).step_by(columns.max(1)) {
        let (y, dy) = (&y[at..at + columns], &dy[at..at + columns]);
        let dot: f32 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
        dx[at..at + columns].iter_mut().zip(y).zip(dy).for_each(|((dx, y), dy)| *dx = y * (dy - dot));
    }
}

/// `y = x - log(sum(exp(x)))` of each row.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn log_softmax(columns: usize, x: &[f32], y: &mut [f32]) {
    check(columns, x.len(), y.len());
    for at in (0..y.len()).step_by(columns.max(1)) {
        let x = &x[at..at + columns];
        let max = x.iter().fold(f32::NEG_INFINITY, |m, &x| if m > x { m } else { x });
        let log = x.iter().map(|x| (x - max).exp()).sum::<f32>().ln();
        y[at..at + columns].iter_mut().zip(x).for_each(|(y, x)| *y = x - max - log);
    }
}

/// Gradient of [`log_softmax`] from its output: `dx = dy - exp(y) * sum(dy)`.
///
/// # Panics
/// When a slice has the wrong length.
#[track_caller]
pub fn log_softmax_backward(columns: usize, y: &[f32], dy: &[f32], dx: &mut [f32]) {
    check(columns, y.len(), dx.len());
    check(columns, dy.len(), dx.len());
    for at in (0..dx.len()).step_by(columns.max(1)) {
        let (y, dy) = (&y[at..at + columns], &dy[at..at + columns]);
        let sum: f32 = dy.iter().sum();
        dx[at..at + columns].iter_mut().zip(y).zip(dy).for_each(|((dx, y), dy)| *dx = dy - y.exp() * sum);
    }
}

#[track_caller]
fn check(columns: usize, input: usize, output: usize) {
    assert_eq!(input, output, "softmax: lengths of input and output");
    assert!(
        output == 0 || (columns > 0 && output.is_multiple_of(columns)),
        "softmax: {output} elements in rows of {columns}"
    );
}
