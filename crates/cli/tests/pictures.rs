//! The commands that draw: `preview` and `lr-find`.

mod common;

use common::{error, stdout, write_folder};

#[test]
fn a_preview_is_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_folder(&folder.join("images"), 2, 36);
    let words = ["preview", "--data", "images", "--rows", "2", "--columns", "3", "--model", "cifar_resnet20"];
    stdout(folder, &[&words[..], &["--out", "a.png"]].concat());
    stdout(
        folder,
        &[&words[..], &["--out", "b.png", "--auto-augment", "ra", "--ra-magnitude", "30"]].concat(),
    );
    let read = |name: &str| {
        cresset_vision::image::decode_file(&folder.join(name), cresset_vision::image::Color::Rgb)
    };
    let (a, b) = (read("a.png").unwrap(), read("b.png").unwrap());
    assert!(a.shape() == b.shape() && a != b, "augmentation shows");
    let (status, text) = error(folder, &["preview", "--data", "digits", "--train-crop-size", "64"]);
    assert!(status == 2 && text.contains("--train-crop-size is 64") && text.contains("digits"), "{text}");
}

#[test]
fn the_loss_over_the_learning_rate_is_a_picture_and_an_advice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let words = ["lr-find", "--steps", "40", "--workers", "0"];
    let said = stdout(folder, &words);
    assert!(said.starts_with("lr.svg: ") && said.contains("the loss falls fastest at"), "{said}");
    let rate: f64 = said.rsplit_once("--lr ").unwrap().1.trim().parse().unwrap();
    assert!((1e-4..1.0).contains(&rate), "{rate} would not train");
    let drawing = std::fs::read_to_string(folder.join("lr.svg")).unwrap();
    assert!(
        drawing.starts_with("<svg")
            && drawing.contains("learning rate")
            && drawing.trim_end().ends_with("</svg>")
    );
    assert_eq!(stdout(folder, &words), said, "the same seed finds the same");
    let (status, text) = error(folder, &["lr-find", "--min-lr", "1", "--max-lr", "0.1"]);
    assert!(status == 2 && text.contains("--max-lr") && text.contains("--min-lr"), "{text}");
    let (status, text) = error(folder, &["lr-find", "--out", "lr.pdf"]);
    assert!(status == 2 && text.contains("lr.pdf") && text.contains(".svg"), "{text}");
}
