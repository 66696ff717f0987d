//! Downloads, from a server inside the test.
#![cfg(feature = "download")]

mod common;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use common::{idx, write};
use cresset_vision::VisionError;
use cresset_vision::datasets::Split;
use cresset_vision::datasets::download::Fetch;
use cresset_vision::datasets::mnist::MNIST;

/// Answers every request with what `answer` makes of its path, for as long as the test runs.
fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut byte) = (Vec::new(), [0]);
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).unwrap_or("").to_owned();
            // A client that hangs up early is part of what is tested.
            let _ = stream.write_all(&answer(&path));
        }
    });
    address
}

fn reply(length: usize, body: &[u8]) -> Vec<u8> {
    let mut reply =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes();
    reply.extend(body);
    reply
}

fn files(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

fn load(dir: &Path, mirror: &str) -> String {
    let fetch = Fetch { allowed: true, mirror: Some(mirror), progress: None };
    MNIST.load(dir, Split::Train, &fetch).unwrap_err().to_string()
}

#[test]
fn wrong_bytes_never_get_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let mirror = serve(|_| reply(5, b"hello"));
    let message = load(dir.path(), &mirror);
    assert!(message.contains("found MD5 5d41402abc4b2a76b9719d911017c592"), "{message}");
    assert!(message.contains("expected f68b3c2dcbeaaa9fbdd348bbdeb94873"), "{message}");
    assert!(message.contains("put train-images-idx3-ubyte[.gz]"), "{message}");
    assert!(files(&dir.path().join("MNIST/raw")).is_empty());
}

#[test]
fn broken_connections_and_missing_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let cut = serve(|_| reply(1000, b"only a few"));
    assert!(load(dir.path(), &cut).contains("cannot download"));
    let absent =
        serve(|_| b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec());
    assert!(load(dir.path(), &absent).contains("404"));
    let large = serve(|_| reply(usize::MAX >> 1, b"x"));
    assert!(load(dir.path(), &large).contains("allowed: 1 GiB"));
    assert!(load(dir.path(), "http://127.0.0.1:9/").contains("cannot download"));
    assert!(files(&dir.path().join("MNIST/raw")).is_empty());
}

#[test]
fn files_on_disk_are_not_fetched() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path().join("train-images-idx3-ubyte"), &idx(&[1, 2, 2], &[0; 4]));
    write(dir.path().join("train-labels-idx1-ubyte"), &idx(&[1], &[0]));
    let fetch = Fetch { allowed: true, mirror: Some("http://127.0.0.1:9/"), progress: None };
    MNIST.load(dir.path(), Split::Train, &fetch).unwrap();
}

#[test]
fn the_published_content_is_taken_whatever_compressed_it() {
    let Some(source) = common::shared_data("mnist") else { return };
    let dir = tempfile::tempdir().unwrap();
    let mirror = serve(move |path| {
        let body = std::fs::read(source.join(path.trim_start_matches('/'))).unwrap();
        reply(body.len(), &body)
    });
    let seen = RefCell::new(Vec::new());
    let progress = |p: cresset_vision::datasets::download::Progress<'_>| {
        seen.borrow_mut().push((p.file.to_owned(), p.received, p.total));
    };
    let fetch = Fetch { allowed: true, mirror: Some(&mirror), progress: Some(&progress) };
    let data = MNIST.load(dir.path(), Split::Test, &fetch).unwrap();
    assert_eq!(data.labels()[..5], [7, 2, 1, 0, 4]);
    let seen = seen.into_inner();
    let last = seen.last().unwrap();
    assert_eq!((last.0.as_str(), Some(last.1)), ("t10k-labels-idx1-ubyte.gz", last.2));
    let mut names = files(&dir.path().join("MNIST/raw"));
    names.sort();
    assert_eq!(names, ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]);

    // Not all four are there.
    assert!(matches!(MNIST.verify(dir.path()), Err(VisionError::MissingFiles { .. })));
}
