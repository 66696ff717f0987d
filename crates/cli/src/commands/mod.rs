//! The subcommands, one a file: its flags, and what it does.

pub mod bench;
pub mod convert;
pub mod doctor;
pub mod eval;
pub mod lr_find;
pub mod models;
pub mod predict;
pub mod preview;
pub mod profile;
mod scaling;
pub mod stats;
pub mod summary;
mod synthetic;
pub mod train;
pub mod verify_resume;
