//! Image files of every format and mode against Pillow, and hostile ones.

mod common;

use std::path::{Path, PathBuf};

use common::write;
use cresset_vision::image::{Color, Image, decode_bytes, decode_file, write_png};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images").join(name)
}

fn open(name: &str, color: Color) -> Image {
    decode_file(&path(name), color).unwrap()
}

fn difference(a: &Image, b: &Image) -> u8 {
    assert_eq!(a.shape(), b.shape());
    a.pixels().iter().zip(b.pixels()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn lossless_formats_are_exact() {
    let rgb = open("rgb.png", Color::Rgb);
    for name in [
        "rgba.png",
        "rgb.bmp",
        "rgb.tif",
        "rgb_deflate.tif",
        "cmyk.tif",
        "lossless.webp",
        "lossless_alpha.webp",
    ] {
        assert_eq!(difference(&open(name, Color::Rgb), &rgb), 0, "{name}");
    }
    let gray = open("gray.png", Color::Gray);
    assert_eq!(gray.shape(), [19, 27, 1]);
    for name in ["gray_alpha.png", "gray16.png", "gray.bmp", "gray_lzw.tif", "rgb.png"] {
        assert_eq!(difference(&open(name, Color::Gray), &gray), 0, "{name}");
    }
    assert_eq!(open("gray.png", Color::Rgb), gray.to_color(Color::Rgb));
    let palette = open("palette_expected.png", Color::Rgb);
    for name in ["palette.png", "palette.gif"] {
        assert_eq!(difference(&open(name, Color::Rgb), &palette), 0, "{name}");
    }
    let bits = open("bits_expected.png", Color::Gray);
    for name in ["bits.png", "bits.tif"] {
        assert_eq!(difference(&open(name, Color::Gray), &bits), 0, "{name}");
    }
}

#[test]
fn lossy_formats_are_close_to_libjpeg_and_libwebp() {
    for (name, tolerance) in [("rgb_444", 3), ("gray", 2), ("rgb", 6), ("progressive", 6), ("cmyk", 6)] {
        let expected = open(&format!("{name}_jpg_expected.png"), Color::Rgb);
        let found = difference(&open(&format!("{name}.jpg"), Color::Rgb), &expected);
        assert!(found <= tolerance, "{name} differs by {found}");
    }
    let webp = difference(&open("lossy.webp", Color::Rgb), &open("lossy_webp_expected.png", Color::Rgb));
    assert!(webp <= 4, "WebP differs by {webp}");
}

#[test]
fn photographs_stand_upright() {
    let upright = open("rgb.png", Color::Rgb);
    for orientation in 1..=8 {
        let jpeg = difference(&open(&format!("orientation_{orientation}.jpg"), Color::Rgb), &upright);
        assert!(jpeg < 12, "orientation {orientation} differs by {jpeg}");
        for ending in ["png", "webp", "tif"] {
            let name = format!("orientation_{orientation}.{ending}");
            assert_eq!(open(&name, Color::Rgb), upright, "{name}");
        }
    }
}

#[test]
fn png_files_are_written_and_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.png");
    for (name, color) in [("rgb.png", Color::Rgb), ("gray.png", Color::Gray)] {
        let image = open(name, color);
        write_png(&image, &file).unwrap();
        assert_eq!(decode_file(&file, color).unwrap(), image);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let error = write_png(&open("rgb.png", Color::Rgb), &dir.path().join("no/such/dir.png")).unwrap_err();
    assert!(error.to_string().starts_with("cannot write"), "{error}");
}

#[test]
fn what_is_no_image_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("photo.jpg");
    let message = || decode_file(&file, Color::Rgb).unwrap_err().to_string();
    assert!(message().starts_with("cannot read") && message().contains("photo.jpg"));
    write(&file, b"");
    assert!(message().contains("photo.jpg: not a readable image: the file is empty"));
    write(&file, b"Just some text.");
    assert!(message().contains("neither JPEG, PNG, WebP, BMP, GIF nor TIFF"));
    assert!(decode_file(dir.path(), Color::Rgb).is_err());
}

/// A PNG file whose header claims a size, with a correct checksum.
fn claims(width: u32, height: u32) -> Vec<u8> {
    let mut file = std::fs::read(path("rgb.png")).unwrap();
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&file[12..29]);
    file[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    file
}

#[test]
fn bombs_are_refused_before_memory_is_taken() {
    let message = |bytes: &[u8]| decode_bytes(bytes, Color::Rgb, "x".as_ref()).unwrap_err().to_string();
    assert!(message(&claims(60_000, 60_000)).contains("it claims 60000x60000 pixels, allowed are 134217728"));
    assert!(decode_bytes(&claims(u32::MAX, u32::MAX), Color::Rgb, "x".as_ref()).is_err());
    assert!(decode_bytes(&claims(0, 5), Color::Rgb, "x".as_ref()).is_err());
    let mut bmp = std::fs::read(path("rgb.bmp")).unwrap();
    bmp[18..26].copy_from_slice(&[0xff, 0xff, 0x0f, 0, 0xff, 0xff, 0x0f, 0]);
    assert!(decode_bytes(&bmp, Color::Rgb, "x".as_ref()).is_err());
    let mut gif = std::fs::read(path("palette.gif")).unwrap();
    gif[6..10].fill(0xff);
    assert!(message(&gif).contains("it claims 65535x65535"));
    let mut jpeg = std::fs::read(path("gray.jpg")).unwrap();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    assert!(message(&jpeg).contains("it claims 65535x65535"));
}

#[test]
fn damaged_files_never_panic() {
    for entry in std::fs::read_dir(path("")).unwrap() {
        let file = entry.unwrap().path();
        let name = file.display().to_string();
        if name.contains("orientation") || name.contains("expected") {
            continue;
        }
        let good = std::fs::read(&file).unwrap();
        decode_bytes(&good, Color::Rgb, &file).unwrap();
        for part in 1..8 {
            let cut = &good[..good.len() * part / 8];
            let result = decode_bytes(cut, Color::Rgb, &file);
            assert!(result.is_err() || !name.ends_with("jpg"), "{name} cut to {} bytes", cut.len());
        }
        for step in 0..60 {
            let mut bad = good.clone();
            let at = (step * 7919) % bad.len();
            bad[at] ^= 1 << (step % 8);
            // Any result will do, as long as there is one.
            let _ = decode_bytes(&bad, Color::Rgb, &file);
        }
    }
}
