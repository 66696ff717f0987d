//! The recipes that come with cresset are tested as files of configuration.

use super::file;
use std::path::Path;

#[test]
fn every_recipe_is_a_valid_configuration() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let table = file::read(&path).unwrap_or_else(|error| panic!("{error:#}"));
        let args = file::layered(&[], &table, &name).unwrap_or_else(|error| panic!("{error:#}"));
        args.validate().unwrap_or_else(|error| panic!("{name}: {error:#}"));
        cresset_vision::models::find(&args.model.model).unwrap_or_else(|error| panic!("{name}: {error}"));
        for key in ["data", "model", "epochs", "batch-size", "lr"] {
            assert!(table.contains_key(key), "{name} leaves {key} to chance");
        }
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["cifar10-resnet20.toml", "mnist.toml", "resnet50-long.toml", "resnet50.toml"]);
}
