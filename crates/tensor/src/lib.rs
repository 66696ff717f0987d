//! Tensors and define-by-run gradients, with PyTorch's semantics.
//!
//! ```
//! use cresset_tensor::Tensor;
//!
//! let w = Tensor::new([1.0, -2.0, 3.0], [3]).requires_grad();
//! let loss = w.relu().sum();
//! loss.backward();
//! assert_eq!(w.grad().unwrap().to_vec(), [1.0, 0.0, 1.0]);
//! ```
//!
//! Three layers, each in its own files: [`Array`] holds numbers, [`Tensor`] adds the place in the graph, and
//! every operation is one file under `ops/` with what it computes and its gradient side by side (see
//! [`op::Op`]). Numbers are crunched by `cresset-kernels`.

mod array;
mod autocast;
mod device;
mod dims;
mod display;
mod error;
mod float;
pub mod gradcheck;
mod graph;
pub mod inspect;
mod leaf;
mod memory_order;
pub mod op;
mod operand;
pub mod ops;
mod pool;
pub mod profile;
pub mod random;
pub mod recompute;
mod recycle;
mod rows;
pub mod scope;
mod shape;
mod slice_range;
mod strided;
mod tensor;
pub mod trace;
mod view;

pub use array::{Array, DType};
pub use autocast::{autocast, is_autocast_enabled};
pub use device::Device;
pub use dims::IntList;
pub use error::ShapeError;
pub use float::Float;
pub use graph::{NoGrad, is_grad_enabled, no_grad};
pub use leaf::Leaf;
pub use operand::Operand;
pub use pool::{memory_in_use, peak_memory, release_idle_memory, reset_peak_memory};
pub use random::Generator;
pub use recycle::recycled_vec;
pub use shape::Shape;
pub use slice_range::SliceRange;
pub use tensor::Tensor;
