//! Classes as rows of zeros and a one, as `torch.nn.functional.one_hot`.

use super::gather::check_index;
use crate::array::{Array, DType};
use crate::op;
use crate::shape::Shape;
use crate::tensor::Tensor;

impl Tensor {
    /// From class indices of any shape, integers (…, num_classes) that are 1 at the index and 0 elsewhere. As in
    /// PyTorch the result is int64; `to_dtype(DType::F32)` makes targets of it.
    ///
    /// # Panics
    /// If the tensor does not hold integers from 0 to `num_classes - 1`.
    #[track_caller]
    pub fn one_hot(&self, num_classes: usize) -> Tensor {
        check_index("one_hot", self, num_classes, || format!("{num_classes} classes"));
        let shape: Shape = self.shape().iter().copied().chain([num_classes]).collect();
        op::run("one_hot", self.shape(), Ok(shape), DType::I64, |shape| {
            let mut rows = vec![0; shape.numel()];
            for (i, class) in self.to_vec_i64().into_iter().enumerate() {
                rows[i * num_classes + class as usize] = 1;
            }
            Tensor::constant(Array::from_i64(rows, shape))
        })
    }
}
