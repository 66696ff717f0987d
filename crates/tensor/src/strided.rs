//! Elementwise loops over arrays of any strides.
//!
//! The output is dense and is walked in its memory order; inputs are read through their strides. Neighbouring
//! dimensions that advance together in all operands are merged first, so that the usual cases (same layout, a
//! scalar, a bias along the last dimension) run as long inner loops.

use crate::array::Array;
use crate::shape::{Dims, Shape};
use cresset_kernels::layout;
use cresset_kernels::parallel::for_each_chunk;

/// Calls `f` with the offset of every element in row-major order.
pub(crate) fn for_each_offset(shape: &Shape, strides: &[usize], mut f: impl FnMut(usize)) {
    let n = shape.numel();
    let mut index = Dims::from_elem(0, shape.rank());
    let mut offset = 0;
    for _ in 0..n {
        f(offset);
        for d in (0..shape.rank()).rev() {
            index[d] += 1;
            offset += strides[d];
            if index[d] < shape[d] {
                break;
            }
            offset -= strides[d] * shape[d];
            index[d] = 0;
        }
    }
}

/// The merged loop nest: sizes and, for each of `N` inputs, strides; outermost first, innermost last.
struct Nest<const N: usize> {
    sizes: Dims,
    strides: [Dims; N],
}

#[allow(clippy::needless_range_loop, reason = "several arrays of the same length advance together")]
impl<const N: usize> Nest<N> {
    fn new(out: &Array, inputs: [&Array; N]) -> Self {
        let mut order: Dims = (0..out.rank()).filter(|&d| out.shape()[d] != 1).collect();
        order.sort_by_key(|&d| std::cmp::Reverse(out.strides()[d]));
        let mut nest = Nest { sizes: Dims::new(), strides: std::array::from_fn(|_| Dims::new()) };
        for d in order {
            let size = out.shape()[d];
            let joins = nest.sizes.last().is_some()
                && (0..N).all(|i| nest.strides[i].last() == Some(&(inputs[i].strides()[d] * size)));
            if joins {
                *nest.sizes.last_mut().expect("joins") *= size;
                for (strides, input) in nest.strides.iter_mut().zip(inputs) {
                    *strides.last_mut().expect("joins") = input.strides()[d];
                }
            } else {
                nest.sizes.push(size);
                for (strides, input) in nest.strides.iter_mut().zip(inputs) {
                    strides.push(input.strides()[d]);
                }
            }
        }
        if nest.sizes.is_empty() {
            nest.sizes.push(1);
            nest.strides.iter_mut().for_each(|s| s.push(0));
        }
        nest
    }

    /// Calls `row(part of an output row, offsets of the inputs, their inner strides)` until all of `out`, the
    /// output's memory, has been seen.
    fn run(&self, out: &mut [f32], row: impl Fn(&mut [f32], [usize; N], [usize; N]) + Sync) {
        let outer = self.sizes.len() - 1;
        let inner = self.sizes[outer];
        let inner_strides: [usize; N] = std::array::from_fn(|i| self.strides[i][outer]);
        for_each_chunk(out, 1, |start, mut part| {
            // A part may start within a row.
            let (mut rest, mut column) = (start / inner, start % inner);
            let mut index = Dims::from_elem(0, outer);
            let mut offsets = [0; N];
            for d in (0..outer).rev() {
                index[d] = rest % self.sizes[d];
                rest /= self.sizes[d];
                for i in 0..N {
                    offsets[i] += index[d] * self.strides[i][d];
                }
            }
            while !part.is_empty() {
                let (out_row, others) = part.split_at_mut(part.len().min(inner - column));
                let starts = std::array::from_fn(|i| offsets[i] + column * inner_strides[i]);
                row(out_row, starts, inner_strides);
                (part, column) = (others, 0);
                for d in (0..outer).rev() {
                    index[d] += 1;
                    for i in 0..N {
                        offsets[i] += self.strides[i][d];
                    }
                    if index[d] < self.sizes[d] {
                        break;
                    }
                    for i in 0..N {
                        offsets[i] -= self.strides[i][d] * self.sizes[d];
                    }
                    index[d] = 0;
                }
            }
        });
    }
}

impl Nest<1> {
    /// The batch, rows and columns of the input's matrices, if the output is made of their transposes: a change
    /// between (N, C, H, W) and (N, H, W, C), for example.
    fn as_transpose(&self) -> Option<[usize; 3]> {
        match (&self.sizes[..], &self.strides[0][..]) {
            (&[columns, rows], &[1, stride]) if stride == columns => Some([1, rows, columns]),
            (&[batch, columns, rows], &[matrix, 1, stride])
                if stride == columns && matrix == columns * rows =>
            {
                Some([batch, rows, columns])
            }
            _ => None,
        }
    }
}

/// `out[i] = f(x[i])` for operands of the same shape; `out` is dense.
#[track_caller]
pub(crate) fn map_into(x: &Array, out: &mut Array, f: impl Fn(f32) -> f32 + Sync) {
    if out.numel() == 0 {
        return;
    }
    let nest = Nest::new(out, [x]);
    let data = &x.buffer()[x.offset()..];
    nest.run(out.memory_mut(), |row, [o], [s]| match s {
        1 => row.iter_mut().zip(&data[o..]).for_each(|(r, &v)| *r = f(v)),
        0 => row.fill(f(data[o])),
        _ => row.iter_mut().zip(data[o..].iter().step_by(s)).for_each(|(r, &v)| *r = f(v)),
    });
}

/// Copies `x` into `out`, which is dense and of the same shape.
#[track_caller]
pub(crate) fn copy_into(x: &Array, out: &mut Array) {
    if out.numel() > 0
        && let Some([batch, rows, columns]) = Nest::new(out, [x]).as_transpose()
    {
        let x = &x.buffer()[x.offset()..][..batch * rows * columns];
        return layout::batched_transpose(batch, rows, columns, x, out.memory_mut());
    }
    map_into(x, out, |v| v);
}

/// `out[i] = f(a[i], b[i])` for operands expanded to the same shape; `out` is dense.
#[track_caller]
pub(crate) fn zip_into(a: &Array, b: &Array, out: &mut Array, f: impl Fn(f32, f32) -> f32 + Sync) {
    if out.numel() == 0 {
        return;
    }
    let nest = Nest::new(out, [a, b]);
    let (da, db) = (&a.buffer()[a.offset()..], &b.buffer()[b.offset()..]);
    nest.run(out.memory_mut(), |row, [oa, ob], strides| {
        let (da, db) = (&da[oa..], &db[ob..]);
        match strides {
            [1, 1] => row.iter_mut().zip(da.iter().zip(db)).for_each(|(r, (&x, &y))| *r = f(x, y)),
            [1, 0] => {
                let y = db[0];
                row.iter_mut().zip(da).for_each(|(r, &x)| *r = f(x, y));
            }
            [0, 1] => {
                let x = da[0];
                row.iter_mut().zip(db).for_each(|(r, &y)| *r = f(x, y));
            }
            [sa, sb] => row.iter_mut().enumerate().for_each(|(i, r)| *r = f(da[i * sa], db[i * sb])),
        }
    });
}

/// `a[i]` where `mask[i]` is not zero, else `b[i]`; all three broadcast to `shape`.
#[track_caller]
pub(crate) fn choose(mask: &Array, a: &Array, b: &Array, shape: &Shape) -> Array {
    let mut out = output_for(shape, &[a, b]);
    if out.numel() == 0 {
        return out;
    }
    let inputs = [mask, a, b].map(|x| x.expand(shape));
    let nest = Nest::new(&out, inputs.each_ref());
    let data = inputs.each_ref().map(|x| &x.buffer()[x.offset()..]);
    nest.run(out.memory_mut(), |row, offsets, strides| {
        for (i, out) in row.iter_mut().enumerate() {
            let at = |n: usize| data[n][offsets[n] + i * strides[n]];
            *out = if at(0) != 0.0 { at(1) } else { at(2) };
        }
    });
    out
}

/// A dense output for elementwise work on `inputs` that broadcast to `shape`: in the memory order of the first
/// input that already has that shape, so that channels-last activations stay channels-last.
pub(crate) fn output_for(shape: &Shape, inputs: &[&Array]) -> Array {
    match inputs.iter().find(|a| a.shape() == shape && a.is_dense()) {
        Some(like) => Array::empty_like(like),
        None => Array::empty(shape.clone()),
    }
}

/// `f` of every element; in place if nobody else holds the buffer.
#[track_caller]
pub(crate) fn map(mut x: Array, f: impl Fn(f32) -> f32 + Sync) -> Array {
    if x.is_dense() && x.is_unique() {
        for_each_chunk(x.memory_mut(), 1, |_, part| part.iter_mut().for_each(|v| *v = f(*v)));
        return x;
    }
    let mut out = output_for(x.shape(), &[&x]);
    map_into(&x, &mut out, f);
    out
}

/// `f` of corresponding elements, broadcasting; `shape` is the broadcast shape.
#[track_caller]
pub(crate) fn zip(a: &Array, b: &Array, shape: &Shape, f: impl Fn(f32, f32) -> f32 + Sync) -> Array {
    let mut out = output_for(shape, &[a, b]);
    zip_into(&a.expand(shape), &b.expand(shape), &mut out, f);
    out
}

/// Writes `f(a[i], b[i])` over `a`, in place if nobody else holds its buffer; `b` broadcasts to `a`'s shape.
#[track_caller]
pub(crate) fn update(mut a: Array, b: &Array, f: impl Fn(f32, f32) -> f32 + Sync) -> Array {
    let shape = a.shape().clone();
    if !(a.is_dense() && a.is_unique()) {
        return zip(&a, b, &shape, f);
    }
    if a.numel() > 0 {
        let b = b.expand(shape);
        let nest = Nest::new(&a, [&b]);
        let data = &b.buffer()[b.offset()..];
        nest.run(a.memory_mut(), |row, [o], [s]| match s {
            1 => row.iter_mut().zip(&data[o..]).for_each(|(x, &y)| *x = f(*x, y)),
            0 => {
                let y = data[o];
                row.iter_mut().for_each(|x| *x = f(*x, y));
            }
            _ => row.iter_mut().zip(data[o..].iter().step_by(s)).for_each(|(x, &y)| *x = f(*x, y)),
        });
    }
    a
}
