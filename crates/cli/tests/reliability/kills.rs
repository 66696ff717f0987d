//! `kill -9` at random moments.

use crate::common;
use crate::runs::{Place, TINY, setting};
use serde_json::Value;

#[test]
fn killed_and_resumed_runs_end_with_the_same_bits() {
    let place = Place::new();
    let kills = setting("CRESSET_KILLS").unwrap_or(20);
    let words = ["verify-resume", "--json", "--epochs", "6", "--steps", "22", "--kills", &kills.to_string()];
    let output = common::run(place.path(), &[&words[..1], TINY, &words[1..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let killed: usize = rows.iter().map(|row| row["killed_at"].as_array().unwrap().len()).sum();
    assert_eq!(killed, kills);
    for row in &rows {
        for part in ["weights", "optimizer", "metrics"] {
            assert_eq!(row[part].as_str().unwrap().len(), 64);
            assert_eq!(row[part], rows[0][part], "{row}");
        }
        assert_eq!(row["same"], true);
    }
    println!("{killed} kills in {} runs", rows.len() - 1);
}

#[test]
fn the_check_prints_a_table_and_refuses_what_makes_no_sense() {
    let place = Place::new();
    let words = ["verify-resume", "--steps", "3", "--kills=1", "--epochs=2"];
    let said = common::stdout(place.path(), &[&words[..1], TINY, &words[1..]].concat());
    assert!(said.starts_with("cnn on images, seed 7\nrun ") && said.contains("\nuninterrupted "), "{said}");
    // A run may have come to its end before its kill.
    assert!(
        said.contains("\n1 kill in ") && said.ends_with(" of 3 steps: all ended with the same SHA-256\n"),
        "{said}"
    );
    for words in [["--steps", "0"], ["--kills", "0"], ["--resume", "x"], ["--output-dir", "x"], ["--lr", "0"]]
    {
        let (status, text) = common::error(place.path(), &["verify-resume", words[0], words[1]]);
        assert!(status == 2 && text.contains(words[0]), "{text}");
    }
    let (status, text) = common::error(place.path(), &["verify-resume", "--data", "nowhere"]);
    assert!(status == 1 && text.contains("nowhere"), "{text}");
}
