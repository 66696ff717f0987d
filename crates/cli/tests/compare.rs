//! `bench/compare`, as far as it goes without PyTorch.

use std::path::Path;
use std::process::Command;

#[test]
fn its_own_tests() {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench");
    let python = Command::new("python3")
        .args(["-m", "unittest", "discover"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(bench)
        .output();
    let Ok(output) = python else {
        println!("skipped: there is no python3");
        return;
    };
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("Ran 0 tests"), "{text}");
}
