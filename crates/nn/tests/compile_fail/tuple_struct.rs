use cresset_nn::{Linear, Module};

#[derive(Module)]
struct Net(Linear, Linear);

fn main() {}
