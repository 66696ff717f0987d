//! The subcommands, one a file: its flags, and what it does.

pub mod bench;
pub mod convert;
pub mod eval;
pub mod models;
pub mod predict;
pub mod stats;
pub mod summary;
pub mod train;
