//! `Array`: numbers with a shape, no gradients.
//!
//! An array is a shared, copy-on-write buffer seen through a shape and strides, so views cost nothing and a
//! buffer that nobody else holds is changed in place. Logical shapes are PyTorch's (N, C, H, W); 4-D
//! activations and weights live channels-last in memory (see [`Array::channels_last`]).

use crate::device::Device;
use crate::float::{Float, with_float};
use crate::memory_order::MemoryOrder;
use crate::pool::Floats;
use crate::shape::{Dims, Shape};
use crate::strided;
use cresset_kernels::bf16;
use std::sync::Arc;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit floating point: everything that is differentiated.
    F32,
    /// The upper half of it: activations in [mixed precision](crate::autocast).
    BF16,
    /// 64-bit signed integers: labels and indices.
    I64,
    /// Truth values: masks.
    Bool,
}

impl DType {
    /// Whether this is a type of floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::BF16)
    }

    /// PyTorch's name: `float32`, `bfloat16`, `int64`, `bool`.
    pub fn name(self) -> &'static str {
        match self {
            DType::F32 => "float32",
            DType::BF16 => "bfloat16",
            DType::I64 => "int64",
            DType::Bool => "bool",
        }
    }
}

#[derive(Clone)]
enum Data {
    F32(Arc<Floats>),
    /// Two to a float.
    BF16(Arc<Floats>),
    I64(Arc<Vec<i64>>),
    Bool(Arc<Vec<bool>>),
    /// A shape without numbers, for dry runs.
    Meta(DType),
}

/// Numbers with a shape: the data of a [`Tensor`](crate::Tensor), without gradients.
pub struct Array {
    data: Data,
    shape: Shape,
    /// Set together with `order`, which is found from them.
    strides: Dims,
    order: MemoryOrder,
    offset: usize,
}

/// Another handle on the same buffer.
impl Clone for Array {
    fn clone(&self) -> Self {
        Self {
            data: self.data.clone(),
            shape: self.shape.clone(),
            strides: Dims::from_slice(&self.strides),
            order: self.order,
            offset: self.offset,
        }
    }
}

/// # Creation
impl Array {
    fn contiguous_over(data: Data, shape: Shape) -> Self {
        let strides = shape.contiguous_strides();
        let order = MemoryOrder::of_contiguous(&shape, &strides);
        Self { data, shape, strides, order, offset: 0 }
    }

    fn with_strides(mut self, strides: Dims) -> Self {
        self.order = MemoryOrder::of(&self.shape, &strides);
        self.strides = strides;
        self
    }

    /// A contiguous float array whose contents are unspecified: the caller writes every element.
    pub fn empty(shape: impl Into<Shape>) -> Self {
        Self::empty_of::<f32>(shape)
    }

    /// Like [`empty`](Self::empty), of either type of floats.
    pub fn empty_of<E: Float>(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let floats = Arc::new(floats_for::<E>(shape.numel()));
        let data = if E::DTYPE == DType::BF16 { Data::BF16(floats) } else { Data::F32(floats) };
        Self::contiguous_over(data, shape)
    }

    /// Like [`empty`](Self::empty), for a logical (N, C, H, W) shape laid out as (N, H, W, C).
    pub fn empty_channels_last(shape: impl Into<Shape>) -> Self {
        Self::empty_channels_last_of::<f32>(shape)
    }

    /// Like [`empty_channels_last`](Self::empty_channels_last), of either type of floats.
    pub fn empty_channels_last_of<E: Float>(shape: impl Into<Shape>) -> Self {
        let a = Self::empty_of::<E>(shape);
        let strides = a.shape.channels_last_strides();
        a.with_strides(strides)
    }

    /// Like [`empty`](Self::empty), with `like`'s shape and, if it is dense, its memory order.
    pub fn empty_like(like: &Array) -> Self {
        Self::empty_like_of::<f32>(like)
    }

    /// Like [`empty_like`](Self::empty_like), of either type of floats.
    pub fn empty_like_of<E: Float>(like: &Array) -> Self {
        let mut a = Self::empty_of::<E>(like.shape.clone());
        if like.is_dense() {
            (a.strides, a.order) = (Dims::from_slice(&like.strides), like.order);
        }
        a
    }

    /// All elements `value`.
    pub fn full(shape: impl Into<Shape>, value: f32) -> Self {
        let mut a = Self::empty(shape);
        a.memory_mut().fill(value);
        a
    }

    /// All zeros.
    pub fn zeros(shape: impl Into<Shape>) -> Self {
        Self::full(shape, 0.0)
    }

    /// A float scalar.
    pub fn scalar(value: f32) -> Self {
        Self::full([0; 0], value)
    }

    /// Takes over a `Vec` in row-major order.
    ///
    /// # Panics
    /// If the number of elements is not the shape's.
    #[track_caller]
    pub fn from_vec(data: Vec<f32>, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        check_len(data.len(), &shape);
        Self::contiguous_over(Data::F32(Arc::new(Floats::Owned(data))), shape)
    }

    /// Takes over a `Vec` of images stored as (N, H, W, C), giving it the logical `shape` (N, C, H, W).
    ///
    /// # Panics
    /// If the shape is not 4-D or the number of elements is not the shape's.
    #[track_caller]
    pub fn from_channels_last(data: Vec<f32>, shape: impl Into<Shape>) -> Self {
        let a = Self::from_vec(data, shape);
        assert!(a.rank() == 4, "from_channels_last: expected a 4-D shape (N, C, H, W), found {}", a.shape);
        let strides = a.shape.channels_last_strides();
        a.with_strides(strides)
    }

    /// Takes over integers in row-major order.
    ///
    /// # Panics
    /// If the number of elements is not the shape's.
    #[track_caller]
    pub fn from_i64(data: Vec<i64>, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        check_len(data.len(), &shape);
        Self::contiguous_over(Data::I64(Arc::new(data)), shape)
    }

    /// Takes over truth values in row-major order.
    ///
    /// # Panics
    /// If the number of elements is not the shape's.
    #[track_caller]
    pub fn from_bools(data: Vec<bool>, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        check_len(data.len(), &shape);
        Self::contiguous_over(Data::Bool(Arc::new(data)), shape)
    }

    /// A shape without numbers, for [dry runs](crate::trace::dry_run).
    pub fn meta(shape: impl Into<Shape>, dtype: DType) -> Self {
        Self::contiguous_over(Data::Meta(dtype), shape.into())
    }
}

/// Room for `len` numbers of a type.
fn floats_for<E: Float>(len: usize) -> Floats {
    Floats::new(len.div_ceil(size_of::<f32>() / size_of::<E>()))
}

#[track_caller]
fn check_len(len: usize, shape: &Shape) {
    assert!(len == shape.numel(), "{len} elements do not fill shape {shape}, which has {}", shape.numel());
}

/// # Properties
impl Array {
    /// The logical sizes.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The distance in elements between neighbours along each dimension.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.rank()
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.shape.numel()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self.data {
            Data::F32(_) => DType::F32,
            Data::BF16(_) => DType::BF16,
            Data::I64(_) => DType::I64,
            Data::Bool(_) => DType::Bool,
            Data::Meta(dtype) => dtype,
        }
    }

    /// Where the numbers live.
    pub fn device(&self) -> Device {
        Device::Cpu
    }

    /// Whether this is a shape without numbers (see [`Array::meta`]).
    pub fn is_meta(&self) -> bool {
        matches!(self.data, Data::Meta(_))
    }

    /// Whether memory order is row-major without gaps.
    pub fn is_contiguous(&self) -> bool {
        self.order.contiguous
    }

    /// Whether this is 4-D with memory order (N, H, W, C) without gaps.
    pub fn is_channels_last(&self) -> bool {
        self.order.channels_last
    }

    /// Whether the elements fill one run of memory without gaps or repeats, in any order of dimensions.
    pub fn is_dense(&self) -> bool {
        self.order.dense
    }

    /// Strides only matter along dimensions longer than 1.
    fn has_strides(&self, strides: &[usize]) -> bool {
        self.numel() == 0 || (0..self.rank()).all(|d| self.shape[d] == 1 || self.strides[d] == strides[d])
    }

    /// Whether both are dense and hold corresponding elements at the same place of their memory.
    pub(crate) fn same_layout(&self, other: &Array) -> bool {
        self.shape == other.shape && self.has_strides(&other.strides) && self.is_dense()
    }
}

/// # Access to the numbers
impl Array {
    #[cold]
    #[track_caller]
    fn wrong_dtype(&self, wanted: DType) -> ! {
        match self.data {
            Data::Meta(_) => panic!("a dry run has shapes but no numbers: do not read values in forward()"),
            _ => panic!(
                "expected a {} array, found {}; convert with to_dtype()",
                wanted.name(),
                self.dtype().name()
            ),
        }
    }

    /// All floats of the underlying buffer; index with `offset` and `strides`.
    #[track_caller]
    pub(crate) fn buffer(&self) -> &[f32] {
        self.buffer_of()
    }

    #[track_caller]
    fn buffer_of<E: Float>(&self) -> &[E] {
        match &self.data {
            Data::F32(b) | Data::BF16(b) if self.dtype() == E::DTYPE => bytemuck::cast_slice(b),
            _ => self.wrong_dtype(E::DTYPE),
        }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// The elements of a dense float array in memory order: what kernels work on.
    ///
    /// # Panics
    /// If the array is not dense or not of floats.
    #[track_caller]
    pub fn memory(&self) -> &[f32] {
        self.memory_of()
    }

    /// Like [`memory`](Self::memory), of either type of floats.
    ///
    /// # Panics
    /// If the array is not dense or of another type.
    #[track_caller]
    pub fn memory_of<E: Float>(&self) -> &[E] {
        let buffer = self.buffer_of();
        assert!(self.is_dense(), "memory(): the array is a view with gaps; call contiguous() first");
        &buffer[self.offset..self.offset + self.numel()]
    }

    /// Like [`memory`](Self::memory), for writing. Copies first if the buffer is shared.
    ///
    /// # Panics
    /// If the array is not dense or not of floats.
    #[track_caller]
    pub fn memory_mut(&mut self) -> &mut [f32] {
        self.memory_of_mut()
    }

    /// Like [`memory_mut`](Self::memory_mut), of either type of floats.
    ///
    /// # Panics
    /// If the array is not dense or of another type.
    #[track_caller]
    pub fn memory_of_mut<E: Float>(&mut self) -> &mut [E] {
        assert!(self.is_dense(), "memory_mut(): the array is a view with gaps; call contiguous() first");
        let (offset, len) = (self.offset, self.numel());
        self.buffer_of::<E>();
        let (Data::F32(data) | Data::BF16(data)) = &mut self.data else {
            unreachable!("buffer_of() checked the dtype")
        };
        if Arc::get_mut(data).is_none() {
            // Shared: copy our part only, not the whole buffer that a view may look into.
            let mut copy = floats_for::<E>(len);
            let part = &bytemuck::cast_slice::<f32, E>(data)[offset..offset + len];
            bytemuck::cast_slice_mut::<f32, E>(&mut copy)[..len].copy_from_slice(part);
            *data = Arc::new(copy);
            self.offset = 0;
        }
        let (offset, data) = (self.offset, Arc::get_mut(data).expect("unique by now"));
        &mut bytemuck::cast_slice_mut::<f32, E>(data)[offset..offset + len]
    }

    /// Bytes of the elements that are shown, which is less than the buffer's for a view of a part.
    pub fn bytes(&self) -> u64 {
        let element = match self.dtype() {
            DType::F32 => size_of::<f32>(),
            DType::BF16 => size_of::<bf16>(),
            DType::I64 => size_of::<i64>(),
            DType::Bool => size_of::<bool>(),
        };
        (self.numel() * element) as u64
    }

    /// Whether both show elements of one buffer.
    pub(crate) fn shares_buffer(&self, other: &Array) -> bool {
        match (&self.data, &other.data) {
            (Data::F32(a) | Data::BF16(a), Data::F32(b) | Data::BF16(b)) => Arc::ptr_eq(a, b),
            (Data::I64(a), Data::I64(b)) => Arc::ptr_eq(a, b),
            (Data::Bool(a), Data::Bool(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Whether no other array holds the buffer, so that writing needs no copy.
    pub fn is_unique(&mut self) -> bool {
        match &mut self.data {
            Data::F32(b) | Data::BF16(b) => Arc::get_mut(b).is_some(),
            Data::I64(b) => Arc::get_mut(b).is_some(),
            Data::Bool(b) => Arc::get_mut(b).is_some(),
            Data::Meta(_) => false,
        }
    }

    /// Copies the floats out in row-major order, as float32.
    ///
    /// # Panics
    /// If the array is not of floats.
    #[track_caller]
    pub fn to_vec(&self) -> Vec<f32> {
        if self.dtype() == DType::BF16 {
            return self.to_float::<f32>().to_vec();
        }
        let c = self.contiguous();
        c.memory().to_vec()
    }

    /// Copies the integers out in row-major order.
    ///
    /// # Panics
    /// If the array is not of integers.
    #[track_caller]
    pub fn to_vec_i64(&self) -> Vec<i64> {
        match &self.data {
            Data::I64(b) => self.gather_elements(b),
            _ => self.wrong_dtype(DType::I64),
        }
    }

    /// Copies the truth values out in row-major order.
    ///
    /// # Panics
    /// If the array is not boolean.
    #[track_caller]
    pub fn to_vec_bool(&self) -> Vec<bool> {
        match &self.data {
            Data::Bool(b) => self.gather_elements(b),
            _ => self.wrong_dtype(DType::Bool),
        }
    }

    fn gather_elements<T: Copy>(&self, buffer: &[T]) -> Vec<T> {
        let mut out = Vec::with_capacity(self.numel());
        strided::for_each_offset(&self.shape, &self.strides, |o| out.push(buffer[self.offset + o]));
        out
    }

    /// Converts the element type: numbers to bool by `!= 0`, floats to integers towards zero, to bfloat16 by rounding.
    pub fn to_dtype(&self, dtype: DType) -> Array {
        let shape = self.shape.clone();
        match (&self.data, dtype) {
            _ if self.dtype() == dtype => self.clone(),
            (Data::Meta(_), _) => Array::meta(shape, dtype),
            (Data::BF16(_), DType::F32) => self.to_float::<f32>(),
            (Data::F32(_), DType::BF16) => self.to_float::<bf16>(),
            // By way of float32.
            (Data::BF16(_), _) => self.to_float::<f32>().to_dtype(dtype),
            (_, DType::BF16) => self.to_dtype(DType::F32).to_dtype(dtype),
            (Data::I64(_), DType::F32) => {
                Array::from_vec(self.to_vec_i64().iter().map(|&v| v as f32).collect(), shape)
            }
            (Data::Bool(_), DType::F32) => {
                Array::from_vec(self.to_vec_bool().iter().map(|&v| v as u8 as f32).collect(), shape)
            }
            (Data::F32(_), DType::I64) => {
                Array::from_i64(self.to_vec().iter().map(|&v| v as i64).collect(), shape)
            }
            (Data::Bool(_), DType::I64) => {
                Array::from_i64(self.to_vec_bool().iter().map(|&v| v as i64).collect(), shape)
            }
            (Data::F32(_), DType::Bool) => {
                Array::from_bools(self.to_vec().iter().map(|&v| v != 0.0).collect(), shape)
            }
            (Data::I64(_), DType::Bool) => {
                Array::from_bools(self.to_vec_i64().iter().map(|&v| v != 0).collect(), shape)
            }
            _ => unreachable!("equal dtypes were handled first"),
        }
    }
}

/// # Memory order
impl Array {
    /// This array in row-major order: itself if it is so already, else a copy.
    #[track_caller]
    pub fn contiguous(&self) -> Array {
        if self.is_contiguous() {
            return self.clone();
        }
        match &self.data {
            Data::F32(_) => self.copy_into(Array::empty(self.shape.clone())),
            Data::BF16(_) if self.is_dense() => self.to_float::<f32>().contiguous().to_float::<bf16>(),
            Data::BF16(_) => {
                let mut copy = Array::empty_of::<bf16>(self.shape.clone());
                copy.memory_of_mut().copy_from_slice(&self.gather_elements::<bf16>(self.buffer_of()));
                copy
            }
            Data::I64(_) => Array::from_i64(self.to_vec_i64(), self.shape.clone()),
            Data::Bool(_) => Array::from_bools(self.to_vec_bool(), self.shape.clone()),
            Data::Meta(dtype) => Array::meta(self.shape.clone(), *dtype),
        }
    }

    /// This 4-D float array in memory order (N, H, W, C): itself if it is so already, else a copy.
    #[track_caller]
    pub fn channels_last(&self) -> Array {
        if self.is_channels_last() || self.is_meta() {
            return self.clone();
        }
        if self.dtype() == DType::BF16 {
            return self.to_float::<f32>().channels_last().to_float::<bf16>();
        }
        self.copy_into(Array::empty_channels_last(self.shape.clone()))
    }

    /// This float array in the memory order of `like`, which is dense and of the same shape.
    pub fn in_layout_of(&self, like: &Array) -> Array {
        if self.same_layout(like) {
            return self.clone();
        }
        if self.dtype() == DType::BF16 {
            return self.to_float::<f32>().in_layout_of(like).to_float::<bf16>();
        }
        self.copy_into(Array::empty_like(like))
    }

    /// This array if it is dense, else a row-major copy.
    pub fn dense(&self) -> Array {
        if self.is_dense() { self.clone() } else { self.contiguous() }
    }

    fn copy_into(&self, mut target: Array) -> Array {
        strided::copy_into(self, &mut target);
        target
    }
}

/// # Views
impl Array {
    /// The same buffer seen through other sizes, strides and start.
    pub(crate) fn view(&self, shape: Shape, strides: Dims, offset: usize) -> Array {
        debug_assert_eq!(shape.rank(), strides.len());
        let order = MemoryOrder::of(&shape, &strides);
        Array { data: self.data.clone(), shape, strides, order, offset }
    }

    /// A row-major array of this dtype with, for each of its elements, the offset in this array's buffer.
    pub(crate) fn pick(&self, shape: Shape, offsets: impl ExactSizeIterator<Item = usize>) -> Array {
        debug_assert_eq!(shape.numel(), offsets.len());
        match &self.data {
            Data::F32(_) | Data::BF16(_) => with_float!(self, E => {
                let (mut out, buffer) = (Array::empty_of::<E>(shape), self.buffer_of::<E>());
                out.memory_of_mut().iter_mut().zip(offsets).for_each(|(out, o)| *out = buffer[o]);
                out
            }),
            Data::I64(buffer) => Array::from_i64(offsets.map(|o| buffer[o]).collect(), shape),
            Data::Bool(buffer) => Array::from_bools(offsets.map(|o| buffer[o]).collect(), shape),
            Data::Meta(dtype) => Array::meta(shape, *dtype),
        }
    }
}
