//! Hue, by way of Pillow's eight-bit HSV.

use crate::image::Image;

/// Turns the hue by `shift` of a full circle, -0.5 to 0.5; leaves grey pictures alone.
pub fn hue(image: &mut Image, shift: f64) {
    if image.channels() != 3 {
        return;
    }
    let shift = (shift * 255.0) as i32 as u8; // wraps, as the hue does
    for pixel in image.pixels_mut().as_chunks_mut::<3>().0 {
        let [h, s, v] = to_hsv(*pixel);
        *pixel = to_rgb([h.wrapping_add(shift), s, v]);
    }
}

fn to_hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let (max, min) = (red.max(green).max(blue), red.min(green).min(blue));
    if max == min {
        return [0, 0, max];
    }
    let range = f32::from(max - min);
    let saturation = range / f32::from(max);
    let below = |channel: u8| f32::from(max - channel) / range;
    let (r, g, b) = (below(red), below(green), below(blue));
    let sixth = if red == max {
        b - g
    } else if green == max {
        2.0 + r - b
    } else {
        4.0 + g - r
    };
    let hue = ((f64::from(sixth) / 6.0 + 1.0) % 1.0) as f32;
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, max]
}

fn to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    if s == 0 {
        return [v; 3];
    }
    let position = f64::from(h) * 6.0 / 255.0;
    let sixth = position.floor();
    let (fraction, saturation) = (position - sixth, f64::from(f32::from(s) / 255.0));
    let fraction = f64::from(fraction as f32);
    let scaled = |share: f64| (f64::from(v) * (1.0 - share)).round() as u8;
    let (p, q, t) =
        (scaled(saturation), scaled(saturation * fraction), scaled(saturation * (1.0 - fraction)));
    match sixth as u8 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}
