use super::choose::{Algorithm, Pass};
use super::{Conv2dGeometry, Epilogue, forward_by, implicit_gemm, winograd};
use crate::GeometryError;
use crate::arena::Block;
use crate::gemm::method::Floats;
use std::ops::Deref;

/// A convolution whose weights are packed once, for inference.
///
/// The batch and the size of the images may differ from call to call; channels, kernel, stride, padding,
/// dilation and groups are those of the geometry it was made with, and so is the algorithm: whoever wants the one
/// that is best for each batch keeps one of these for each that [`Algorithm::choose`] names.
#[derive(Clone, Debug)]
pub struct PreparedConv2d {
    geometry: Conv2dGeometry,
    weights: Weights,
    bias: Option<Vec<f32>>,
}

#[derive(Clone, Debug)]
enum Weights {
    /// As they are, for algorithms that have nothing to prepare.
    Plain(Algorithm, Vec<f32>),
    Winograd(Packed),
    ImplicitGemm(Floats, Packed),
}

/// Packed weights. Inference reads all of them for every batch, so they lie where arrays do, in large pages.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    block: Block,
    len: usize,
}

impl Packed {
    /// `len` floats, all that matter of which `fill` writes.
    pub fn new(len: usize, fill: impl FnOnce(&mut [f32])) -> Self {
        let mut block = Block::new(len);
        fill(&mut block[..len]);
        Self { block, len }
    }
}

impl Deref for Packed {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.block[..self.len]
    }
}

impl PreparedConv2d {
    /// Packs weights (O, kh, kw, C / groups) for the algorithm that is best for `g`.
    pub fn new(g: &Conv2dGeometry, w: &[f32], bias: Option<&[f32]>) -> Result<Self, GeometryError> {
        g.validate()?;
        let error = |reason: String| Err(GeometryError::new("conv2d", reason));
        if w.len() != g.weight_len() {
            return error(format!("the weight has {} elements, {g:?} has {}", w.len(), g.weight_len()));
        }
        if let Some(bias) = bias.filter(|bias| bias.len() != g.out_channels) {
            return error(format!("{} biases for {} output channels", bias.len(), g.out_channels));
        }
        let algorithm = Algorithm::choose(Pass::Forward, g);
        let weights = match algorithm {
            Algorithm::Winograd => Weights::Winograd(winograd::pack_weights(g, w)),
            Algorithm::Strassen | Algorithm::ImplicitGemm | Algorithm::Pairs => {
                let method = algorithm.method();
                Weights::ImplicitGemm(method, implicit_gemm::pack_weights(g, w, method))
            }
            other => Weights::Plain(other, w.to_vec()),
        };
        Ok(Self { geometry: *g, weights, bias: bias.map(<[f32]>::to_vec) })
    }

    /// The geometry for inputs of another batch and size.
    pub fn geometry(&self, batch: usize, in_height: usize, in_width: usize) -> Conv2dGeometry {
        Conv2dGeometry { batch, in_height, in_width, ..self.geometry }
    }

    /// What the weights are packed for.
    pub fn algorithm(&self) -> Algorithm {
        match &self.weights {
            Weights::Plain(algorithm, _) => *algorithm,
            Weights::Winograd(_) => Algorithm::Winograd,
            Weights::ImplicitGemm(Floats::Strassen, _) => Algorithm::Strassen,
            Weights::ImplicitGemm(..) => Algorithm::ImplicitGemm,
        }
    }

    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        size_of_val::<[f32]>(match &self.weights {
            Weights::Plain(_, w) => w,
            Weights::Winograd(w) | Weights::ImplicitGemm(_, w) => w,
        })
    }

    /// `y = conv2d(x, w) + bias`, plus `add` if there is one, clamped at zero if `relu`.
    ///
    /// `input` is the batch, height and width of `x`.
    ///
    /// # Panics
    /// When the geometry is invalid for this input or a slice has another length than it says.
    #[track_caller]
    pub fn forward(&self, input: [usize; 3], x: &[f32], add: Option<&[f32]>, relu: bool, y: &mut [f32]) {
        self.write(input, x, add, relu, y, false);
    }

    /// Whether [`forward_onto`](Self::forward_onto) is there for this convolution: sums over many terms need `y` for themselves.
    pub fn adds_in_place(&self) -> bool {
        match &self.weights {
            Weights::Plain(..) => false,
            Weights::Winograd(_) => true,
            Weights::ImplicitGemm(method, _) => implicit_gemm::adds_in_place(&self.geometry, *method),
        }
    }

    /// As [`forward`](Self::forward) with the values of `y` as the tensor to add, to the bit. One array less goes through the
    /// caches.
    ///
    /// # Panics
    /// As [`forward`](Self::forward), and if it does not [add in place](Self::adds_in_place).
    #[track_caller]
    pub fn forward_onto(&self, input: [usize; 3], x: &[f32], relu: bool, y: &mut [f32]) {
        assert!(
            self.adds_in_place(),
            "PreparedConv2d::forward_onto: {:?} does not add in place",
            self.geometry
        );
        self.write(input, x, None, relu, y, true);
    }

    #[track_caller]
    fn write(
        &self,
        input: [usize; 3],
        x: &[f32],
        add: Option<&[f32]>,
        relu: bool,
        y: &mut [f32],
        accumulate: bool,
    ) {
        let g = self.geometry(input[0], input[1], input[2]);
        g.check("PreparedConv2d::forward", x.len(), g.weight_len(), y.len());
        let epilogue = Epilogue { bias: self.bias.as_deref(), add, relu, statistics: None };
        match &self.weights {
            Weights::Plain(algorithm, w) => forward_by(*algorithm, &g, x, w, epilogue, y),
            Weights::Winograd(w) => winograd::forward_packed(&g, x, w, epilogue, y, accumulate),
            Weights::ImplicitGemm(method, w) => {
                implicit_gemm::forward_packed(&g, x, w, *method, epilogue, y, accumulate);
            }
        }
    }
}
