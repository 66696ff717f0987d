//! A folder with one folder of pictures a class.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::datasets::{Dataset, Sample, check_index};
use crate::image::{Color, decode_bytes, decode_file};
use crate::{Result, VisionError};

/// Pictures in class folders, `root/<class>/**/*.jpg`, decoded when they are asked for. torchvision's
/// `ImageFolder`.
///
/// Classes are numbered in the order of their sorted names, and samples sorted by path within. Names that begin
/// with a dot are ignored, and so are files with another ending than those of [`EXTENSIONS`].
#[derive(Clone)]
pub struct ImageFolder {
    root: PathBuf,
    classes: Vec<String>,
    files: Vec<ImageFile>,
    color: Color,
}

/// One picture that is still encoded.
#[derive(Clone)]
pub(super) struct ImageFile {
    /// Its path on disk, or below the path of its archive.
    pub path: PathBuf,
    pub label: i64,
    /// What it holds, when it came out of an archive.
    pub bytes: Option<Arc<[u8]>>,
}

/// The endings of files that are taken for pictures, in any case.
pub const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"];

/// How deep folders may be nested inside a class.
const MAX_DEPTH: usize = 16;

impl ImageFolder {
    /// Opens the folder whose class folders define the classes.
    ///
    /// # Errors
    /// If there is no class folder, or one has no picture.
    pub fn open(root: &Path, color: Color) -> Result<Self> {
        Self::build(root, list_folder(root)?, None, color)
    }

    /// Opens a folder for validation: its class folders must be among `classes`, whose numbers they get.
    ///
    /// # Errors
    /// As [`ImageFolder::open`], and if a class is unknown.
    pub fn open_with_classes(root: &Path, classes: &[String], color: Color) -> Result<Self> {
        Self::build(root, list_folder(root)?, Some(classes), color)
    }

    pub(super) fn build(
        root: &Path,
        mut listing: Vec<(String, Vec<ImageFile>)>,
        classes: Option<&[String]>,
        color: Color,
    ) -> Result<Self> {
        let wrong = |reason: String| VisionError::Folder { path: root.into(), reason };
        if listing.is_empty() {
            return Err(wrong(
                "no class folders in it; expected <class>/<image> files, one folder a class".into(),
            ));
        }
        listing.sort_by(|a, b| a.0.cmp(&b.0));
        let empty: Vec<&str> =
            listing.iter().filter(|(_, files)| files.is_empty()).map(|c| c.0.as_str()).collect();
        if !empty.is_empty() {
            return Err(wrong(format!(
                "no image in class {}; add images ({}) or remove the folder",
                name_some(&empty),
                EXTENSIONS.join(", ")
            )));
        }
        let classes = match classes {
            None => listing.iter().map(|(name, _)| name.clone()).collect(),
            Some(classes) => classes.to_vec(),
        };
        let label = |name: &str| classes.iter().position(|class| class == name);
        let unknown: Vec<&str> =
            listing.iter().map(|c| c.0.as_str()).filter(|name| label(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(wrong(format!(
                "class {} is not among the {} classes of the training data; remove the folder or add it there",
                name_some(&unknown),
                classes.len()
            )));
        }
        let mut files = Vec::new();
        for (name, of_class) in listing {
            let label = label(&name).unwrap_or_default() as i64;
            files.extend(of_class.into_iter().map(|file| ImageFile { label, ..file }));
        }
        Ok(Self { root: root.into(), classes, files, color })
    }

    /// The path of a sample's file; of an archive's, below the archive's own path.
    pub fn path(&self, index: usize) -> Option<&Path> {
        self.files.get(index).map(|file| file.path.as_path())
    }
}

/// The class folders of `root`, in no order, each with its pictures sorted by path.
fn list_folder(root: &Path) -> Result<Vec<(String, Vec<ImageFile>)>> {
    let mut classes = Vec::new();
    for path in visible(root)? {
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut files = Vec::new();
            collect(&path, 0, &mut HashSet::new(), &mut files)?;
            files.sort();
            let file = |path| ImageFile { path, label: 0, bytes: None };
            classes.push((name, files.into_iter().map(file).collect()));
        }
    }
    Ok(classes)
}

/// Links are followed, as torchvision does, but to no folder twice: two in each of a few folders would make millions of
/// paths, and one that leads back has no end.
fn collect(dir: &Path, depth: usize, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) -> Result<()> {
    let wrong = |reason: String| VisionError::Folder { path: dir.into(), reason };
    if !seen.insert(fs::canonicalize(dir).map_err(|e| VisionError::io("list", dir, e))?) {
        return Err(wrong("links lead to this folder twice: does one lead in a circle? remove it".into()));
    }
    if depth > MAX_DEPTH {
        return Err(wrong(format!("more than {MAX_DEPTH} folders deep; move its images up")));
    }
    for path in visible(dir)? {
        if path.is_dir() {
            collect(&path, depth + 1, seen, files)?;
        } else if is_image(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// The entries of a folder whose names do not begin with a dot.
fn visible(dir: &Path) -> Result<Vec<PathBuf>> {
    let io = |e| VisionError::io("list", dir, e);
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

pub(super) fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// The first few of many names.
fn name_some(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|name| format!("{name:?}")).collect();
    let rest = names.len() - shown.len();
    if rest == 0 { shown.join(", ") } else { format!("{} and {rest} more", shown.join(", ")) }
}

impl Dataset for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        check_index(index, self.len())?;
        let file = &self.files[index];
        let image = match &file.bytes {
            Some(bytes) => decode_bytes(bytes, self.color, &file.path)?,
            None => decode_file(&file.path, self.color)?,
        };
        Ok(Sample { image, label: file.label })
    }

    fn label(&self, index: usize) -> Result<i64> {
        check_index(index, self.len())?;
        Ok(self.files[index].label)
    }

    fn describe(&self, index: usize) -> String {
        match self.files.get(index) {
            Some(file) => file.path.display().to_string(),
            None => format!("sample {index}"),
        }
    }
}

impl std::fmt::Debug for ImageFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ImageFolder({}: {} images of {} classes)",
            self.root.display(),
            self.files.len(),
            self.classes.len()
        )
    }
}
