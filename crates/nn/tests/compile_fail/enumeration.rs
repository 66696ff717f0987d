use cresset_nn::{Linear, Module};

#[derive(Module)]
enum Head {
    One(Linear),
    None,
}

fn main() {}
