//! Writes the good files that fuzzing begins with to `fuzz/corpus/<target>/`.

use cresset_hostile::READERS;
use std::path::Path;

fn main() -> std::io::Result<()> {
    for reader in READERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(reader.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in (reader.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}
