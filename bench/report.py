"""From the measurements of all rounds to the table."""

import re
from pathlib import Path
from statistics import median

MARKS = "<!-- bench/compare -->", "<!-- end of bench/compare -->"


class Row:
    """The measurements of a workload: for each engine, and each of PyTorch's options, one a round."""

    def __init__(self, work):
        self.work = work
        self.cresset, self.onnxruntime, self.torch = [], [], {}
        self.skipped = None
        self.floor_ms = None

    def best_options(self):
        """PyTorch's options that were measured in every round and have the lowest median."""
        rounds = max(map(len, self.torch.values()))
        complete = [options for options, runs in self.torch.items() if len(runs) == rounds]
        return min(complete, key=lambda options: median_ms(self.torch[options]))

    def slow_options(self, factor):
        """PyTorch's options that took longer than `factor` times its best; none before the first round."""
        if not self.torch:
            return []
        limit = factor * median_ms(self.torch[self.best_options()])
        return [options for options, runs in self.torch.items() if median_ms(runs) > limit]

    def summary(self):
        """The figures of the table, as plain values."""
        work = {"work": self.work.name, "model": self.work.model, "mode": self.work.mode, "batch": self.work.batch, "amp": self.work.amp}
        if self.skipped or not self.torch:
            return {**work, "skipped": self.skipped or "interrupted"}
        options = self.best_options()
        torch = self.torch[options]
        rounds = [c["ms_per_step"] / t["ms_per_step"] for c, t in zip(self.cresset, torch)]
        memory, torch_memory = peak_mib(self.cresset), peak_mib(torch)
        figures = {
            **work,
            "cresset_ms": median_ms(self.cresset),
            "torch_ms": median_ms(torch),
            "torch_options": list(options),
            "ratio": median_ms(self.cresset) / median_ms(torch),
            "ratio_min": min(rounds),
            "ratio_max": max(rounds),
            "cresset_peak_mib": memory,
            "torch_peak_mib": torch_memory,
            "memory_ratio": memory / torch_memory,
            "floor_ms": self.floor_ms,
            "torch_all_ms": {" ".join(o) or "default": [r["ms_per_step"] for r in runs] for o, runs in self.torch.items()},
            "cresset_all_ms": [r["ms_per_step"] for r in self.cresset],
        }
        if self.onnxruntime:
            figures["onnxruntime_ms"] = median_ms(self.onnxruntime)
            figures["onnxruntime_ratio"] = figures["cresset_ms"] / figures["onnxruntime_ms"]
        return figures


def median_ms(runs):
    return median(run["ms_per_step"] for run in runs)


def peak_mib(runs):
    return max(run["peak_rss_mib"] for run in runs)


def milliseconds(ms):
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.2f}"


def title(work):
    if work["mode"] == "epoch":
        return "`cnn`, an epoch of MNIST with loading"
    mode = "training" if work["mode"] == "train" else "inference"
    return f"`{work['model']}`, {mode}, batch {work['batch']}{', bfloat16' if work['amp'] else ''}"


def line(row):
    if "skipped" in row:
        return [title(row), f"skipped: {row['skipped']}", "", "", "", "", "", ""]
    options = " ".join(row["torch_options"]) or "default"
    onnxruntime = "–"
    if "onnxruntime_ms" in row:
        onnxruntime = f"{milliseconds(row['onnxruntime_ms'])} ({row['onnxruntime_ratio']:.2f})"
    return [
        title(row),
        milliseconds(row["cresset_ms"]),
        f"{milliseconds(row['torch_ms'])} {options}",
        f"**{row['ratio']:.2f}**",
        f"{row['ratio_min']:.2f} to {row['ratio_max']:.2f}",
        onnxruntime,
        f"{row['cresset_peak_mib']} / {row['torch_peak_mib']} = {row['memory_ratio']:.2f}",
        milliseconds(row["floor_ms"]) if row["floor_ms"] is not None else "",
    ]


HEAD = [
    "float32, if not said otherwise",
    "cresset, ms",
    "PyTorch, ms",
    "ratio",
    "ratios of the rounds",
    "onnxruntime, ms (ratio)",
    "peak memory, MiB",
    "floor, ms",
]


def markdown(rows, about):
    """The table, with what is needed to judge and to repeat it."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    machine = about["machine"]
    options = (
        "PyTorch's column is its channels_last in training, its frozen TorchScript in inference: `--quick` tries no others."
        if about["quick"]
        else "PyTorch's column is the fastest of its default, channels_last and, in inference, frozen TorchScript with "
        "either."
    )
    busy = float(about["load_before"]) > about["threads"] / 2
    warning = "**The machine was busy with other work: even the ratios are noise.**\n\n" if busy else ""
    caches = ", ".join(f"{rate:.0f} for {size >> 10} KiB" for size, rate in machine["copies"][:-1])
    lines = [HEAD, ["---"] + ["---:"] * (len(HEAD) - 1), *map(line, rows)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"""{table}

{warning}{versions}, {about["threads"]} threads, {about["processor"]} ({machine["isa"]}), {about["system"]}, {about["date"]}.
`bench/compare{about["flags"]}`, {about["rounds"]} round(s): each engine in a fresh process, in turns; load average
{about["load_before"]} before the run and {about["load_after"]} after it. Times are medians over the rounds of medians over the steps. {options} "Floor" is what multiplications after Winograd and Strassen and the fewest bytes would
take at this machine's measured {machine["gflops"]:.0f} GFLOP/s of multiply-adds and {machine["copy_gb_per_second"]:.1f} GB/s of copying memory
({caches}); `bench/floor.py` says how it is computed.
"""


def write(path, text):
    """Writes a file, or what stands between the marks in one that has them."""
    path = Path(path)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    start, end = MARKS
    if start in old and end in old:
        section = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        text = section.sub(lambda _: f"{start}\n{text}{end}", old, count=1)
    path.write_text(text, encoding="utf-8")
