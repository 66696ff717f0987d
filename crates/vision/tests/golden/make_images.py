"""Writes the image files that `tests/decode.rs` reads: one small picture in every format and mode.

    python make_images.py            # needs Pillow; writes into images/ beside this script
"""

import pathlib

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent / "images"
here.mkdir(exist_ok=True)

y, x = np.mgrid[0:19, 0:27]
image = Image.fromarray(np.stack([x * 9, y * 13, 255 - (x + y) * 5], -1).astype("uint8"))
gray = image.convert("L")
alpha = image.copy()
alpha.putalpha(Image.fromarray((x * 9).astype("uint8")))

image.save(here / "rgb.png")
gray.save(here / "gray.png")
alpha.save(here / "rgba.png")
gray_alpha = gray.copy()
gray_alpha.putalpha(100)
gray_alpha.save(here / "gray_alpha.png")
image.quantize(16).save(here / "palette.png")
image.quantize(16).convert("RGB").save(here / "palette_expected.png")
Image.fromarray((np.asarray(gray).astype("uint16") * 257)).save(here / "gray16.png")
gray.point(lambda v: 255 if v > 120 else 0).convert("1").save(here / "bits.png")
gray.point(lambda v: 255 if v > 120 else 0).save(here / "bits_expected.png")

image.save(here / "rgb.bmp")
gray.save(here / "gray.bmp")
image.quantize(16).save(here / "palette.gif")
image.save(here / "rgb.tif")
gray.save(here / "gray_lzw.tif", compression="tiff_lzw")
image.save(here / "rgb_deflate.tif", compression="tiff_deflate")
image.convert("CMYK").save(here / "cmyk.tif")
gray.point(lambda v: 255 if v > 120 else 0).convert("1").save(here / "bits.tif")
image.save(here / "lossless.webp", lossless=True)
alpha.save(here / "lossless_alpha.webp", lossless=True, exact=True)
image.save(here / "lossy.webp", quality=90)
Image.open(here / "lossy.webp").convert("RGB").save(here / "lossy_webp_expected.png")

image.save(here / "rgb.jpg", quality=90)
image.save(here / "rgb_444.jpg", quality=90, subsampling=0)
image.save(here / "progressive.jpg", quality=90, progressive=True)
gray.save(here / "gray.jpg", quality=90)
image.convert("CMYK").save(here / "cmyk.jpg", quality=95)
for name in ["rgb", "rgb_444", "progressive", "gray", "cmyk"]:
    Image.open(here / f"{name}.jpg").convert("RGB").save(here / f"{name}_jpg_expected.png")

# Each file stores the picture turned, with the orientation that turns it back.
T = Image.Transpose
stored = {
    1: image,
    2: image.transpose(T.FLIP_LEFT_RIGHT),
    3: image.transpose(T.ROTATE_180),
    4: image.transpose(T.FLIP_TOP_BOTTOM),
    5: image.transpose(T.TRANSPOSE),
    6: image.transpose(T.ROTATE_90),
    7: image.transpose(T.TRANSVERSE),
    8: image.transpose(T.ROTATE_270),
}
for orientation, turned in stored.items():
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned.save(here / f"orientation_{orientation}.jpg", quality=95, subsampling=0, exif=exif)
    turned.save(here / f"orientation_{orientation}.png", exif=exif)
    turned.save(here / f"orientation_{orientation}.webp", exif=exif, lossless=True)
    turned.save(here / f"orientation_{orientation}.tif", exif=exif)
