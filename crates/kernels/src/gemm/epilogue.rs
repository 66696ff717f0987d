//! What happens to a result while it is still in cache.

/// Mean and variance of each column of a result, for batch normalization.
#[derive(Debug)]
pub struct ColumnStatistics<'a> {
    /// Mean of each column.
    pub mean: &'a mut [f32],
    /// Variance of each column over all rows, biased (divided by the number of rows).
    pub variance: &'a mut [f32],
}

impl ColumnStatistics<'_> {
    /// Those of a range of columns.
    pub(crate) fn columns(&mut self, range: std::ops::Range<usize>) -> ColumnStatistics<'_> {
        ColumnStatistics { mean: &mut self.mean[range.clone()], variance: &mut self.variance[range] }
    }
}

/// Applied to each element of a product: `max(0, product + bias + add)`, each part if wanted. The default
/// does nothing.
#[derive(Debug, Default)]
pub struct Epilogue<'a, E = f32> {
    /// One value a column.
    pub bias: Option<&'a [f32]>,
    /// A tensor with the layout of the result, for instance a residual branch.
    pub add: Option<&'a [E]>,
    /// Clamp at zero, last. NaN stays NaN.
    pub relu: bool,
    /// Where to put the statistics of the finished result's columns.
    pub statistics: Option<ColumnStatistics<'a>>,
}

impl<E> Epilogue<'_, E> {
    /// Whether it asks for nothing beyond a bias and ReLU.
    pub(super) fn only_columns(&self) -> bool {
        self.add.is_none() && self.statistics.is_none()
    }
}
