//! Losses.

use super::check::{Case, Draw, check};
use super::oracle::{Nd, mean, sum};
use cresset_tensor::ops::{
    BceWithLogitsOptions, CrossEntropyOptions, NllLossOptions, Reduction, bce_with_logits, cross_entropy,
    l1_loss, mse_loss, nll_loss,
};
use cresset_tensor::{Array, Tensor};

const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Sum, Reduction::Mean];

fn reduced(losses: Nd, reduction: Reduction) -> Nd {
    match reduction {
        Reduction::None => losses,
        Reduction::Sum => Nd::new(&[], vec![sum(&losses.data)]),
        Reduction::Mean => Nd::new(&[], vec![mean(&losses.data)]),
    }
}

fn exact((shape, values): &super::check::Input) -> Nd {
    Nd::new(shape, values.iter().map(|&v| v.into()).collect())
}

/// Classes of random images or pixels: (N, C) or (N, C, d), labels and class weights.
struct Labelled {
    logits: Vec<usize>,
    labels: Vec<usize>,
    weights: Option<Vec<f32>>,
}

impl Labelled {
    fn draw(d: &mut Draw, least: usize) -> Self {
        let mut logits = vec![d.size(least, 5), d.size(1, 6)];
        if d.below(3) == 0 {
            logits.push(d.from(1, 3));
        }
        let count = logits.iter().product::<usize>() / logits[1];
        let labels = d.labels(count, logits[1]);
        let weights = (d.below(2) == 0).then(|| d.positive(&[logits[1]]).1);
        Self { logits, labels, weights }
    }

    fn items(&self) -> Vec<usize> {
        [&self.logits[..1], &self.logits[2..]].concat()
    }

    fn targets(&self) -> Tensor {
        Tensor::from_i64(self.labels.iter().map(|&l| l as i64).collect::<Vec<_>>(), &self.items()[..])
    }

    fn array(&self) -> Option<Array> {
        self.weights.clone().map(|w| Array::from_vec(w, [self.logits[1]]))
    }

    /// `nll_loss` of log-probabilities, with label smoothing.
    fn loss(&self, log_p: &Nd, smoothing: f64, reduction: Reduction) -> Nd {
        let classes = self.logits[1];
        let weight = |c: usize| self.weights.as_ref().map_or(1.0, |w| f64::from(w[c]));
        let items = self.items();
        let labels = Nd::new(&items, self.labels.iter().map(|&l| l as f64).collect());
        let losses = Nd::from_fn(&items, |i| {
            let at = |c: usize| -weight(c) * log_p.at(&[&i[..1], &[c], &i[1..]].concat());
            let even = (0..classes).map(at).sum::<f64>() / classes as f64;
            (1.0 - smoothing) * at(labels.at(&i) as usize) + smoothing * even
        });
        match reduction {
            Reduction::Mean => {
                let total: f64 = self.labels.iter().map(|&l| weight(l)).sum();
                Nd::new(&[], vec![sum(&losses.data) / total])
            }
            other => reduced(losses, other),
        }
    }
}

fn log_softmax(x: &Nd) -> Nd {
    x.zip(&x.map(f64::exp).reduce(&[1], sum), |x, sum| x - sum.ln())
}

#[test]
fn of_classes() {
    for reduction in REDUCTIONS {
        // The mean over no items is NaN, there and here.
        let least = usize::from(matches!(reduction, Reduction::Mean));
        check(&format!("cross_entropy {reduction:?}"), |d| {
            let case = Labelled::draw(d, least);
            let label_smoothing = if d.below(2) == 0 { 0.125 } else { 0.0 };
            let options = CrossEntropyOptions {
                weight: case.array(),
                label_smoothing,
                reduction,
                ..Default::default()
            };
            let targets = case.targets();
            Case {
                inputs: vec![d.any(&case.logits)],
                ours: Box::new(move |t| cross_entropy(&t[0], &targets, &options)),
                oracle: Box::new(move |x| case.loss(&log_softmax(&x[0]), label_smoothing.into(), reduction)),
            }
        });
        check(&format!("nll_loss {reduction:?}"), |d| {
            let case = Labelled::draw(d, least);
            let options = NllLossOptions { weight: case.array(), reduction, ..Default::default() };
            let targets = case.targets();
            Case {
                inputs: vec![d.any(&case.logits)],
                ours: Box::new(move |t| nll_loss(&t[0], &targets, &options)),
                oracle: Box::new(move |x| case.loss(&x[0], 0.0, reduction)),
            }
        });
        check(&format!("soft cross_entropy {reduction:?}"), |d| {
            let shape = [d.size(least, 5), d.size(1, 6)];
            let target = d.positive(&shape);
            let exact = exact(&target);
            let target = Tensor::from_vec(target.1, &shape[..]);
            let options = CrossEntropyOptions { reduction, ..Default::default() };
            Case {
                inputs: vec![d.any(&shape)],
                ours: Box::new(move |t| cross_entropy(&t[0], &target, &options)),
                oracle: Box::new(move |x| {
                    let all = log_softmax(&x[0]).zip(&exact, |log_p, t| -log_p * t).reduce(&[1], sum);
                    reduced(all.reshape(&x[0].shape[..1]), reduction)
                }),
            }
        });
    }
}

#[test]
fn of_numbers() {
    for reduction in REDUCTIONS {
        let low = usize::from(matches!(reduction, Reduction::Mean));
        check(&format!("mse_loss {reduction:?}"), |d| {
            let shape = d.shape(low, 3);
            Case {
                inputs: vec![d.any(&shape), d.any(&shape)],
                ours: Box::new(move |t| mse_loss(&t[0], &t[1], reduction)),
                oracle: Box::new(move |x| reduced(x[0].zip(&x[1], |a, b| (a - b).powi(2)), reduction)),
            }
        });
        check(&format!("l1_loss {reduction:?}"), |d| {
            let shape = d.shape(low, 3);
            let mut other = d.distinct(&shape);
            other.1.iter_mut().for_each(|v| *v += 0.031_25);
            Case {
                inputs: vec![d.distinct(&shape), other],
                ours: Box::new(move |t| l1_loss(&t[0], &t[1], reduction)),
                oracle: Box::new(move |x| reduced(x[0].zip(&x[1], |a, b| (a - b).abs()), reduction)),
            }
        });
        check(&format!("bce_with_logits {reduction:?}"), |d| {
            let shape = d.shape(low, 3);
            let (shares, factors) = (d.positive(&shape), d.positive(&shape));
            let shares = (shape.clone(), shares.1.iter().map(|v| v / 3.0).collect::<Vec<_>>());
            let (target, factor) = (exact(&shares), exact(&factors));
            let options = BceWithLogitsOptions {
                pos_weight: Some(Tensor::from_vec(factors.1, &shape[..])),
                reduction,
                ..Default::default()
            };
            let labels = Tensor::from_vec(shares.1, &shape[..]);
            Case {
                inputs: vec![d.any(&shape)],
                ours: Box::new(move |t| bce_with_logits(&t[0], &labels, &options)),
                oracle: Box::new(move |x| {
                    let log_p = x[0].map(|x| -(-x).exp().ln_1p());
                    let log_q = x[0].map(|x| -x.exp().ln_1p());
                    let right = log_p.zip(&target, |l, t| l * t).zip(&factor, |l, f| l * f);
                    let wrong = log_q.zip(&target, |l, t| l * (1.0 - t));
                    reduced(right.zip(&wrong, |a, b| -a - b), reduction)
                }),
            }
        });
    }
}
