//! CPU kernels: slices and a geometry struct in, slices out.

pub mod adaptive_pool2d;
pub mod avg_pool2d;
pub mod batch_norm;
pub mod conv2d;
pub mod cross_entropy;
pub mod dropout;
pub mod gemm;
pub mod layout;
pub mod max_pool2d;
pub mod optim;
pub mod parallel;
pub mod pointwise;
pub mod reduce;
pub mod scratch;
pub mod simd;
pub mod softmax;

mod channels;
mod geometry;
mod rows;
#[cfg(test)]
mod testing;
mod vectorize;
mod window;
mod window_mean;

pub use geometry::GeometryError;
