//! Fused chains against the modules one by one, and the packed weights of evaluation against changes.

use cresset_nn::{
    BatchNorm2d, Conv2d, Forward, Linear, Module, ModuleExt, Param, bn_relu, conv_bn, conv_bn_add_relu,
    conv_bn_relu, conv_relu, conv_relu_max_pool, init, linear_relu,
};
use cresset_tensor::{Generator, Tensor, no_grad};

#[derive(Module, Clone)]
struct Chain {
    conv: Conv2d,
    bn: BatchNorm2d,
}

type Run = fn(&Chain, &Tensor, &Tensor) -> Tensor;

/// The fused call and what it stands for.
const CASES: [(&str, Run, Run); 5] = [
    ("conv_relu", |c, x, _| conv_relu(&c.conv, x), |c, x, _| c.conv.forward(x).relu()),
    ("conv_bn", |c, x, _| conv_bn(&c.conv, &c.bn, x), |c, x, _| c.bn.forward(&c.conv.forward(x))),
    (
        "conv_bn_relu",
        |c, x, _| conv_bn_relu(&c.conv, &c.bn, x),
        |c, x, _| c.bn.forward(&c.conv.forward(x)).relu(),
    ),
    (
        "conv_bn_add_relu",
        |c, x, s| conv_bn_add_relu(&c.conv, &c.bn, x, s.clone()),
        |c, x, s| c.bn.forward(&c.conv.forward(x)).add(s).relu(),
    ),
    ("bn_relu", |c, _, s| bn_relu(&c.bn, s), |c, _, s| c.bn.forward(s).relu()),
];

fn chain(rng: &mut Generator) -> Chain {
    let chain = Chain { conv: Conv2d::builder(5, 8, 3).padding(1).build(rng), bn: BatchNorm2d::new(8) };
    init::uniform(chain.bn.weight.as_ref().unwrap(), 0.5, 1.5, rng);
    init::uniform(chain.bn.bias.as_ref().unwrap(), -0.5, 0.5, rng);
    chain
}

fn assert_close(what: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{what}");
    let scale = b.iter().fold(1.0, |m: f32, v| m.max(v.abs()));
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= 3e-5 * scale, "{what}[{i}]: {a} fused, {b} composed");
    }
}

fn grads(params: &[Param]) -> Vec<Vec<f32>> {
    params.iter().map(|p| p.grad().map_or_else(Vec::new, |g| g.to_vec())).collect()
}

#[test]
fn training_agrees_with_the_modules_one_by_one() {
    let mut rng = Generator::new(1);
    let (x, s) = (Tensor::randn([3, 5, 6, 7], &mut rng), Tensor::randn([3, 8, 6, 7], &mut rng));
    for (name, fused, composed) in CASES {
        let (a, b) = (chain(&mut Generator::new(2)), chain(&mut Generator::new(2)));
        let cotangent = Tensor::randn([3, 8, 6, 7], &mut rng);
        let (ya, yb) = (fused(&a, &x, &s), composed(&b, &x, &s));
        assert_close(name, &ya.to_vec(), &yb.to_vec());
        ya.backward_with(&cotangent);
        yb.backward_with(&cotangent);
        for (ga, gb) in grads(&a.parameters()).iter().zip(grads(&b.parameters())) {
            assert_close(name, ga, &gb);
        }
        for ((key, va), (_, vb)) in a.named_buffers().iter().zip(b.named_buffers()) {
            if !key.ends_with("tracked") {
                assert_close(key, &va.to_vec(), &vb.to_vec());
            } else {
                assert_eq!(va.to_vec_i64(), vb.to_vec_i64(), "{name}");
            }
        }
    }
}

#[test]
fn pooling_a_few_images_at_a_time_changes_nothing() {
    let mut rng = Generator::new(4);
    let chain = chain(&mut rng);
    // 8 channels of 64x64: four images fill the cache.
    let x = Tensor::randn([10, 5, 64, 64], &mut rng);
    for size in [2, 4] {
        let whole = chain.conv.forward(&x).relu().max_pool2d(size);
        let parts = no_grad(|| conv_relu_max_pool(&chain.conv, &x, size));
        assert_eq!(parts.shape(), whole.shape());
        assert_close("conv_relu_max_pool", &parts.to_vec(), &whole.to_vec());
    }
}

#[test]
fn pooled_convolutions_train_as_their_parts() {
    let mut rng = Generator::new(5);
    let x = Tensor::randn([3, 5, 6, 7], &mut rng);
    for size in [2, 3] {
        let (a, b) = (chain(&mut Generator::new(2)), chain(&mut Generator::new(2)));
        let ya = conv_relu_max_pool(&a.conv, &x, size);
        let yb = b.conv.forward(&x).relu().max_pool2d(size);
        assert_close("value", &ya.to_vec(), &yb.to_vec());
        let cotangent = Tensor::randn(ya.shape().clone(), &mut rng);
        ya.backward_with(&cotangent);
        yb.backward_with(&cotangent);
        for (ga, gb) in grads(&a.conv.parameters()).iter().zip(grads(&b.conv.parameters())) {
            assert_close("gradient", ga, &gb);
        }
    }
}

#[test]
fn packed_weights_follow_every_change() {
    let mut rng = Generator::new(3);
    let (x, s) = (Tensor::randn([2, 5, 6, 7], &mut rng), Tensor::randn([2, 8, 6, 7], &mut rng));
    let larger = (Tensor::randn([1, 5, 9, 9], &mut rng), Tensor::randn([1, 8, 9, 9], &mut rng));
    for (name, fused, composed) in CASES {
        let mut model = chain(&mut rng);
        model.forward_in_training(&x);
        model.eval();
        let check = |model: &Chain, what: &str| {
            for (x, s) in [(&x, &s), (&larger.0, &larger.1), (&x, &s)] {
                let (a, b) = no_grad(|| (fused(model, x, s), composed(model, x, s)));
                assert_close(&format!("{name}, {what}"), &a.to_vec(), &b.to_vec());
            }
        };
        check(&model, "as made");
        for param in model.parameters() {
            param.update(|value| value.memory_mut().iter_mut().for_each(|v| *v += 0.25));
            check(&model, "after an update");
        }
        let scaled = model.conv.weight.array().map(|v| 2.0 * v);
        model.conv.weight.set(scaled);
        check(&model, "after set()");
        model.train();
        model.forward_in_training(&x);
        model.eval();
        check(&model, "after more training");
        let copy = model.clone();
        copy.conv.weight.update(|value| value.memory_mut().fill(0.1));
        check(&copy, "of a copy");
        check(&model, "beside a changed copy");
    }
}

#[test]
fn results_depend_on_the_batch_and_not_on_those_before_it() {
    let mut rng = Generator::new(5);
    let conv = Conv2d::builder(32, 32, 3).padding(1).build(&mut rng);
    // Four of Winograd's tiles an image: too few for it in the small batch.
    let [small, large] = [1, 16].map(|batch| Tensor::randn([batch, 32, 8, 8], &mut rng));
    let run = |conv: &Conv2d, x: &Tensor| no_grad(|| conv_relu(conv, x).to_vec());
    let (small_first, large_first) = (conv.clone(), conv.clone());
    let a = [&small, &large, &small].map(|x| run(&small_first, x));
    let b = [&large, &small, &large].map(|x| run(&large_first, x));
    assert_eq!([&a[0], &a[1], &a[2]], [&b[1], &b[0], &b[1]]);
    assert_eq!(b[0], b[2]);
}

impl Chain {
    /// Moves the running statistics.
    fn forward_in_training(&self, x: &Tensor) {
        conv_bn_relu(&self.conv, &self.bn, x);
    }
}

/// A bottleneck of fused chains, each of whose inputs the one before it computes again for backward: the last 1x1
/// convolution's output and that of the shortcut are not kept either.
#[derive(Module, Clone)]
struct Block {
    reduce: Chain,
    middle: Chain,
    expand: Chain,
    shortcut: Chain,
}

impl Block {
    fn new(rng: &mut Generator) -> Self {
        let mut chain = |inputs: usize, outputs: usize, kernel: usize, stride: usize| Chain {
            conv: Conv2d::builder(inputs, outputs, kernel).stride(stride).padding(kernel / 2).build(rng),
            bn: BatchNorm2d::new(outputs),
        };
        // 16 x 3 x 3 multiply-adds are worth keeping the middle convolution's output.
        let (reduce, middle) = (chain(24, 16, 1, 1), chain(16, 16, 3, 2));
        Self { reduce, middle, expand: chain(16, 32, 1, 1), shortcut: chain(24, 32, 1, 2) }
    }

    fn fused(&self, x: &Tensor) -> Tensor {
        let y = conv_bn_relu(&self.reduce.conv, &self.reduce.bn, x);
        let y = conv_bn_relu(&self.middle.conv, &self.middle.bn, &y);
        let shortcut = conv_bn(&self.shortcut.conv, &self.shortcut.bn, x);
        conv_bn_add_relu(&self.expand.conv, &self.expand.bn, &y, shortcut)
    }

    fn composed(&self, x: &Tensor) -> Tensor {
        let run = |chain: &Chain, x: &Tensor| chain.bn.forward(&chain.conv.forward(x));
        let y = run(&self.middle, &run(&self.reduce, x).relu()).relu();
        run(&self.expand, &y).add(&run(&self.shortcut, x)).relu()
    }
}

#[test]
fn a_block_whose_activations_are_computed_again_agrees_with_its_modules_one_by_one() {
    let mut rng = Generator::new(6);
    let x = Tensor::randn([3, 24, 7, 6], &mut rng).requires_grad();
    let x2 = Tensor::constant(x.array().clone()).requires_grad();
    let block = Block::new(&mut rng);
    let (a, b) = (block.clone(), block);
    let (ya, yb) = (a.fused(&x), b.composed(&x2));
    assert_close("output", &ya.to_vec(), &yb.to_vec());
    let cotangent = Tensor::randn(ya.shape().clone(), &mut rng);
    ya.backward_with(&cotangent);
    yb.backward_with(&cotangent);
    assert_close("input gradient", &x.grad().unwrap().to_vec(), &x2.grad().unwrap().to_vec());
    for ((name, pa), (_, pb)) in a.named_parameters().iter().zip(b.named_parameters()) {
        assert_close(name, &pa.grad().unwrap().to_vec(), &pb.grad().unwrap().to_vec());
    }
    for ((key, va), (_, vb)) in a.named_buffers().iter().zip(b.named_buffers()) {
        if !key.ends_with("tracked") {
            assert_close(key, &va.to_vec(), &vb.to_vec());
        }
    }
}

#[test]
fn a_frozen_layer_lets_gradients_through() {
    let mut rng = Generator::new(7);
    let x = Tensor::randn([2, 24, 5, 5], &mut rng).requires_grad();
    let block = Block::new(&mut rng);
    let whole = block.clone();
    block.middle.conv.weight.set_trainable(false);
    let cotangent = Tensor::randn([2, 32, 3, 3], &mut rng);
    for block in [&block, &whole] {
        block.fused(&x).backward_with(&cotangent);
    }
    assert!(block.middle.conv.weight.grad().is_none());
    assert_eq!(
        block.reduce.conv.weight.grad().unwrap().to_vec(),
        whole.reduce.conv.weight.grad().unwrap().to_vec()
    );
}

#[test]
#[should_panic(expected = "already used and freed")]
fn a_second_backward_is_refused() {
    let mut rng = Generator::new(8);
    let x = Tensor::randn([2, 24, 5, 5], &mut rng);
    let block = Block::new(&mut rng);
    let y = conv_bn_relu(&block.reduce.conv, &block.reduce.bn, &x);
    let branch = |chain: &Chain| conv_bn_relu(&chain.conv, &chain.bn, &y).sum();
    let (first, second) = (branch(&block.middle), branch(&block.expand));
    first.backward();
    second.backward();
}

#[test]
fn a_shortcut_that_somebody_holds_is_not_written_over() {
    let mut rng = Generator::new(4);
    let mut chain = chain(&mut rng);
    chain.eval();
    let (x, shortcut) = (Tensor::randn([3, 5, 6, 7], &mut rng), Tensor::randn([3, 8, 6, 7], &mut rng));
    let run = |shortcut: Tensor| no_grad(|| conv_bn_add_relu(&chain.conv, &chain.bn, &x, shortcut).to_vec());
    let before = shortcut.to_vec();
    let beside = run(shortcut.clone());
    assert_eq!(shortcut.to_vec(), before);
    let (view, whole) = (shortcut.narrow(0, 1, 1), shortcut.narrow(0, 0, 3));
    drop(shortcut);
    assert_eq!(run(whole), beside, "beside a view");
    assert_eq!(view.to_vec(), before[8 * 6 * 7..2 * 8 * 6 * 7]);
    let unshared = Tensor::from_vec(before, [3, 8, 6, 7]);
    assert_eq!(run(unshared), beside, "in its place, the same bits");
}

#[test]
fn a_linear_layer_with_relu_trains_as_its_parts() {
    let mut rng = Generator::new(6);
    for bias in [true, false] {
        let a = Linear::builder(7, 9).bias(bias).build(&mut rng);
        let b = a.clone();
        let x = Tensor::randn([4, 7], &mut rng);
        let (ya, yb) = (linear_relu(&a, &x), b.forward(&x).relu());
        assert_eq!(ya.to_vec(), yb.to_vec());
        let cotangent = Tensor::randn([4, 9], &mut rng);
        ya.backward_with(&cotangent);
        yb.backward_with(&cotangent);
        assert_eq!(grads(&a.parameters()), grads(&b.parameters()));
    }
}
