"""The clock and the memory gauge of all scripts."""

import json
import resource
import statistics
import sys
import time


def time_steps(step, warmup, steps):
    """Prints the median time of a step and the peak memory of the process, as the JSON of `cresset bench` does."""
    for _ in range(warmup):
        step()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    report(statistics.median(times))


def report(seconds):
    print(json.dumps({"ms_per_step": seconds * 1e3, "peak_rss_mib": peak_rss_mib()}))


def peak_rss_mib():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)
