//! CPU kernels: slices and a geometry struct in, slices out.

pub mod parallel;
pub mod simd;
