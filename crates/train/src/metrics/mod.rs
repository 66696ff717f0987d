//! What is counted while a model runs: losses, accuracies, confusions.
//!
//! Sums are float64 and grow sample by sample in the order of the data, so a metric depends neither on the batch
//! size nor on the number of threads.

mod confusion;
mod meter;
mod row;

pub use confusion::{ClassReport, Confusion, ConfusionMatrix};
pub use meter::Meter;
pub use row::{argmax, cross_entropy, probabilities, rank, top_k};
