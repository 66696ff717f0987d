//! The operations, one idea a file: what it computes and its gradient.

mod binary;
mod sum;
mod unary;
