//! A folder of class folders inside a `.tar.gz`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Result;
use crate::datasets::archive::{Entry, parse_tar_gz, read_tar_gz};
use crate::datasets::image_folder::{ImageFile, ImageFolder, is_image};
use crate::image::Color;

/// The encoded pictures of a `.tar.gz`, in memory. Folders that wrap all of them are left out of their paths.
pub struct ImageArchive {
    path: PathBuf,
    /// Sorted by path.
    files: Vec<(PathBuf, Arc<[u8]>)>,
}

impl ImageArchive {
    /// Reads an archive.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or holds far more than its size or more than 2 GiB.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self::of(path, read_tar_gz(path, &is_wanted)?))
    }

    /// As [`ImageArchive::open`], for an archive in memory. `name` stands for the path in messages.
    ///
    /// # Errors
    /// As [`ImageArchive::open`].
    pub fn from_bytes(bytes: &[u8], name: &Path) -> Result<Self> {
        Ok(Self::of(name, parse_tar_gz(bytes, bytes.len() as u64, name, &is_wanted)?))
    }

    fn of(path: &Path, entries: Vec<Entry>) -> Self {
        let mut files: Vec<(PathBuf, Arc<[u8]>)> = entries
            .into_iter()
            .map(|entry| {
                let path = entry.path.strip_prefix("./").map(Path::to_path_buf).unwrap_or(entry.path);
                (path, entry.bytes.into())
            })
            .collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        while let Some(wrapper) = common_folder(&files) {
            for (path, _) in &mut files {
                *path = path.strip_prefix(&wrapper).map(Path::to_path_buf).unwrap_or_default();
            }
        }
        Self { path: path.into(), files }
    }

    /// Whether there is a folder of class folders of this name, such as `train`.
    pub fn has_part(&self, part: &str) -> bool {
        self.files.iter().any(|(path, _)| path.starts_with(part) && path.components().count() >= 3)
    }

    /// The class folders inside `part`, or at the top if `part` is empty. `classes` are those that labels are to
    /// index, if they come from elsewhere.
    ///
    /// # Errors
    /// As [`ImageFolder::open`] and [`ImageFolder::open_with_classes`].
    pub fn folder(&self, part: &str, classes: Option<&[String]>, color: Color) -> Result<ImageFolder> {
        let root = if part.is_empty() { self.path.clone() } else { self.path.join(part) };
        let mut listing: Vec<(String, Vec<ImageFile>)> = Vec::new();
        for (path, bytes) in &self.files {
            let Ok(inside) = path.strip_prefix(part) else { continue };
            let mut names = inside.iter();
            let (Some(class), Some(_)) = (names.next(), names.next()) else { continue };
            let class = class.to_string_lossy().into_owned();
            let file = ImageFile { path: root.join(inside), label: 0, bytes: Some(Arc::clone(bytes)) };
            match listing.last_mut() {
                Some((last, files)) if *last == class => files.push(file),
                _ => listing.push((class, vec![file])),
            }
        }
        ImageFolder::build(&root, listing, classes, color)
    }
}

/// The folder that holds all files, if it is not a class folder itself.
fn common_folder(files: &[(PathBuf, Arc<[u8]>)]) -> Option<PathBuf> {
    let first = files.first()?.0.iter().next()?;
    let wraps = |path: &Path| path.starts_with(first) && path.components().count() >= 3;
    files.iter().all(|(path, _)| wraps(path)).then(|| PathBuf::from(first))
}

fn is_wanted(path: &Path) -> bool {
    is_image(path) && !has_hidden(path)
}

fn has_hidden(path: &Path) -> bool {
    path.iter().any(|name| name.as_encoded_bytes().starts_with(b".") && name != "." && name != "..")
}
