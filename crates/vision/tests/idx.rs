//! IDX files, good and hostile.

mod common;

use common::{gzip, idx, shared_data, write};
use cresset_vision::datasets::download::Fetch;
use cresset_vision::datasets::idx::{read_bytes, read_file};
use cresset_vision::datasets::mnist::MNIST;
use cresset_vision::datasets::{Dataset, Split, stats};

fn error(bytes: &[u8], rank: usize) -> String {
    read_bytes(bytes, rank, "the file".as_ref()).unwrap_err().to_string()
}

#[test]
fn plain_and_gzipped_files_read_alike() {
    let data: Vec<u8> = (0..24).collect();
    let bytes = idx(&[2, 3, 4], &data);
    for bytes in [gzip(&bytes), bytes] {
        let array = read_bytes(&bytes, 3, "x".as_ref()).unwrap();
        assert_eq!((array.dims.as_slice(), &array.data), ([2, 3, 4].as_slice(), &data));
    }
}

#[test]
fn files_of_the_wrong_kind_are_named() {
    assert!(error(b"", 3).contains("ends inside the header"));
    assert!(error(&[0, 0, 8, 3, 0], 3).contains("ends inside the header"));
    assert!(error(b"<html>not found</html>", 3).contains("begins with 3c 68 74 6d, expected 00 00 08 03"));
    assert!(error(&idx(&[4], &[1; 4]), 3).contains("1 dimensions (labels), expected 3 (images)"));
    assert!(error(&idx(&[1, 2, 2], &[1; 4]), 1).contains("are the files swapped?"));
    assert!(error(&[0, 0, 13, 1, 0, 0, 0, 0], 1).contains("type 0x0d, expected 0x08"));
    assert!(error(&gzip(b"hello"), 1).contains("not an IDX file"));
}

#[test]
fn truncated_and_overlong_files_are_refused() {
    let bytes = idx(&[2, 3, 4], &[7; 24]);
    for cut in 16..bytes.len() {
        assert!(error(&bytes[..cut], 3).contains("truncated"), "{cut}");
    }
    let zipped = gzip(&bytes);
    for cut in 1..zipped.len() {
        assert!(read_bytes(&zipped[..cut], 3, "x".as_ref()).is_err(), "{cut}");
    }
    let long = idx(&[2, 3, 4], &[7; 25]);
    assert!(error(&long, 3).contains("goes on after"));
    assert!(error(&gzip(&long), 3).contains("goes on after"));
}

#[test]
fn a_flipped_bit_in_a_gzip_file_is_noticed() {
    let mut zipped = gzip(&idx(&[2, 3, 4], &(0..24).collect::<Vec<u8>>()));
    let crc = zipped.len() - 8;
    zipped[crc] ^= 1;
    assert!(read_bytes(&zipped, 3, "x".as_ref()).is_err());
}

#[test]
fn sizes_are_not_believed() {
    // Four thousand million pictures in a file of 16 bytes, plain and gzipped: nothing may be allocated.
    let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[]);
    assert!(error(&huge, 3).contains("4 GiB"));
    assert!(error(&gzip(&huge), 3).contains("4 GiB"));
    let large = idx(&[60_000, 28, 28], &[]);
    assert!(error(&large, 3).contains("truncated"));
    assert!(error(&gzip(&large), 3).contains("truncated"));
    // A bomb: 64 MB of zeros behind a header that promises four bytes.
    let mut bomb = idx(&[4], &[]);
    bomb.resize(64 << 20, 0);
    assert!(error(&gzip(&bomb), 1).contains("goes on after"));
}

#[test]
fn a_pair_of_files_must_belong_together() {
    let dir = tempfile::tempdir().unwrap();
    let load = || MNIST.load(dir.path(), Split::Train, &Fetch::default()).map_err(|e| e.to_string());
    let images = dir.path().join("MNIST/raw/train-images-idx3-ubyte");
    let labels = dir.path().join("train-labels-idx1-ubyte.gz");
    write(&images, &idx(&[3, 2, 2], &[9; 12]));
    write(&labels, &gzip(&idx(&[3], &[0, 9, 4])));
    let data = load().unwrap();
    assert_eq!((data.len(), data.label(1).unwrap(), data.shape()), (3, 9, [2, 2, 1]));

    write(&labels, &gzip(&idx(&[2], &[0, 9])));
    let message = load().unwrap_err();
    assert!(message.contains("2 labels for the 3 images in") && message.contains("same split"), "{message}");
    write(&labels, &gzip(&idx(&[3], &[0, 10, 4])));
    assert!(load().unwrap_err().contains("label 10 of sample 1 is none of the 10 classes"));
    write(&labels, &gzip(&idx(&[3, 2, 2], &[9; 12])));
    assert!(load().unwrap_err().contains("train-labels-idx1-ubyte.gz: an IDX file of 3 dimensions (images)"));
    write(&images, b"");
    assert!(load().unwrap_err().contains("train-images-idx3-ubyte: not an IDX file"));
}

#[test]
fn an_empty_folder_lists_what_to_put_there() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("t10k-labels-idx1-ubyte"), &idx(&[0], &[]));
    let message = MNIST.load(dir.path(), Split::Test, &Fetch::default()).unwrap_err().to_string();
    assert!(message.contains("put train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz], t10k-images"));
    assert!(
        !message.contains("t10k-labels-idx1-ubyte[.gz]") && message.contains("switched off"),
        "{message}"
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was written");
}

#[test]
fn mnist_is_the_published_one_with_the_published_statistics() {
    let Some(dir) = shared_data("mnist") else { return };
    MNIST.verify(&dir).unwrap();
    let train = MNIST.load(&dir, Split::Train, &Fetch::default()).unwrap();
    let test = MNIST.load(&dir, Split::Test, &Fetch::default()).unwrap();
    assert_eq!((train.len(), test.len()), (60_000, 10_000));
    assert_eq!(train.labels()[..5], [5, 0, 4, 1, 9]);
    let found = stats(&train, 2).unwrap();
    assert!((found.mean[0] - 0.1307).abs() < 5e-5 && (found.std[0] - 0.3081).abs() < 5e-5, "{found:?}");
    let path = dir.join("t10k-labels-idx1-ubyte.gz");
    assert!(read_file(&path, 1).is_ok() && read_file(&path, 3).is_err());
}
