//! What people see.

pub mod chart;
pub mod download;
pub mod errors;
pub mod number;
pub mod output;
pub mod table;
