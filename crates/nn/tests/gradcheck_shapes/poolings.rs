//! Pooling layers.

use crate::check::Draw;
use crate::layer::{check, of};
use crate::oracle::{Window, max, mean};
use cresset_nn::{
    AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, AvgPool2dOptions, MaxPool2d, MaxPool2dOptions,
};

/// Square windows without padding, and images that they fit.
fn window(d: &mut Draw) -> (Window, [usize; 2]) {
    let (kernel, stride) = (d.from(1, 3), d.from(1, 3));
    let window = Window { kernel: [kernel; 2], stride: [stride; 2], padding: [0, 0], dilation: [1, 1] };
    (window, [d.size(kernel, 7), d.size(kernel, 7)])
}

#[test]
fn windows() {
    check("MaxPool2d", |d| {
        let (w, image) = window(d);
        let shape = [d.size(0, 2), d.size(1, 3), image[0], image[1]];
        let options = MaxPool2dOptions::new(w.kernel).stride(w.stride);
        of(d.distinct(&shape), MaxPool2d::new(options), move |x| x[0].pool(&w, max))
    });
    check("AvgPool2d", |d| {
        let (w, image) = window(d);
        let shape = [d.size(0, 2), d.size(1, 3), image[0], image[1]];
        let options = AvgPool2dOptions::new(w.kernel).stride(w.stride);
        of(d.any(&shape), AvgPool2d::new(options), move |x| x[0].pool(&w, mean))
    });
}

#[test]
fn adaptive() {
    let sizes = |d: &mut Draw| {
        let shape = [d.size(0, 2), d.size(1, 3), d.size(1, 6), d.size(1, 6)];
        (shape, [d.from(1, 5), d.from(1, 5)])
    };
    check("AdaptiveMaxPool2d", |d| {
        let (shape, output) = sizes(d);
        of(d.distinct(&shape), AdaptiveMaxPool2d::new(output), move |x| x[0].adaptive_pool(output, max))
    });
    check("AdaptiveAvgPool2d", |d| {
        let (shape, output) = sizes(d);
        of(d.any(&shape), AdaptiveAvgPool2d::new(output), move |x| x[0].adaptive_pool(output, mean))
    });
}
