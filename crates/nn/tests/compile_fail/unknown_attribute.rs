use cresset_nn::{Linear, Module};

#[derive(Module)]
struct Net {
    #[module(frozen)]
    fc: Linear,
}

#[derive(Module)]
#[module(skip)]
struct Other {
    fc: Linear,
}

fn main() {}
