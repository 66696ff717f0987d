"""Writes the pictures that `tests/transforms.rs` compares with: torchvision's transforms on one small picture.

    python make_transforms.py        # needs torchvision and Pillow; writes into transforms/ beside this script
"""

import math
import pathlib

import numpy as np
from PIL import Image
from torchvision.transforms import InterpolationMode, functional as F
from torchvision.transforms.autoaugment import _apply_op

here = pathlib.Path(__file__).parent / "transforms"
here.mkdir(exist_ok=True)

# Smooth colours, a few hard edges and some noise: enough to tell filters apart, small enough to commit.
rng = np.random.default_rng(0)
y, x = np.mgrid[0:37, 0:53]
base = np.stack([x * 4.5, y * 6.5, (x + y) * 2.5], -1)
base[8:20, 10:30] = [220, 40, 90]
base[22:30, 33:50, 1] = 255
image = Image.fromarray(np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype("uint8"))
gray = image.convert("L")
NEAREST, BILINEAR, BICUBIC = (
    InterpolationMode.NEAREST,
    InterpolationMode.BILINEAR,
    InterpolationMode.BICUBIC,
)

outputs = {
    "input": image,
    "gray": gray,
    "resize_bilinear_16": F.resize(image, 16, BILINEAR),
    "resize_bilinear_50x41": F.resize(image, [50, 41], BILINEAR),
    "resize_bicubic_16": F.resize(image, 16, BICUBIC),
    "resize_bicubic_50x41": F.resize(image, [50, 41], BICUBIC),
    "gray_resize_bilinear_20x90": F.resize(gray, [20, 90], BILINEAR),
    "gray_resize_bicubic_12x11": F.resize(gray, [12, 11], BICUBIC),
    "center_crop_24": F.center_crop(image, 24),
    "center_crop_44": F.center_crop(image, 44),
    "resized_crop": F.resized_crop(image, 5, 7, 21, 33, [18, 18], BILINEAR),
    "brightness_0.4": F.adjust_brightness(image, 0.4),
    "brightness_1.7": F.adjust_brightness(image, 1.7),
    "contrast_0.4": F.adjust_contrast(image, 0.4),
    "contrast_1.7": F.adjust_contrast(image, 1.7),
    "gray_contrast_1.3": F.adjust_contrast(gray, 1.3),
    "saturation_0.4": F.adjust_saturation(image, 0.4),
    "saturation_1.7": F.adjust_saturation(image, 1.7),
    "hue_-0.3": F.adjust_hue(image, -0.3),
    "hue_0.1": F.adjust_hue(image, 0.1),
}
for op, amount in [
    ("ShearX", 0.27),
    ("ShearX", -0.99),
    ("ShearY", 0.3),
    ("TranslateX", 7.9),
    ("TranslateX", -7.9),
    ("TranslateY", 12.2),
    ("Rotate", 9.0),
    ("Rotate", -135.0),
    ("Sharpness", 0.9),
    ("Sharpness", -0.6),
    ("Posterize", 3),
    ("Solarize", 178.5),
    ("AutoContrast", 0),
    ("Equalize", 0),
]:
    outputs[f"{op}_{amount:g}"] = _apply_op(image, op, amount, NEAREST, None)

for name, output in outputs.items():
    output.save(here / f"{name}.png", optimize=True)
