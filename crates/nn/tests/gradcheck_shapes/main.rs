//! Every layer, and every fused chain of layers, over a hundred random shapes: values and gradients, by the input and by
//! each parameter, against float64. The check and the float64 ops are those of the ops themselves.

#[path = "../../../tensor/tests/gradcheck_shapes/check.rs"]
#[allow(dead_code, reason = "ops use more of it than layers do")]
mod check;
#[path = "../../../tensor/tests/gradcheck_shapes/oracle.rs"]
#[allow(dead_code, reason = "ops use more of it than layers do")]
mod oracle;

mod activations;
mod blocks;
mod convolutions;
mod layer;
mod norms;
mod poolings;
