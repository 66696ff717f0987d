"""The rows of the table: what is timed, and for how many steps."""

from dataclasses import dataclass, field, replace
from typing import List, Tuple

CHANNELS_LAST, FROZEN, BF16 = "channels_last", "frozen", "bf16"
TRAINING = [(), (CHANNELS_LAST,)]
INFERENCE = TRAINING + [(FROZEN,), (FROZEN, CHANNELS_LAST)]
QUICK_OPTION = {"train": 1, "epoch": 0, "infer": 2}


@dataclass
class Workload:
    """`warmup` steps, then `steps` that are timed, in a process of its own. `options` are what PyTorch is tried with."""

    model: str
    mode: str
    batch: int
    warmup: int
    steps: int
    options: List[Tuple[str, ...]] = field(default_factory=lambda: TRAINING)
    # In mixed precision, both engines.
    amp: bool = False

    @property
    def name(self):
        return f"{self.model} {self.mode} {self.batch}{' bf16' if self.amp else ''}"

    def quick(self):
        """Fewer steps, and only the options that usually win: for trying things out."""
        few = max(1, self.steps // 10)
        option = self.options[min(QUICK_OPTION[self.mode], len(self.options) - 1)]
        return replace(self, warmup=min(self.warmup, few), steps=few, options=[option])


def infer(model, batch, steps):
    return Workload(model, "infer", batch, max(2, steps // 5), steps, INFERENCE)


# An epoch: `steps` epochs are trained and the last one counts.
MNIST = Workload("mnist", "epoch", 64, 0, 2, [("in-memory",), ("tutorial",)])

ALL = [
    Workload("cnn", "train", 64, 50, 300),
    MNIST,
    Workload("cifar_resnet18", "train", 64, 2, 8),
    Workload("resnet18", "train", 16, 2, 8),
    Workload("resnet50", "train", 16, 1, 4),
    infer("resnet18", 1, 50),
    infer("resnet18", 16, 10),
    infer("resnet50", 16, 6),
]

# Only where the processor has instructions for it, or `--only` names it: elsewhere PyTorch takes twenty times as long in
# bfloat16 as in float32.
MIXED = [Workload("resnet18", "train", 16, 2, 6, [(BF16, CHANNELS_LAST)], amp=True)]


def select(only, mixed=False):
    """The rows whose names hold all words of one of `only`; if there is none the usual ones, and the `mixed` ones."""
    wanted = [set(words.replace("-", " ").split()) for words in only]
    if not wanted:
        return ALL + MIXED if mixed else ALL
    rows = [w for w in ALL + MIXED if any(words <= set(w.name.split()) for words in wanted)]
    # Mixed precision is slow where the processor does not help: it has to be asked for.
    rows = [w for w in rows if not w.amp or any(BF16 in words for words in wanted)]
    if not rows:
        raise SystemExit(f"compare: no row matches --only; there are {', '.join(w.name for w in ALL + MIXED)}")
    return rows
