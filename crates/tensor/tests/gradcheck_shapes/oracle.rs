//! Ops in float64, as naive as can be: what the real ones are compared with.

/// Float64 numbers in row-major order.
#[derive(Clone, Debug)]
pub struct Nd {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

/// Every index of a shape in row-major order.
pub fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    (0..shape.iter().product()).map(move |mut place: usize| {
        let mut index = vec![0; shape.len()];
        for d in (0..shape.len()).rev() {
            index[d] = place % shape[d];
            place /= shape[d];
        }
        index
    })
}

impl Nd {
    pub fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape: shape.to_vec(), data }
    }

    /// One element for each index.
    pub fn from_fn(shape: &[usize], f: impl FnMut(Vec<usize>) -> f64) -> Self {
        Self::new(shape, indices(shape).map(f).collect())
    }

    pub fn at(&self, index: &[usize]) -> f64 {
        let place = index.iter().zip(&self.shape).fold(0, |place, (&i, &size)| place * size + i);
        self.data[place]
    }

    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self::new(&self.shape, self.data.iter().map(|&x| f(x)).collect())
    }

    /// The element that `index` of a larger shape broadcasts from.
    pub fn broadcast(&self, index: &[usize]) -> f64 {
        let own = &index[index.len() - self.shape.len()..];
        let own: Vec<usize> =
            own.iter().zip(&self.shape).map(|(&i, &n)| if n == 1 { 0 } else { i }).collect();
        self.at(&own)
    }

    /// Elementwise, with broadcasting.
    pub fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let rank = self.shape.len().max(other.shape.len());
        let padded = |s: &[usize]| [vec![1; rank - s.len()], s.to_vec()].concat();
        let (a, b) = (padded(&self.shape), padded(&other.shape));
        let shape: Vec<usize> = a.iter().zip(&b).map(|(&a, &b)| if a == 1 { b } else { a }).collect();
        Self::from_fn(&shape, |i| f(self.broadcast(&i), other.broadcast(&i)))
    }

    pub fn reshape(&self, shape: &[usize]) -> Self {
        Self::new(shape, self.data.clone())
    }

    pub fn permute(&self, dims: &[usize]) -> Self {
        let shape: Vec<usize> = dims.iter().map(|&d| self.shape[d]).collect();
        Self::from_fn(&shape, |i| {
            let mut index = vec![0; i.len()];
            dims.iter().zip(&i).for_each(|(&d, &i)| index[d] = i);
            self.at(&index)
        })
    }

    /// Element `pick(i)` of dimension `dim` as element `i` of `size`.
    pub fn along(&self, dim: usize, size: usize, pick: impl Fn(usize) -> usize) -> Self {
        let mut shape = self.shape.clone();
        shape[dim] = size;
        Self::from_fn(&shape, |mut i| {
            i[dim] = pick(i[dim]);
            self.at(&i)
        })
    }

    /// `f` of all elements over some dimensions, which stay with size 1.
    pub fn reduce(&self, dims: &[usize], f: impl Fn(&[f64]) -> f64) -> Self {
        let shape: Vec<usize> =
            self.shape.iter().enumerate().map(|(d, &n)| if dims.contains(&d) { 1 } else { n }).collect();
        let inner: Vec<usize> =
            self.shape.iter().enumerate().map(|(d, &n)| if dims.contains(&d) { n } else { 1 }).collect();
        Self::from_fn(&shape, |outer| {
            let sum = |a: &[usize]| a.iter().zip(&outer).map(|(a, b)| a + b).collect::<Vec<_>>();
            f(&indices(&inner).map(|i| self.at(&sum(&i))).collect::<Vec<_>>())
        })
    }

    /// (..., m, k) by (..., k, n), with broadcasting of what comes before.
    pub fn matmul(&self, other: &Self) -> Self {
        let (r, s) = (self.shape.len(), other.shape.len());
        let (m, k, n) = (self.shape[r - 2], self.shape[r - 1], other.shape[s - 1]);
        let lead = |shape: &[usize]| {
            Nd::new(&shape[..shape.len() - 2], vec![0.0; shape[..shape.len() - 2].iter().product()])
        };
        let batch = lead(&self.shape).zip(&lead(&other.shape), |_, _| 0.0).shape;
        let fit = |x: &Nd, i: &[usize], row: usize, column: usize| {
            let own = &i[batch.len() + 2 - x.shape.len()..batch.len()];
            let mut index: Vec<usize> =
                own.iter().zip(&x.shape).map(|(&i, &n)| if n == 1 { 0 } else { i }).collect();
            index.extend([row, column]);
            x.at(&index)
        };
        Self::from_fn(&[&batch[..], &[m, n]].concat(), |i| {
            let (row, column) = (i[i.len() - 2], i[i.len() - 1]);
            (0..k).map(|j| fit(self, &i, row, j) * fit(other, &i, j, column)).sum()
        })
    }

    /// The window of (N, C, H, W) at an output place: its elements inside the image.
    pub fn window(&self, [n, c]: [usize; 2], place: [usize; 2], w: &Window) -> Vec<f64> {
        let mut found = Vec::new();
        for a in 0..w.kernel[0] {
            for b in 0..w.kernel[1] {
                let row = (place[0] * w.stride[0] + a * w.dilation[0]).checked_sub(w.padding[0]);
                let column = (place[1] * w.stride[1] + b * w.dilation[1]).checked_sub(w.padding[1]);
                if let (Some(row), Some(column)) = (row, column)
                    && row < self.shape[2]
                    && column < self.shape[3]
                {
                    found.push(self.at(&[n, c, row, column]));
                }
            }
        }
        found
    }

    pub fn pool(&self, w: &Window, f: impl Fn(&[f64]) -> f64) -> Self {
        let [rows, columns] = w.output([self.shape[2], self.shape[3]]);
        Self::from_fn(&[self.shape[0], self.shape[1], rows, columns], |i| {
            f(&self.window([i[0], i[1]], [i[2], i[3]], w))
        })
    }

    pub fn adaptive_pool(&self, output: [usize; 2], f: impl Fn(&[f64]) -> f64) -> Self {
        let range = |i: usize, size: usize, out: usize| i * size / out..((i + 1) * size).div_ceil(out);
        Self::from_fn(&[self.shape[0], self.shape[1], output[0], output[1]], |i| {
            let columns = || range(i[3], self.shape[3], output[1]);
            let window = range(i[2], self.shape[2], output[0])
                .flat_map(|row| columns().map(move |column| (row, column)))
                .map(|(row, column)| self.at(&[i[0], i[1], row, column]));
            f(&window.collect::<Vec<_>>())
        })
    }

    pub fn conv2d(&self, weight: &Self, bias: Option<&Self>, w: &Window, groups: usize) -> Self {
        let [rows, columns] = w.output([self.shape[2], self.shape[3]]);
        let (out, inner) = (weight.shape[0], weight.shape[1]);
        Self::from_fn(&[self.shape[0], out, rows, columns], |i| {
            let first = i[1] / (out / groups) * inner;
            let mut sum = bias.map_or(0.0, |b| b.data[i[1]]);
            for c in 0..inner {
                for a in 0..w.kernel[0] {
                    for b in 0..w.kernel[1] {
                        let row = (i[2] * w.stride[0] + a * w.dilation[0]).wrapping_sub(w.padding[0]);
                        let column = (i[3] * w.stride[1] + b * w.dilation[1]).wrapping_sub(w.padding[1]);
                        if row < self.shape[2] && column < self.shape[3] {
                            sum += self.at(&[i[0], first + c, row, column]) * weight.at(&[i[1], c, a, b]);
                        }
                    }
                }
            }
            sum
        })
    }

    /// Each channel (dimension 1) less `mean` and over the root of `variance` + `eps`, times `weight`, plus `bias`; all
    /// of them (C).
    pub fn normalize(&self, [mean, variance, weight, bias]: [&Nd; 4], eps: f32) -> Nd {
        let centred = self.zip(&self.per_channel(mean), |x, m| x - m);
        let normal = centred.zip(&self.per_channel(variance), |x, v| x / (v + f64::from(eps)).sqrt());
        normal.zip(&self.per_channel(weight), |x, w| x * w).zip(&self.per_channel(bias), |x, b| x + b)
    }

    /// [`normalize`](Self::normalize) with each channel's own mean and variance.
    pub fn batch_norm(&self, weight: &Nd, bias: &Nd, eps: f32) -> Nd {
        let statistic = |f: &dyn Fn(&[f64]) -> f64| {
            let of = self.reduce(&self.all_but_channels(), f);
            of.reshape(&[of.data.len()])
        };
        self.normalize([&statistic(&mean), &statistic(&|v| var(v, 0)), weight, bias], eps)
    }

    pub fn relu(&self) -> Nd {
        self.map(|x| x.max(0.0))
    }

    /// The dimensions except the second: those over which a batch normalization averages.
    pub fn all_but_channels(&self) -> Vec<usize> {
        (0..self.shape.len()).filter(|&d| d != 1).collect()
    }

    /// (C) as (1, C, 1, ...), to be broadcast to this.
    pub fn per_channel(&self, values: &Nd) -> Nd {
        let mut shape = vec![1; self.shape.len()];
        shape[1] = values.data.len();
        values.reshape(&shape)
    }
}

/// A sliding window.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

impl Window {
    pub fn output(&self, image: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|d| {
            let reach = self.dilation[d] * (self.kernel[d] - 1) + 1;
            (image[d] + 2 * self.padding[d] - reach) / self.stride[d] + 1
        })
    }

    /// Whether there is an output at all.
    pub fn fits(&self, image: [usize; 2]) -> bool {
        (0..2).all(|d| image[d] + 2 * self.padding[d] > self.dilation[d] * (self.kernel[d] - 1))
    }
}

pub fn sum(v: &[f64]) -> f64 {
    v.iter().sum()
}

pub fn mean(v: &[f64]) -> f64 {
    sum(v) / v.len() as f64
}

pub fn max(v: &[f64]) -> f64 {
    v.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

pub fn min(v: &[f64]) -> f64 {
    v.iter().copied().fold(f64::INFINITY, f64::min)
}

pub fn var(v: &[f64], correction: usize) -> f64 {
    let m = mean(v);
    v.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (v.len() - correction) as f64
}

/// The error function, to 15 digits: its Taylor series, summed to the end.
pub fn erf(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-18 * sum.abs() && n < 500.0 {
        n += 1.0;
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}
