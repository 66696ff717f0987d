//! The numbers of a checkpoint: storages read from the archive, tensors cut out of them.

use super::archive::Archive;
use super::tensors::{Storage, Tensor};
use crate::weights::Problem;
use crate::weights::element::{Element, Elements, shape};
use cresset_tensor::{Array, Shape};
use std::collections::HashMap;
use std::io::{Read, Seek};

/// What tensors may take beyond twice their file.
const ALLOWANCE: u64 = 32 << 20;

/// Reads each storage once, and drops it after its last tensor.
pub(super) struct Storages<'a> {
    read: HashMap<Storage<'a>, Elements>,
    /// Tensors that still look into each storage.
    uses: HashMap<Storage<'a>, usize>,
}

fn element(storage: &Storage<'_>) -> Result<Element, Problem> {
    storage.element.ok_or_else(|| Problem::Unsupported("complex numbers are not supported".into()))
}

impl<'a> Storages<'a> {
    /// For these tensors, of a file of `length` bytes.
    ///
    /// Tensors may share storages (tied weights), be views with gaps, or repeat elements (stride 0), and half
    /// precision grows as it is converted; but a file whose tensors are far larger than itself is a trap.
    pub fn new(tensors: &[(String, &Tensor<'a>)], length: u64) -> Result<Self, Problem> {
        let limit = length.saturating_mul(2).saturating_add(ALLOWANCE);
        let mut bytes = 0u64;
        let mut uses: HashMap<Storage<'_>, usize> = HashMap::new();
        for (name, tensor) in tensors {
            let element = element(&tensor.storage).map_err(|e| e.of_tensor(name))?;
            let converted = |count: usize| (count as u64).saturating_mul(element.converted_size() as u64);
            bytes = bytes.saturating_add(converted(tensor.count().unwrap_or(usize::MAX)));
            let users = uses.entry(tensor.storage).or_default();
            *users += 1;
            // A storage that becomes its one tensor takes no room of its own.
            if *users == if tensor.is_whole() { 2 } else { 1 } {
                bytes = bytes.saturating_add(converted(tensor.storage.count));
            }
            if bytes > limit || tensor.storage.count as u64 > length {
                return Err(Problem::malformed(format!(
                    "tensor {name:?} of shape {} cannot be in a file of {length} bytes",
                    Shape::new(&tensor.sizes)
                )));
            }
        }
        Ok(Self { read: HashMap::new(), uses })
    }

    /// The next tensor.
    pub fn tensor<R: Read + Seek>(
        &mut self,
        archive: &mut Archive<R>,
        root: &str,
        tensor: &Tensor<'a>,
    ) -> Result<Array, Problem> {
        let storage = tensor.storage;
        let elements = match self.read.remove(&storage) {
            Some(elements) => elements,
            None => read(archive, root, &storage)?,
        };
        let shape = shape(&tensor.sizes)?;
        let left = self.uses.get_mut(&storage).expect("counted");
        *left -= 1;
        if *left == 0 && tensor.is_whole() {
            return Ok(elements.into_array(shape));
        }
        let array = elements.pick(tensor.places(), shape);
        if *left > 0 {
            self.read.insert(storage, elements);
        }
        Ok(array)
    }
}

fn read<R: Read + Seek>(
    archive: &mut Archive<R>,
    root: &str,
    storage: &Storage<'_>,
) -> Result<Elements, Problem> {
    let element = element(storage)?;
    let name = format!("{root}data/{}", storage.key);
    let Some(mut entry) = archive.entry(&name)? else {
        return Err(Problem::malformed(format!("the archive has no {name:?}")));
    };
    let bytes = storage.count as u64 * element.size() as u64;
    if entry.size() != bytes {
        let found = entry.size();
        return Err(Problem::malformed(format!("its storage has {found} bytes, expected {bytes}")));
    }
    Ok(Elements::read(&mut entry, element, storage.count)?)
}
