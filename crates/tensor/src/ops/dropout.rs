//! Dropout, as `torch.nn.functional.dropout` in training mode.

use super::pooled::Pooled;
use crate::array::Array;
use crate::error::ShapeError;
use crate::op::{Op, apply};
use crate::random::Generator;
use crate::shape::Shape;
use crate::tensor::Tensor;
use cresset_kernels::dropout;
use rayon::prelude::*;

/// Elements that share one key of the generator: fixed, so that the mask cannot depend on threads.
const BLOCK: usize = 32 * 1024;

#[derive(Debug)]
struct Dropout {
    p: f32,
    seed: u64,
}

impl Dropout {
    /// 1 for elements that stay, 0 for those that are dropped.
    fn mask(&self, len: usize) -> Pooled<u8> {
        // An element stays if a random 32-bit number is at least p of the range: p = 1 drops all, p = 0 none.
        let drop_below = (f64::from(self.p) * 2f64.powi(32)).round() as u64;
        let keep = |bits: u64| u8::from(bits >= drop_below);
        let mut mask = Pooled::new(len);
        mask.par_chunks_mut(BLOCK).enumerate().for_each(|(block, mask)| {
            let mut generator = Generator::keyed(self.seed, &[block as u64]);
            for pair in mask.chunks_mut(2) {
                let bits = generator.bits();
                pair[0] = keep(bits >> 32);
                if let Some(second) = pair.get_mut(1) {
                    *second = keep(bits & 0xffff_ffff);
                }
            }
        });
        mask
    }

    /// What keeps the expected sum: 1 / (1 - p), or 0 where nothing stays.
    fn scale(&self) -> f32 {
        if self.p < 1.0 { 1.0 / (1.0 - self.p) } else { 0.0 }
    }
}

/// The memory order in which masks are drawn, so that they do not depend on the order the input happens to have.
fn ordered(x: &Array) -> Array {
    if x.rank() == 4 { x.channels_last() } else { x.contiguous() }
}

impl Op<1> for Dropout {
    /// The mask: a byte an element.
    type Saved = Pooled<u8>;

    fn name(&self) -> &'static str {
        "dropout"
    }

    fn shape(&self, [x]: [&Shape; 1]) -> Result<Shape, ShapeError> {
        Ok(x.clone())
    }

    fn forward(&self, [x]: [&Array; 1]) -> (Array, Pooled<u8>) {
        let x = ordered(x);
        let mask = self.mask(x.numel());
        let mut y = Array::empty_like(&x);
        dropout::apply(&mask, self.scale(), x.memory(), y.memory_mut());
        (y, mask)
    }

    fn backward(&self, mask: Pooled<u8>, grad: Array, _: [bool; 1]) -> [Option<Array>; 1] {
        let mut dx = ordered(&grad);
        drop(grad);
        dropout::apply_in_place(&mask, self.scale(), dx.memory_mut());
        [Some(dx)]
    }
}

impl Tensor {
    /// Sets each element to zero with probability `p` and multiplies the others by `1 / (1 - p)`, so that the
    /// expected sum stays (Srivastava et al., 2014). The mask depends on the generator and the shape alone.
    ///
    /// # Panics
    /// If `p` is not a probability.
    #[track_caller]
    pub fn dropout(&self, p: f32, generator: &mut Generator) -> Tensor {
        assert!((0.0..=1.0).contains(&p), "dropout: p must be a probability from 0 to 1, found {p}");
        apply(Dropout { p, seed: generator.bits() }, [self])
    }
}
