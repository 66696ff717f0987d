//! Convolution in float64, written to be obviously right: what the fast kernels are tested against.

use super::Conv2dGeometry;

/// Calls `f(index in x, index in w, index in y)` for each multiply-add of the convolution.
pub fn for_each_product(g: &Conv2dGeometry, mut f: impl FnMut(usize, usize, usize)) {
    let (height, width) = (g.out_height(), g.out_width());
    let (inputs, outputs) = (g.group_inputs(), g.group_outputs());
    for n in 0..g.batch {
        for oh in 0..height {
            for ow in 0..width {
                for o in 0..g.out_channels {
                    for [kh, kw] in g.taps() {
                        let ih = (oh * g.stride[0]) as isize + g.tap_offset(0, kh);
                        let iw = (ow * g.stride[1]) as isize + g.tap_offset(1, kw);
                        if !(0..g.in_height as isize).contains(&ih) || !(0..g.in_width as isize).contains(&iw)
                        {
                            continue;
                        }
                        let pixel = (n * g.in_height + ih as usize) * g.in_width + iw as usize;
                        let x = pixel * g.in_channels + o / outputs * inputs;
                        let w = ((o * g.kernel[0] + kh) * g.kernel[1] + kw) * inputs;
                        let y = ((n * height + oh) * width + ow) * g.out_channels + o;
                        for i in 0..inputs {
                            f(x + i, w + i, y);
                        }
                    }
                }
            }
        }
    }
}

/// The output for input `x` (N, H, W, C) and weight `w` (O, kh, kw, C / groups).
pub fn forward(g: &Conv2dGeometry, x: &[f32], w: &[f32]) -> Vec<f64> {
    let mut y = vec![0.0; g.out_len()];
    for_each_product(g, |ix, iw, iy| y[iy] += x[ix] as f64 * w[iw] as f64);
    y
}

/// The gradient of the input for an output gradient `dy`.
pub fn input_gradient(g: &Conv2dGeometry, dy: &[f32], w: &[f32]) -> Vec<f64> {
    let mut dx = vec![0.0; g.in_len()];
    for_each_product(g, |ix, iw, iy| dx[ix] += dy[iy] as f64 * w[iw] as f64);
    dx
}

/// The gradient of the weight for an output gradient `dy`.
pub fn weight_gradient(g: &Conv2dGeometry, x: &[f32], dy: &[f32]) -> Vec<f64> {
    let mut dw = vec![0.0; g.weight_len()];
    for_each_product(g, |ix, iw, iy| dw[iw] += x[ix] as f64 * dy[iy] as f64);
    dw
}
