//! A signal lets the step finish; a second one does not wait.
#![cfg(unix)]

use crate::runs::{End, Place, leftovers, succeed};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn send(signal: &str, child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}

/// Waits until something is so.
fn until(mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_in_the_midst_of_a_step_is_heard_before_the_step_is_over() {
    let place = Place::new();
    // A step is a whole epoch.
    let long = ["--epochs", "6", "--grad-accum-steps", "1000000", "--checkpoint-every", "1s"];
    succeed(&mut place.tiny(&[&long[..], &["--output-dir", "whole"]].concat()));
    for (signal, status) in [("-INT", 130), ("-TERM", 143)] {
        let dir = format!("run{signal}");
        let mut command = place.tiny(&[&long[..], &["--output-dir", &dir]].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        until(|| place.path().join(&dir).join("config.toml").exists());
        std::thread::sleep(Duration::from_millis(20));
        send(signal, &child);
        match child.wait().unwrap().code() {
            // It was faster.
            Some(0) => continue,
            // The handlers were not there yet.
            None => {}
            code => assert_eq!(code, Some(status)),
        }
        assert_eq!(place.finish(&dir), End::of(&place.path().join("whole")), "{signal}");
    }
}

#[test]
fn a_second_signal_exits_at_once_and_leaves_a_run_that_goes_on() {
    let place = Place::new();
    succeed(&mut place.tiny(&["--output-dir", "whole"]));
    for (signal, status) in [("-INT", 130), ("-TERM", 143)] {
        let dir = format!("run{signal}");
        // In the midst of the first checkpoint the process stands still.
        let mut command = place.tiny(&["--output-dir", &dir]);
        let mut child = command.env("CRESSET_FAIL_AT", "9:hang").stdout(Stdio::null()).spawn().unwrap();
        until(|| {
            let path = place.path().join(&dir);
            path.join("config.toml").exists() && !leftovers(&path).is_empty() || child_is_over(&path)
        });
        if place.path().join(&dir).join("metrics.jsonl").exists() {
            child.wait().unwrap();
            return println!("skipped: a release build has no fail points");
        }
        std::thread::sleep(Duration::from_millis(50));
        send(signal, &child);
        std::thread::sleep(Duration::from_millis(200));
        assert!(child.try_wait().unwrap().is_none(), "the first signal waits for the checkpoint");
        let start = Instant::now();
        // Again and again: on a busy machine the first may be unheard yet, and equal signals become one.
        until(|| {
            send(signal, &child);
            child.try_wait().unwrap().is_some()
        });
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
        assert_eq!(place.finish(&dir), End::of(&place.path().join("whole")));
    }
}

fn child_is_over(dir: &std::path::Path) -> bool {
    dir.join("metrics.jsonl").exists()
}
