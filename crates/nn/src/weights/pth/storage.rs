//! The numbers of a checkpoint: storages read from the archive, tensors cut out of them.

use super::heap::{Heap, Tensor};
use super::{Archive, entry};
use crate::weights::Problem;
use crate::weights::element::{Element, Elements, shape};
use cresset_tensor::{Array, Shape};
use std::collections::HashMap;

/// Reads each storage once, and drops it after its last tensor.
pub(super) struct Storages<'a> {
    heap: &'a Heap,
    read: HashMap<Description<'a>, Elements>,
    /// Tensors that still look into each storage.
    uses: HashMap<Description<'a>, usize>,
}

/// A storage as a tensor describes it: its name, element type and length.
type Description<'a> = (&'a str, Element, usize);

fn describe<'a>(heap: &'a Heap, tensor: &Tensor) -> Result<Description<'a>, Problem> {
    let storage = &heap.storages[tensor.storage];
    let element =
        storage.element.ok_or_else(|| Problem::Unsupported("complex numbers are not supported".into()))?;
    Ok((&heap.strings[storage.key], element, storage.count))
}

impl<'a> Storages<'a> {
    /// For these tensors, of a file of `length` bytes.
    ///
    /// Tensors may share storages (tied weights), be views with gaps, or repeat elements (stride 0), and half
    /// precision grows as it is converted; but a file whose tensors are far larger than itself is a trap.
    pub fn new(heap: &'a Heap, tensors: &[(String, &'a Tensor)], length: u64) -> Result<Self, Problem> {
        let limit = length.saturating_mul(8).saturating_add(1 << 20);
        let mut bytes = 0u64;
        let mut uses: HashMap<Description, usize> = HashMap::new();
        for (name, tensor) in tensors {
            let storage = describe(heap, tensor).map_err(|e| e.of_tensor(name))?;
            bytes = bytes.saturating_add((tensor.count().unwrap_or(usize::MAX) as u64).saturating_mul(4));
            if bytes > limit || storage.2 as u64 > length {
                return Err(Problem::malformed(format!(
                    "tensor {name:?} of shape {} cannot be in a file of {length} bytes",
                    Shape::new(&tensor.sizes)
                )));
            }
            *uses.entry(storage).or_default() += 1;
        }
        Ok(Self { heap, read: HashMap::new(), uses })
    }

    /// The next tensor.
    pub fn tensor(&mut self, archive: &mut Archive, root: &str, tensor: &Tensor) -> Result<Array, Problem> {
        let storage = describe(self.heap, tensor)?;
        let (key, element, count) = storage;
        let elements = match self.read.remove(&storage) {
            Some(elements) => elements,
            None => {
                let name = format!("{root}data/{key}");
                let Some(mut entry) = entry(archive, &name)? else {
                    return Err(Problem::malformed(format!("the archive has no {name:?}")));
                };
                let bytes = count as u64 * element.size() as u64;
                if entry.size() != bytes {
                    let found = entry.size();
                    return Err(Problem::malformed(format!(
                        "its storage has {found} bytes, expected {bytes}"
                    )));
                }
                let elements = Elements::read(&mut entry, element, count)?;
                // The checksum is compared at the end of the entry.
                std::io::copy(&mut entry, &mut std::io::sink())?;
                elements
            }
        };
        let shape = shape(&tensor.sizes)?;
        let left = self.uses.get_mut(&storage).expect("counted");
        *left -= 1;
        if *left == 0 && tensor.is_whole(count) {
            return Ok(elements.into_array(shape));
        }
        let array = elements.pick(tensor.places(), shape);
        if *left > 0 {
            self.read.insert(storage, elements);
        }
        Ok(array)
    }
}
