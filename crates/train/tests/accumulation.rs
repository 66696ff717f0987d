//! Adding up the gradients of small batches is training with the large batch.

mod common;

use common::{Plain, distance, loader, shuffled, trainer};
use cresset_nn::{ModuleExt, StateDict};
use cresset_train::TrainOptions;

fn trained(batch_size: usize, accumulate: usize, clip_grad_norm: Option<f64>) -> (StateDict, f64) {
    let options =
        TrainOptions { epochs: 2, accumulate, label_smoothing: 0.1, clip_grad_norm, ..Default::default() };
    // 200 images: the last step of an epoch has fewer than the others, and its last batch fewer still.
    let mut trainer = trainer(Box::new(Plain::new(1)), loader(200, shuffled(batch_size, 0)), options);
    trainer.fit(&mut ()).unwrap();
    (trainer.model().state_dict(), trainer.progress().history[1].train_loss)
}

#[test]
fn accumulation_equals_the_large_batch() {
    for clip in [None, Some(0.5)] {
        let (whole, whole_loss) = trained(72, 1, clip);
        for (batch_size, accumulate) in [(36, 2), (24, 3), (9, 8)] {
            let (parts, loss) = trained(batch_size, accumulate, clip);
            let distance = distance(&whole, &parts);
            assert!(distance < 2e-5, "{batch_size} x {accumulate}: {distance}");
            assert!((loss - whole_loss).abs() < 1e-5 * whole_loss, "{loss} {whole_loss}");
        }
        let (other, _) = trained(36, 1, clip);
        assert!(distance(&whole, &other) > 1e-3, "twice as many steps are another training");
    }
}
