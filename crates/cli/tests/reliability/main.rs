//! What docs/RELIABILITY.md promises about runs: the same bits every time, and after any end.
//!
//! Small by default. `CRESSET_KILLS=200` kills more often, `CRESSET_REPRODUCE=200` compares so many steps over all
//! numbers of threads and workers.

#[path = "../common/mod.rs"]
mod common;
mod fail_points;
mod kills;
mod repeat;
mod runs;
mod signals;
mod trouble;
