"""The engines: finding them, and timing a workload in a fresh process of each."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH = Path(__file__).resolve().parent
REPOSITORY = BENCH.parent
MNIST_FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


class Failed(Exception):
    """A process did not do what it was asked to."""


def run(command, **options):
    """The last line of a command's standard output, as JSON."""
    command = [str(word) for word in command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failed(f"{' '.join(command)} ended with status {done.returncode}: {last}")
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines else None


def build_cresset():
    """Builds the release binary and returns its path."""
    print("building cresset", file=sys.stderr)
    cargo = ["cargo", "build", "--release", "--locked", "--package", "cresset-cli"]
    if subprocess.run(cargo, cwd=REPOSITORY).returncode != 0:
        raise SystemExit("compare: cresset does not build; --binary FILE takes one that is built")
    metadata = run(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=REPOSITORY)
    return Path(metadata["target_directory"]) / "release" / "cresset"


def find_python():
    """A Python that has PyTorch, and what it says of its versions."""
    candidates = [os.environ.get("CRESSET_PYTHON")]
    if os.environ.get("VIRTUAL_ENV"):
        candidates.append(os.path.join(os.environ["VIRTUAL_ENV"], "bin", "python"))
    candidates.append(shutil.which("python3"))
    versions = (
        "import json, torch, torchvision\n"
        "found = {'PyTorch': torch.__version__}\n"
        "try:\n"
        "    import onnx, onnxruntime\n"
        "    found['onnxruntime'] = onnxruntime.__version__\n"
        "except ImportError:\n"
        "    pass\n"
        "print(json.dumps(found))"
    )
    tried = [python for python in candidates if python]
    for python in tried:
        try:
            return python, run([python, "-c", versions])
        except (OSError, Failed):
            pass
    raise SystemExit(
        f"compare: no PyTorch and torchvision in {' or '.join(tried) or 'any Python'}. Install them, for example with\n"
        "  python3 -m venv torch && torch/bin/pip install -r bench/requirements.txt\n"
        "and name that Python: CRESSET_PYTHON=torch/bin/python bench/compare"
    )


def find_mnist():
    """The folder of the MNIST files, gzipped or not, or None."""
    root = Path(os.environ.get("CRESSET_DATA", REPOSITORY.parent / "shared" / "data"))
    for folder in (root / "mnist", root / "MNIST" / "raw", REPOSITORY / "data" / "MNIST" / "raw"):
        if all((folder / name).exists() or (folder / f"{name}.gz").exists() for name in MNIST_FILES):
            return folder
    return None


class Engines:
    """Times workloads; a context, because it keeps files for as long as it lives."""

    def __init__(self, binary, python, versions, threads):
        self.binary, self.python, self.versions, self.threads = binary, python, versions, threads
        self.mnist = find_mnist()
        self.scratch = None

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_):
        self.scratch.cleanup()

    def cresset(self, work):
        if work.mode == "epoch":
            return self._cresset_mnist(work)
        steps = ["--warmup", work.warmup, "--steps", work.steps]
        bench = [self.binary, "bench", work.model, "--mode", work.mode, "--batch", work.batch, *steps]
        return run([*bench, "--threads", self.threads, "--json", *(["--amp"] if work.amp else [])])

    def torch(self, work, options):
        if work.mode == "epoch":
            script = [BENCH / "torch_mnist.py", *options, work.steps, self._unpacked_mnist(), self.threads]
        else:
            numbers = [work.batch, work.warmup, work.steps, self.threads]
            script = [BENCH / "torch_step.py", work.model, work.mode, *numbers, *options]
        return run([self.python, *script])

    def onnxruntime(self, work):
        path = Path(self.scratch.name) / f"{work.model}-{work.batch}.onnx"
        script = [self.python, BENCH / "onnx_step.py"]
        if not path.exists():
            run([*script, "export", work.model, work.batch, path])
        return run([*script, "run", path, work.warmup, work.steps, self.threads])

    def has_onnxruntime(self, work):
        return work.mode == "infer" and "onnxruntime" in self.versions

    def machine(self):
        """Peak of multiply-adds and of copying, as `cresset profile` measures them."""
        words = ["profile", "cnn", "--mode", "infer", "--batch", 1, "--warmup", 0, "--steps", 1, "--json"]
        return run([self.binary, *words, "--threads", self.threads])["machine"]

    def _cresset_mnist(self, work):
        folder = tempfile.mkdtemp(dir=self.scratch.name)
        data = ["--data", "mnist", "--data-dir", self.mnist, "--no-download"]
        training = ["--model", "cnn", "--epochs", work.steps, "--batch-size", work.batch, "--seed", 42]
        sgd = ["--opt", "sgd", "--lr", 0.01, "--momentum", 0.9, "--weight-decay", 0, "--lr-scheduler", "constant"]
        place = ["--threads", self.threads, "--output-dir", os.path.join(folder, "run")]
        command = [self.binary, "train", *data, *training, *sgd, *place]
        peak = run_with_peak(command)
        with open(os.path.join(folder, "run", "metrics.jsonl"), encoding="utf-8") as lines:
            last = json.loads(lines.readlines()[-1])
        return {"ms_per_step": last["train_seconds"] * 1e3, "peak_rss_mib": peak}

    def _unpacked_mnist(self):
        """torchvision takes the files unpacked, in MNIST/raw."""
        raw = Path(self.scratch.name) / "MNIST" / "raw"
        if not raw.exists():
            raw.mkdir(parents=True)
            for name in MNIST_FILES:
                packed = self.mnist / f"{name}.gz"
                content = gzip.open(packed) if packed.exists() else open(self.mnist / name, "rb")
                with content, open(raw / name, "wb") as out:
                    shutil.copyfileobj(content, out)
        return self.scratch.name


def run_with_peak(command):
    """Runs a command and returns the peak memory of its process in MiB."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([str(w) for w in command], stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            message = errors.read().decode(errors="replace").strip()
            raise Failed(f"{process.args[0]} {process.args[1]} ended with status {process.returncode}: {message}")
    return usage.ru_maxrss // (1 << 20 if sys.platform == "darwin" else 1 << 10)
