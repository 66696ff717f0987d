//! Evaluation needs less memory than training: nothing is kept for a backward pass.
//!
//! Memory is counted for the whole process, so everything is in one test.

use cresset_nn::{Layer, ModuleExt};
use cresset_tensor::{Generator, Tensor, memory_in_use, no_grad, peak_memory, reset_peak_memory};
use cresset_vision::models;

/// Bytes of buffers at the peak of `f`, besides those in use before.
fn peak<R>(f: impl FnOnce() -> R) -> (R, usize) {
    let before = memory_in_use();
    reset_peak_memory();
    let result = f();
    (result, peak_memory() - before)
}

#[test]
fn evaluation_takes_less_memory_than_a_training_forward() {
    for (name, batch, size, share) in
        [("resnet18", 4, 128, 0.6), ("cifar_resnet20", 32, 32, 0.5), ("cnn", 64, 28, 0.65)]
    {
        let entry = models::find(name).unwrap();
        let config = models::ModelConfig { input_size: (size, size), ..entry.default_config() };
        let mut model = entry.build(&config, &mut Generator::new(0)).unwrap();
        let x = Tensor::randn([batch, config.in_channels, size, size], &mut Generator::new(1));
        let forward = |model: &dyn Layer| model.forward(&x);
        model.train();
        let (graph, training) = peak(|| forward(&*model));
        drop(graph);
        model.eval();
        let (_, evaluation) = peak(|| no_grad(|| forward(&*model)));
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        println!("{name}: {:.1} MiB in evaluation, {:.1} MiB in training", mib(evaluation), mib(training));
        assert!(
            evaluation as f64 <= share * training as f64,
            "{name}: {:.1} MiB in evaluation, {:.1} MiB in training",
            mib(evaluation),
            mib(training)
        );
    }
}
