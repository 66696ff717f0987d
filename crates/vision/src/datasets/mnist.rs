//! MNIST and Fashion-MNIST: four IDX files each.

use std::path::{Path, PathBuf};

use crate::datasets::download::{Checksums, Fetch, RemoteFile};
use crate::datasets::{InMemory, Split, idx};
use crate::{Result, VisionError};

/// A dataset in the four files of MNIST.
#[derive(Debug)]
pub struct MnistFamily {
    /// The name that `--data` takes.
    pub name: &'static str,
    /// The folder that torchvision uses: `FOLDER/raw`.
    folder: &'static str,
    classes: [&'static str; 10],
    mirrors: &'static [&'static str],
    /// MD5 sums in the order of [`FILES`].
    checksums: [Checksums; 4],
}

/// Train images, train labels, test images, test labels.
const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// Handwritten digits: 60,000 + 10,000 grey pictures of 28x28 (LeCun, Cortes and Burges 1998).
pub static MNIST: MnistFamily = MnistFamily {
    name: "mnist",
    folder: "MNIST",
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    mirrors: &["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"],
    checksums: [
        Checksums {
            file: "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            content: Some("6bbc9ace898e44ae57da46a324031adb"),
        },
        Checksums {
            file: "d53e105ee54ea40749a09fcbcd1e9432",
            content: Some("a25bea736e30d166cdddb491f175f624"),
        },
        Checksums {
            file: "9fb629c4189551a2d022fa330f9573f3",
            content: Some("2646ac647ad5339dbf082846283269ea"),
        },
        Checksums {
            file: "ec29112dd5afa0611ce80d1b7f02629c",
            content: Some("27ae3e4e09519cfbb04c329615203637"),
        },
    ],
};

/// Articles of clothing: 60,000 + 10,000 grey pictures of 28x28 (Xiao, Rasul and Vollgraf 2017).
pub static FASHION_MNIST: MnistFamily = MnistFamily {
    name: "fashion-mnist",
    folder: "FashionMNIST",
    classes: [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    mirrors: &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
    checksums: [
        Checksums { file: "8d4fb7e6c68d591d4c3dfef9ec88bf0d", content: None },
        Checksums { file: "25c81989df183df01b3e8a0aad5dffbe", content: None },
        Checksums { file: "bef4ecab320f06d8554ea6380940ec79", content: None },
        Checksums { file: "bb300cfdad3c16e7a12a480ee83cd310", content: None },
    ],
};

impl MnistFamily {
    /// Loads one split from `dir`: from `dir/FOLDER/raw` or else `dir` itself, each file gzipped or not. Files
    /// that are nowhere are downloaded into `dir/FOLDER/raw` and verified, if `fetch` allows it.
    ///
    /// # Errors
    /// If files are missing and cannot be fetched (the message says which to put where), or a file is not what
    /// its name says.
    pub fn load(&self, dir: &Path, split: Split, fetch: &Fetch<'_>) -> Result<InMemory> {
        let (images_path, labels_path) = match split {
            Split::Train => (self.obtain(dir, 0, fetch)?, self.obtain(dir, 1, fetch)?),
            Split::Test => (self.obtain(dir, 2, fetch)?, self.obtain(dir, 3, fetch)?),
        };
        let images = idx::read_file(&images_path, 3)?;
        let labels = idx::read_file(&labels_path, 1)?;
        let (count, height, width) = (images.dims[0], images.dims[1], images.dims[2]);
        if count != labels.dims[0] {
            return Err(VisionError::bad_file(
                &labels_path,
                format!(
                    "{} labels for the {count} images in {}; both must come from the same split",
                    labels.dims[0],
                    images_path.display()
                ),
            ));
        }
        InMemory::new(
            self.name,
            self.classes.map(String::from).to_vec(),
            [height, width, 1],
            images.data,
            labels.data.into_iter().map(i64::from).collect(),
            &labels_path,
        )
    }

    /// Whether the four files in `dir` are the published ones, byte for byte, whatever compressed them.
    ///
    /// # Errors
    /// If a file is missing or differs.
    pub fn verify(&self, dir: &Path) -> Result<()> {
        for (file, checksums) in self.checksums.iter().enumerate() {
            let path = self.find(dir, file).ok_or_else(|| self.missing(dir, "not all files are there"))?;
            checksums.verify(&path)?;
        }
        Ok(())
    }

    fn raw_dir(&self, dir: &Path) -> PathBuf {
        dir.join(self.folder).join("raw")
    }

    fn find(&self, dir: &Path, file: usize) -> Option<PathBuf> {
        let name = FILES[file];
        // The named folder comes first: flat files cannot say which dataset they are.
        [self.raw_dir(dir), dir.to_path_buf()]
            .iter()
            .flat_map(|dir| [dir.join(name), dir.join(format!("{name}.gz"))])
            .find(|path| path.is_file())
    }

    fn obtain(&self, dir: &Path, file: usize, fetch: &Fetch<'_>) -> Result<PathBuf> {
        if let Some(path) = self.find(dir, file) {
            return Ok(path);
        }
        let name = format!("{}.gz", FILES[file]);
        let remote = RemoteFile { name: &name, mirrors: self.mirrors, checksums: self.checksums[file] };
        fetch.file(&remote, &self.raw_dir(dir)).map_err(|error| self.missing(dir, &error.to_string()))
    }

    fn missing(&self, dir: &Path, reason: &str) -> VisionError {
        let files = (0..4).filter(|&file| self.find(dir, file).is_none());
        VisionError::MissingFiles {
            dataset: self.name.into(),
            dir: dir.into(),
            files: files.map(|file| format!("{}[.gz]", FILES[file])).collect(),
            reason: reason.into(),
        }
    }
}
