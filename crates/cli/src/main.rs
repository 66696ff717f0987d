//! The cresset command line.
fn main() {}
