//! Against PyTorch itself, where it is installed: `CRESSET_PYTHON` names its Python.

use super::{Temp, assert_same, metadata, sample};
use cresset_nn::{BatchNorm2d, Conv2d, Linear, ModuleExt};
use cresset_nn::{Module, Strictness, weights};
use cresset_tensor::Generator;
use std::path::Path;
use std::process::Command;

/// Runs a Python script with arguments; `None` (and a word about it) without PyTorch.
fn python(script: &str, args: &[&Path]) -> Option<String> {
    let Ok(python) = std::env::var("CRESSET_PYTHON") else {
        eprintln!("skipped: set CRESSET_PYTHON to a Python that has torch and safetensors");
        return None;
    };
    let output = Command::new(python).arg("-c").arg(script).args(args).output().expect("CRESSET_PYTHON runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[derive(Module)]
struct Net {
    conv: Conv2d,
    bn: BatchNorm2d,
    fc: Linear,
}

#[test]
fn pytorch_loads_what_is_written() {
    let rng = &mut Generator::new(1);
    let net =
        Net { conv: Conv2d::new(2, 3, [3, 2], rng), bn: BatchNorm2d::new(3), fc: Linear::new(3, 4, rng) };
    let (pth, safe) = (Temp::new("model.pth"), Temp::new("model.safetensors"));
    weights::save(pth.path(), &net.state_dict(), &metadata()).unwrap();
    weights::save(safe.path(), &net.state_dict(), &metadata()).unwrap();
    let script = r#"
import sys, torch
from collections import OrderedDict
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(2, 3, (3, 2)), nn.BatchNorm2d(3), nn.Linear(3, 4)
net = Net()
keys = list(net.state_dict())
state = torch.load(sys.argv[1], weights_only=True)
assert type(state) is OrderedDict and list(state) == keys, list(state)
assert torch.load(sys.argv[1], weights_only=True, mmap=True)["fc.bias"].equal(state["fc.bias"])
net.load_state_dict(state)
assert state["bn.num_batches_tracked"].dtype == torch.int64
other = load_file(sys.argv[2])
assert sorted(other) == sorted(keys)
assert all(other[k].dtype == state[k].dtype and other[k].equal(state[k]) for k in keys)
assert safe_open(sys.argv[2], "pt").metadata() == {"model": "cnn", "classes": "zero\none\t\"two\""}
print(*(float(v) for k in keys for v in state[k].flatten()))
"#;
    if let Some(printed) = python(script, &[&pth.path(), &safe.path()]) {
        let found: Vec<f32> = printed.split_whitespace().map(|v| v.parse().unwrap()).collect();
        let expected: Vec<f32> =
            net.state_dict().values().flat_map(|a| a.to_dtype(cresset_tensor::DType::F32).to_vec()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn what_pytorch_writes_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sys, torch
from pathlib import Path
from safetensors.torch import load_file, save_file
folder = Path(sys.argv[1])
tensors = torch.load(folder / "in.pth", weights_only=True)
assert list(tensors["empty"].shape) == [0, 3] and tensors["conv.weight"].is_contiguous()
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for i, (name, t) in enumerate(tensors.items()):
            self.register_buffer(f"b{i}", t)
    def state_dict(self, *args, **kwargs):
        return super().state_dict(*args, **kwargs)
torch.save(tensors, folder / "plain.pth")
torch.save(tensors, folder / "protocol4.pth", pickle_protocol=4)
torch.save({"model": {"module." + k: v for k, v in tensors.items()}, "epoch": 3, "lr": [0.1, 1e-4], "best": None},
           folder / "wrapped.pt")
torch.save({k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in tensors.items()},
           folder / "parameters.pth")
save_file(tensors, folder / "out.safetensors")
norm = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
torch.save(norm.state_dict(), folder / "module.pth")
torch.save(norm, folder / "whole.pth")
torch.save(norm.state_dict(), folder / "legacy.pth", _use_new_zipfile_serialization=False)
torch.jit.script(norm).save(folder / "script.pt")
base = torch.arange(24.).reshape(2, 3, 4)
torch.save({"t": base.permute(2, 0, 1), "s": base[:, 1:], "h": base.half(), "b": base.bfloat16(), "d": base.double(),
            "c": base[None].to(memory_format=torch.channels_last)}, folder / "views.pth")
optimizer = torch.optim.Adam(norm.parameters())
norm(torch.ones(2, 1, 5, 5)).sum().backward()
optimizer.step()
torch.save({"state_dict": norm.state_dict(), "optimizer": optimizer.state_dict()}, folder / "checkpoint.pth")
"#;
    weights::save(folder.path().join("in.pth"), &sample(), &Default::default()).unwrap();
    if python(script, &[folder.path()]).is_none() {
        return;
    }
    let load = |name: &str| weights::load(folder.path().join(name)).map(|w| w.tensors);
    for name in ["plain.pth", "protocol4.pth", "wrapped.pt", "parameters.pth"] {
        assert_same(&load(name).unwrap(), &sample());
    }
    let mut sorted = load("out.safetensors").unwrap();
    sorted.sort_keys();
    let mut expected = sample();
    expected.sort_keys();
    assert_same(&sorted, &expected);

    let rng = &mut Generator::new(0);
    let net = cresset_nn::Sequential::new().add(Conv2d::new(1, 2, 3, rng)).add(BatchNorm2d::new(2));
    for name in ["module.pth", "checkpoint.pth"] {
        net.load_state_dict(&load(name).unwrap(), Strictness::Strict).unwrap();
    }
    assert_eq!(net.state_dict()["1.num_batches_tracked"].to_vec_i64(), [1]);

    let views = load("views.pth").unwrap();
    let at = |name: &str| (views[name].shape().to_vec(), views[name].to_vec());
    let base: Vec<f32> = (0..24).map(|v| v as f32).collect();
    let permuted: Vec<f32> = (0..24).map(|i| base[i / 6 + i % 6 * 4]).collect();
    assert_eq!(at("t"), (vec![4, 2, 3], permuted));
    assert_eq!(at("s"), (vec![2, 2, 4], [&base[4..12], &base[16..24]].concat()));
    for name in ["h", "b", "d"] {
        assert_eq!(at(name), (vec![2, 3, 4], base.clone()));
    }
    assert_eq!(at("c"), (vec![1, 2, 3, 4], base));

    let refused = |name: &str| load(name).unwrap_err().to_string();
    assert!(refused("whole.pth").contains("`torch.nn.modules."), "{}", refused("whole.pth"));
    assert!(refused("legacy.pth").contains("before version 1.6"), "{}", refused("legacy.pth"));
    assert!(refused("script.pt").contains("TorchScript"), "{}", refused("script.pt"));
}
