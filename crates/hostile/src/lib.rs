//! Every reader of cresset as a function of bytes, for damaged and hostile files.
//!
//! The same [`READERS`] are run by the ordinary tests, on [mutants](mutate::mutant) of small good files that are the
//! same every time, and by the fuzz targets in `fuzz/`, which look for more. What a reader must not do, whatever the
//! bytes, is said in [`judge`].

pub mod judge;
pub mod mutate;
pub mod readers;
pub mod seeds;

/// A reader, and good files for it.
#[derive(Clone, Copy)]
pub struct Reader {
    /// Its name, also that of its fuzz target.
    pub name: &'static str,
    /// Small good files.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Reads a file, good or not.
    pub read: fn(&[u8]),
    /// How many mutants the ordinary tests try.
    pub mutants: usize,
}

macro_rules! readers {
    ($($name:ident $mutants:literal),* $(,)?) => {
        /// Everything that cresset reads from outside.
        pub const READERS: &[Reader] = &[$(Reader {
            name: stringify!($name),
            seeds: seeds::$name,
            read: readers::$name,
            mutants: $mutants,
        }),*];
    };
}

readers![
    safetensors 1500,
    pth 2000,
    checkpoint 500,
    model_card 300,
    metrics 1000,
    config 300,
    idx 800,
    gzip 500,
    tar 800,
    cifar_binary 500,
    cifar_python 1500,
    jpeg 1000,
    png 1000,
    webp 1000,
    bmp 700,
    gif 700,
    tiff 1000,
    exif 1000,
];
