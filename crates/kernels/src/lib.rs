//! CPU kernels: slices and a geometry struct in, slices out.
//!
//! This is the lowest floor of cresset. It knows no tensors and no gradients graph, allocates nothing that a
//! caller keeps, and is the only crate with `unsafe` code. An operation is a module, its passes are functions:
//! [`conv2d::forward`], [`conv2d::input_gradient`], [`conv2d::weight_gradient`]. Outputs are overwritten,
//! whatever they held, unless a function says otherwise.
//!
//! **Layout.** Four-dimensional arrays are dense with channels last, (N, H, W, C), so that vectors run over
//! channels and neighbouring pixels are neighbours in memory. Convolution weights are (O, kh, kw, C / groups).
//!
//! **Instruction sets.** A kernel is written once, generic over [`simd::Simd`], and compiled for AVX-512,
//! AVX2 with FMA, NEON and plain floats; [`simd::dispatch`] chooses at run time. `CRESSET_ISA=avx2` (or
//! `avx512`, `neon`, `scalar`) overrides the choice. The test suite runs itself once for each instruction set
//! the machine has, and once for sixteen portable lanes.
//!
//! **Threads.** [`parallel`] cuts work by size, never by the number of threads, and adds partial sums in a
//! fixed order: results have the same bits at any number of threads. The number is that of the surrounding
//! rayon pool.
//!
//! **Memory.** [`scratch`] keeps each thread's working memory from call to call, and large buffers are parts of one
//! [`arena`], so that a training step touches no fresh pages after the first.
//!
//! **Matrix products.** [`gemm`] multiplies matrices, and image patches that are read in place; an
//! [`Epilogue`](gemm::Epilogue) adds a bias and a residual, clamps at zero and takes statistics while a result
//! is in cache. [`conv2d`] builds on it, with Winograd's algorithm where it pays ([`conv2d::choose`] has the
//! rules, [`conv2d::set_exact`] switches it off).
//!
//! **Numbers.** Everything is computed in float32. Activations, and the gradients that flow back along them, may be
//! stored as bfloat16: kernels of one pass over memory are generic over [`Element`], convolutions have
//! [`conv2d::bfloat16`].
//!
//! **Errors.** What may come from outside is checked by `validate` functions that return a [`GeometryError`].
//! Slices that do not fit a geometry are mistakes of the calling code and panic.

pub mod adaptive_pool2d;
pub mod arena;
pub mod avg_pool2d;
pub mod batch_norm;
pub mod conv2d;
pub mod conv2d_max_pool;
pub mod cross_entropy;
pub mod dropout;
pub mod gemm;
pub mod layout;
pub mod max_pool2d;
pub mod optim;
pub mod parallel;
pub mod peak;
pub mod pointwise;
pub mod reduce;
pub mod scratch;
pub mod simd;
pub mod softmax;

mod channels;
mod element;
mod geometry;
mod rows;
#[cfg(test)]
mod testing;
mod vectorize;
mod window;
mod window_mean;

pub use element::Element;
pub use geometry::GeometryError;
pub use half::bf16;
