//! The loader: order, resumption, workers, errors.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cresset_vision::datasets::{Dataset, Sample, Split, digits};
use cresset_vision::image::Image;
use cresset_vision::loader::{Batch, DataLoader, LoaderOptions, Mix, Targets};
use cresset_vision::random::SampleRng;
use cresset_vision::transforms::{Compose, ImageTransform, Normalize, Pipeline};
use cresset_vision::{Result, VisionError};

/// A random transform that shows which random numbers it got.
#[derive(Debug)]
struct Stamp;

impl ImageTransform for Stamp {
    fn apply(&self, mut image: Image, rng: &mut SampleRng) -> Result<Image> {
        image.pixels_mut()[0] = rng.below(256) as u8;
        Ok(image)
    }
}

fn pipeline() -> Pipeline {
    Compose::new().then(Stamp).to_tensor().then(Normalize::new(&[0.5], &[0.25]).unwrap())
}

fn options() -> LoaderOptions {
    LoaderOptions { batch_size: 50, shuffle: true, seed: 3, ..Default::default() }
}

fn loader(options: LoaderOptions) -> DataLoader {
    DataLoader::new(Arc::new(digits::load(Split::Test).unwrap()), pipeline(), options).unwrap()
}

fn all(batches: impl Iterator<Item = Result<Batch>>) -> Vec<Batch> {
    batches.map(|batch| batch.unwrap()).collect()
}

#[test]
fn nothing_depends_on_the_number_of_workers() {
    let mix = Mix::new(0.2, 1.0).unwrap();
    let expected = all(loader(LoaderOptions { mix, ..options() }).epoch(4));
    assert_eq!(expected.len(), 8);
    assert_eq!(expected[7].shape, [5, 1, 28, 28]);
    for (workers, prefetch) in [(1, 0), (2, 1), (3, 4), (20, 0)] {
        let loader = loader(LoaderOptions { mix, workers, prefetch, ..options() });
        assert_eq!(all(loader.epoch(4)), expected, "{workers} workers");
    }
}

#[test]
fn every_sample_comes_once_in_an_order_of_its_epoch() {
    let loader = loader(options());
    let order = |epoch| all(loader.epoch(epoch)).into_iter().flat_map(|b| b.indices).collect::<Vec<_>>();
    let (first, second) = (order(0), order(1));
    assert_ne!(first, second);
    assert_eq!(first, order(0));
    let mut sorted = first.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..355).collect::<Vec<_>>());
    // Augmentation differs from epoch to epoch too.
    let stamp = |epoch| all(loader.epoch(epoch))[0].images[0];
    assert_ne!(stamp(0), stamp(1));
}

#[test]
fn an_epoch_resumes_anywhere() {
    for workers in [0, 2] {
        let loader = loader(LoaderOptions { workers, ..options() });
        let whole = all(loader.epoch(1));
        assert_eq!(all(loader.epoch_from(1, 5)), whole[5..]);
        assert_eq!(loader.epoch_from(1, 5).next().unwrap().unwrap().position, 5);
        assert_eq!(loader.epoch_from(1, 8).count() + loader.epoch_from(1, 99).count(), 0);
    }
}

#[test]
fn incomplete_batches_can_be_dropped() {
    let loader = loader(LoaderOptions { drop_last: true, ..options() });
    assert_eq!((loader.num_batches(), loader.num_samples()), (7, 350));
    assert!(all(loader.epoch(0)).iter().all(|b| b.len() == 50));
}

#[test]
fn images_are_normalized_and_labelled() {
    let data = Arc::new(digits::load(Split::Test).unwrap());
    let transforms = Compose::new().to_tensor().then(Normalize::new(&[0.5], &[0.25]).unwrap());
    let loader = DataLoader::new(data.clone(), transforms, LoaderOptions::default()).unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    assert_eq!(batch.indices, (0..64).collect::<Vec<_>>());
    assert_eq!(batch.targets, Targets::Indices(data.labels()[..64].to_vec()));
    for (x, &byte) in batch.images.iter().zip(data.pixels()) {
        assert_eq!(*x, (f32::from(byte) / 255.0 - 0.5) / 0.25);
    }
}

#[test]
fn buffers_come_from_the_callers_pool() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let pool = move |floats| {
        counter.fetch_add(floats, Ordering::Relaxed);
        vec![9.0; floats] // a pool may hand out used memory
    };
    let data = Arc::new(digits::load(Split::Test).unwrap());
    let loader = DataLoader::with_buffers(data, pipeline(), options(), Arc::new(pool)).unwrap();
    assert_eq!(all(loader.epoch(0)), all(self::loader(options()).epoch(0)));
    assert_eq!(asked.load(Ordering::Relaxed), 355 * 28 * 28);
}

/// Fifty grey pictures, some of which are trouble.
struct Trouble {
    classes: Vec<String>,
    loaded: AtomicUsize,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    None,
    Broken,
    Panics,
    Larger,
}

fn trouble(kind: Kind, options: LoaderOptions) -> (Arc<Trouble>, DataLoader) {
    let data = Arc::new(Trouble { classes: vec!["a".into()], loaded: AtomicUsize::new(0), kind });
    let transforms = Compose::new().to_tensor();
    (data.clone(), DataLoader::new(data, transforms, options).unwrap())
}

impl Dataset for Trouble {
    fn len(&self) -> usize {
        50
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        self.loaded.fetch_add(1, Ordering::Relaxed);
        let trouble = index == 25 || (30..40).contains(&index);
        let size = if trouble && self.kind == Kind::Larger { 5 } else { 4 };
        if trouble && self.kind == Kind::Broken {
            let reason = "no image".into();
            return Err(VisionError::Decode { path: self.describe(index).into(), reason });
        }
        assert!(!(trouble && self.kind == Kind::Panics), "the dataset has a bug at {index}");
        Ok(Sample { image: Image::filled(size, 4, &[index as u8]), label: 0 })
    }

    fn label(&self, _index: usize) -> Result<i64> {
        Ok(0)
    }

    fn describe(&self, index: usize) -> String {
        format!("dir/{index}.png")
    }
}

fn in_tens(workers: usize) -> LoaderOptions {
    LoaderOptions { batch_size: 10, workers, ..Default::default() }
}

#[test]
fn a_bad_sample_ends_the_epoch_with_its_name() {
    for workers in [0, 3] {
        for (kind, expected) in [
            (Kind::Broken, "dir/25.png: not a readable image: no image"),
            (Kind::Panics, "a panic while loading batch 2: the dataset has a bug at 25"),
            (Kind::Larger, "batch: dir/25.png is 5x4 with 1 channels, but dir/20.png is 4x4"),
        ] {
            let (_, loader) = trouble(kind, in_tens(workers));
            let mut epoch = loader.epoch(0);
            assert!(epoch.next().unwrap().is_ok() && epoch.next().unwrap().is_ok());
            let message = epoch.next().unwrap().unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
            assert!(epoch.next().is_none());
        }
    }
}

#[test]
fn broken_samples_are_skipped_on_request_and_counted_once() {
    for workers in [0, 3] {
        let (_, loader) = trouble(Kind::Broken, LoaderOptions { skip_broken: true, ..in_tens(workers) });
        for epoch in 0..2 {
            let batches = all(loader.epoch(epoch));
            assert_eq!(
                batches.iter().map(|b| (b.position, b.len())).collect::<Vec<_>>(),
                [(0, 10), (1, 10), (2, 9), (4, 10)]
            );
            assert_eq!(batches[2].shape, [9, 1, 4, 4]);
            assert_eq!(batches[2].images.len(), 9 * 16);
        }
        let broken = loader.broken();
        assert_eq!(
            broken.iter().map(|b| b.0).collect::<Vec<_>>(),
            [25, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39]
        );
        assert!(broken[0].1.contains("dir/25.png"));
        // Skipping excuses files, not bugs.
        let (_, loader) = trouble(Kind::Panics, LoaderOptions { skip_broken: true, ..in_tens(workers) });
        assert!(loader.epoch(0).any(|batch| batch.is_err()));
    }
}

#[test]
fn dropping_an_epoch_early_joins_its_workers() {
    let (data, loader) = trouble(Kind::None, LoaderOptions { prefetch: 2, ..in_tens(2) });
    let mut epoch = loader.epoch(0);
    epoch.next().unwrap().unwrap();
    drop(epoch);
    drop(loader);
    assert_eq!(Arc::strong_count(&data), 1, "no thread holds the dataset any more");
    assert!(data.loaded.load(Ordering::Relaxed) <= 30, "one batch was used and two were in the making");
}

#[test]
fn options_are_checked() {
    let data: Arc<dyn Dataset> = Arc::new(digits::load(Split::Test).unwrap());
    let message = |options| {
        DataLoader::new(Arc::clone(&data), pipeline(), options).map(|_| ()).unwrap_err().to_string()
    };
    let default = LoaderOptions::default;
    assert_eq!(message(LoaderOptions { batch_size: 0, ..default() }), "batch size is 0, allowed: 1 or more");
    assert!(message(LoaderOptions { workers: 5000, ..default() }).contains("0 to 1024"));
    let dropped = message(LoaderOptions { batch_size: 400, drop_last: true, ..default() });
    assert!(dropped.contains("1 to 355"), "{dropped}");
    assert!(DataLoader::new(data, pipeline(), LoaderOptions { batch_size: usize::MAX, ..default() }).is_ok());
}
