//! Transforms against torchvision's, on the pictures that `golden/make_transforms.py` wrote.

use std::path::Path;

use cresset_vision::image::{Color, Image, decode_file};
use cresset_vision::random::{Purpose, SampleRng};
use cresset_vision::transforms::functional as f;
use cresset_vision::transforms::{
    CenterCrop, ColorJitter, ImageTransform, Interpolation, RandAugment, Resize, TrivialAugmentWide,
};

fn golden(name: &str) -> Image {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/transforms/{name}.png"));
    let color = if name.starts_with("gray") { Color::Gray } else { Color::Rgb };
    decode_file(&path, color).unwrap()
}

fn rng(index: u64) -> SampleRng {
    SampleRng::new(0, Purpose::Augment, 0, index)
}

/// The greatest difference of a byte; panics if the sizes differ.
fn difference(ours: &Image, name: &str) -> u8 {
    let theirs = golden(name);
    assert_eq!(ours.shape(), theirs.shape(), "{name}");
    ours.pixels().iter().zip(theirs.pixels()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

fn within(tolerance: u8, ours: &Image, name: &str) {
    let found = difference(ours, name);
    assert!(found <= tolerance, "{name}: differs by {found}");
}

#[test]
fn resize_is_pillows() {
    let apply = |resize: Resize, input: &str| resize.apply(golden(input), &mut rng(0)).unwrap();
    for (name, filter) in [("bilinear", Interpolation::Bilinear), ("bicubic", Interpolation::Bicubic)] {
        let shorter = apply(Resize::shorter(16, filter).unwrap(), "input");
        within(0, &shorter, &format!("resize_{name}_16"));
        let exact = apply(Resize::exact(50, 41, filter).unwrap(), "input");
        within(0, &exact, &format!("resize_{name}_50x41"));
    }
    let wide = apply(Resize::exact(20, 90, Interpolation::Bilinear).unwrap(), "gray");
    // Pillow takes the rows first here, and rounds in between.
    within(1, &wide, "gray_resize_bilinear_20x90");
    let small = apply(Resize::exact(12, 11, Interpolation::Bicubic).unwrap(), "gray");
    within(0, &small, "gray_resize_bicubic_12x11");
}

#[test]
fn crops_are_pillows() {
    for size in [24, 44] {
        let cropped = CenterCrop::new(size).unwrap().apply(golden("input"), &mut rng(0)).unwrap();
        within(0, &cropped, &format!("center_crop_{size}"));
    }
    let part = f::crop(&golden("input"), 5, 7, 21, 33);
    within(0, &f::resize(part, 18, 18, Interpolation::Bilinear).unwrap(), "resized_crop");
}

#[test]
fn colours_are_pillows() {
    within(0, &golden("input").to_color(Color::Gray), "gray");
    let changed = |input: &str, change: &dyn Fn(&mut Image)| {
        let mut image = golden(input);
        change(&mut image);
        image
    };
    for factor in [0.4, 1.7] {
        let name = |op: &str| format!("{op}_{factor}");
        within(0, &changed("input", &|i| f::brightness(i, factor)), &name("brightness"));
        within(0, &changed("input", &|i| f::contrast(i, factor)), &name("contrast"));
        within(0, &changed("input", &|i| f::saturation(i, factor)), &name("saturation"));
    }
    within(0, &changed("gray", &|i| f::contrast(i, 1.3)), "gray_contrast_1.3");
    within(0, &changed("input", &|i| f::hue(i, -0.3)), "hue_-0.3");
    within(0, &changed("input", &|i| f::hue(i, 0.1)), "hue_0.1");
    within(0, &changed("input", &|i| f::sharpness(i, 1.9)), "Sharpness_0.9");
    within(0, &changed("input", &|i| f::sharpness(i, 0.4)), "Sharpness_-0.6");
    within(0, &changed("input", &|i| f::posterize(i, 3)), "Posterize_3");
    within(0, &changed("input", &|i| f::solarize(i, 178.5)), "Solarize_178.5");
    within(0, &changed("input", &f::auto_contrast), "AutoContrast_0");
    within(0, &changed("input", &f::equalize), "Equalize_0");
}

#[test]
fn geometry_is_pillows() {
    let input = golden("input");
    within(0, &f::shear_x(&input, 0.27), "ShearX_0.27");
    within(0, &f::shear_x(&input, -0.99), "ShearX_-0.99");
    within(0, &f::shear_y(&input, 0.3), "ShearY_0.3");
    within(0, &f::translate(&input, 7, 0), "TranslateX_7.9");
    within(0, &f::translate(&input, -7, 0), "TranslateX_-7.9");
    within(0, &f::translate(&input, 0, 12), "TranslateY_12.2");
    within(0, &f::rotate(&input, 9.0), "Rotate_9");
    within(0, &f::rotate(&input, -135.0), "Rotate_-135");
}

#[test]
fn random_policies_vary_repeat_and_keep_the_shape() {
    let policies: [Box<dyn ImageTransform>; 4] = [
        Box::new(ColorJitter::new(0.4, 0.4, 0.4, 0.1).unwrap()),
        Box::new(RandAugment::default()),
        Box::new(RandAugment::new(14, 30).unwrap()),
        Box::new(TrivialAugmentWide),
    ];
    for policy in &policies {
        for input in
            [golden("input"), golden("gray"), Image::filled(1, 1, &[3; 3]), Image::filled(2, 9, &[3])]
        {
            let apply = |index| policy.apply(input.clone(), &mut rng(index)).unwrap();
            let outputs: Vec<Image> = (0..60).map(apply).collect();
            assert!(outputs.iter().all(|output| output.shape() == input.shape()));
            assert_eq!(outputs[7], apply(7));
            if input.height() > 2 {
                let changed = outputs.iter().filter(|&output| *output != input).count();
                assert!(changed > 30, "{policy:?} changed {changed} of 60");
            }
        }
    }
    assert!(RandAugment::new(2, 31).is_err() && RandAugment::new(15, 9).is_err());
    assert!(ColorJitter::new(0.0, 0.0, 0.0, 0.6).is_err() && ColorJitter::new(-1.0, 0.0, 0.0, 0.0).is_err());
}
