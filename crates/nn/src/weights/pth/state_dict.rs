//! Where in a checkpoint the state dict is.

use super::tensors::{Heap, Tensor, Value, tensor};
use crate::weights::Problem;

/// Keys under which training scripts keep a state dict. Averaged weights come first: they are those to use.
const WRAPPERS: [&str; 4] = ["state_dict_ema", "model_ema", "state_dict", "model"];

/// What wrappers of modules put before every key: data parallelism and averaging, compilation.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// The counter that PyTorch's AveragedModel keeps beside the weights.
const AVERAGE_COUNTER: &str = "n_averaged";

/// The tensors of a state dict by name, in its order.
pub(super) fn find<'h, 'a>(
    heap: &'h Heap<'a>,
    value: Value<'a>,
) -> Result<Vec<(String, &'h Tensor<'a>)>, Problem> {
    let Value::Dict(top) = value else {
        return Err(Problem::Unsupported(
            "it holds no state dict; save one with torch.save(model.state_dict(), path)".into(),
        ));
    };
    let mut found = tensors(heap, top)?;
    // Training scripts nest their dicts at most twice.
    let mut dict = top;
    for _ in 0..2 {
        if !found.is_empty() {
            break;
        }
        let Some(inner) = wrapped(heap, dict) else { break };
        dict = inner;
        found = tensors(heap, dict)?;
    }
    if found.is_empty() && !heap.dicts[top].is_empty() {
        let keys: Vec<String> = heap.dicts[top].iter().filter_map(|&(key, _)| text(key)).take(8).collect();
        return Err(Problem::Unsupported(format!(
            "it holds no state dict: neither tensors nor one of {} among its keys {}",
            WRAPPERS.join(", "),
            keys.join(", ").escape_debug()
        )));
    }
    strip_prefixes(&mut found);
    Ok(found)
}

/// The longest name of a tensor. One string can be the name of many, which would multiply the work for long ones.
const MAX_NAME: usize = 1024;

/// The entries of a dict that are tensors under a name. A later one of the same name wins, as in Python.
fn tensors<'h, 'a>(heap: &'h Heap<'a>, dict: usize) -> Result<Vec<(String, &'h Tensor<'a>)>, Problem> {
    let mut found = indexmap::IndexMap::new();
    for &(key, value) in &heap.dicts[dict] {
        if let (Value::Str(name), Some(tensor)) = (key, tensor(heap, value)) {
            if name.len() > MAX_NAME {
                return Err(Problem::malformed(format!("a tensor has a name of {} bytes", name.len())));
            }
            found.insert(name, tensor);
        }
    }
    Ok(found.into_iter().map(|(name, tensor)| (String::from_utf8_lossy(name).into_owned(), tensor)).collect())
}

/// The beginning of a text.
fn text(value: Value<'_>) -> Option<String> {
    match value {
        Value::Str(bytes) => Some(String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned()),
        _ => None,
    }
}

/// The dict inside this one that holds the weights: one of [`WRAPPERS`], or the only one that holds tensors.
fn wrapped(heap: &Heap<'_>, dict: usize) -> Option<usize> {
    // Training scripts keep a handful of things; a hostile file might name one dict a million times.
    let dicts = || {
        heap.dicts[dict].iter().take(256).filter_map(|&(key, value)| match value {
            Value::Dict(inner) => Some((key, inner)),
            _ => None,
        })
    };
    let named =
        WRAPPERS.iter().find_map(|wrapper| dicts().find(|(key, _)| *key == Value::Str(wrapper.as_bytes())));
    let holds_tensors = |inner: usize| heap.dicts[inner].iter().any(|&(_, v)| tensor(heap, v).is_some());
    let mut with_tensors = dicts().filter(|&(_, inner)| holds_tensors(inner));
    let only = with_tensors.next().filter(|_| with_tensors.next().is_none());
    named.or(only).map(|(_, inner)| inner)
}

fn strip_prefixes(tensors: &mut Vec<(String, &Tensor<'_>)>) {
    let mut again = true;
    while again {
        again = false;
        for prefix in PREFIXES {
            let has_it = |name: &str| name.starts_with(prefix) || name == AVERAGE_COUNTER;
            let all = tensors.iter().all(|(name, _)| has_it(name));
            if all && tensors.iter().any(|(name, _)| name.starts_with(prefix)) {
                tensors.retain(|(name, _)| name != AVERAGE_COUNTER);
                tensors.iter_mut().for_each(|(name, _)| drop(name.drain(..prefix.len())));
                again = true;
            }
        }
    }
}
