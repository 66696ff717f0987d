use cresset_nn::{Linear, Module};

#[derive(Module)]
struct Net {
    fc: Linear,
    log: std::fs::File,
}

fn main() {}
