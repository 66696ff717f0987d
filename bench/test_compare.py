"""`python3 -m unittest discover bench`: what can be tested without PyTorch."""

import tempfile
import unittest
from pathlib import Path

import floor
import report
import workloads

MACHINE = {"isa": "avx2", "gflops": 100.0, "copy_gb_per_second": 10.0, "copies": [(1 << 20, 50.0), (1 << 28, 10.0)]}
ABOUT = {
    "versions": {"cresset": "0.1.0", "PyTorch": "2.11.0"},
    "threads": 2,
    "processor": "a processor",
    "machine": MACHINE,
    "system": "Linux",
    "date": "2026-01-01",
    "load_before": "0.1",
    "load_after": "2.0",
    "flags": "",
    "rounds": 2,
    "quick": False,
}


def runs(*times, peak=100):
    return [{"ms_per_step": ms, "peak_rss_mib": peak} for ms in times]


class Rows(unittest.TestCase):
    def row(self):
        row = report.Row(workloads.infer("resnet18", 16, 10))
        row.cresset = runs(6.0, 4.0, 5.0, peak=40)
        row.torch = {
            (): runs(12.0),
            ("channels_last",): runs(10.0, 10.0, 10.0),
            ("frozen",): runs(8.0, 9.0, 20.0),
        }
        row.floor_ms = 2.0
        return row

    def test_the_best_option_has_the_lowest_median_of_all_rounds(self):
        figures = self.row().summary()
        self.assertEqual(figures["torch_options"], ["frozen"])
        self.assertEqual(figures["ratio"], 5 / 9)
        self.assertEqual((figures["ratio_min"], figures["ratio_max"]), (0.25, 0.75))
        self.assertEqual(figures["memory_ratio"], 0.4)
        self.assertEqual(self.row().slow_options(1.3), [()])

    def test_the_table(self):
        row = self.row()
        row.onnxruntime = runs(10.0)
        skipped = report.Row(workloads.MNIST)
        skipped.skipped = "no MNIST files"
        lines = report.markdown([row.summary(), skipped.summary()], ABOUT).splitlines()
        self.assertEqual({line.count("|") for line in lines[:4]}, {len(report.HEAD) + 1})
        self.assertIn("| 5.00 | 9.00 frozen | **0.56** | 0.25 to 0.75 | 10.0 (0.50) | 40 / 100 = 0.40 | 2.00 |", lines[2])
        self.assertIn("skipped: no MNIST files", lines[3])

    def test_a_busy_machine_is_told(self):
        self.assertNotIn("busy", report.markdown([self.row().summary()], ABOUT))
        self.assertIn("noise", report.markdown([self.row().summary()], {**ABOUT, "load_before": "3.0"}))

    def test_only_what_is_between_the_marks_is_replaced(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "README.md")
            start, end = report.MARKS
            path.write_text(f"before\n{start}\nold\n{end}\nafter\n", encoding="utf-8")
            report.write(path, "new\n")
            self.assertEqual(path.read_text(encoding="utf-8"), f"before\n{start}\nnew\n{end}\nafter\n")
            plain = Path(folder, "plain.md")
            report.write(plain, "new\n")
            self.assertEqual(plain.read_text(encoding="utf-8"), "new\n")

    def test_rows_are_selected_by_words(self):
        names = [work.name for work in workloads.select(["resnet18 infer", "mnist"])]
        self.assertEqual(names, ["mnist epoch 64", "resnet18 infer 1", "resnet18 infer 16"])
        self.assertEqual(len(workloads.select([])), 8)
        self.assertEqual(len(workloads.select([], mixed=True)), 9)
        # Mixed precision has to be asked for, where the processor does not help.
        self.assertEqual([work.name for work in workloads.select(["resnet18 train"])], ["resnet18 train 16"])
        self.assertEqual([work.name for work in workloads.select(["bf16"])], ["resnet18 train 16 bf16"])
        with self.assertRaises(SystemExit):
            workloads.select(["vgg"])


class Floors(unittest.TestCase):
    def test_multiplications_are_those_of_the_networks(self):
        # Multiply-accumulates of one image, those of faster algorithms as a direct convolution's.
        known = {"cnn": 383_872, "resnet18": 1_814_073_344, "resnet50": 4_089_184_256}
        for name, expected in known.items():
            counter = Counter()
            floor.NETWORKS[name](counter, 1)
            self.assertEqual(counter.macs, expected, name)

    def test_parameters_are_those_of_the_networks(self):
        for name, expected in {"cnn": 103_018, "resnet18": 11_689_512, "resnet50": 25_557_032}.items():
            counter = Counter()
            floor.NETWORKS[name](counter, 1)
            self.assertEqual(counter.parameters, expected, name)

    def test_the_longer_of_computing_and_moving(self):
        f = floor.Floor(MACHINE, training=False)
        f.op(macs=50_000_000, numbers=10)
        self.assertAlmostEqual(f.seconds, 1e-3)
        f.op(macs=1, numbers=25_000_000)
        self.assertAlmostEqual(f.seconds, 11e-3)

    def test_small_copies_are_not_slower_than_large_ones(self):
        self.assertEqual(floor.falling([(4, 10.0), (1, 5.0), (2, 20.0)]), [(1, 20.0), (2, 20.0), (4, 10.0)])

    def test_the_machine_limits_every_row(self):
        floors = {work.name: floor.floor_ms(work, MACHINE) for work in workloads.ALL}
        self.assertTrue(all(0.1 < ms < 1e5 for ms in floors.values()), floors)
        self.assertGreater(floors["resnet18 train 16"], 2 * floors["resnet18 infer 16"])
        self.assertAlmostEqual(floors["mnist epoch 64"], floors["cnn train 64"] * 937.5)
        mixed = workloads.MIXED[0]
        self.assertIsNone(floor.floor_ms(mixed, MACHINE))
        pairs = {**MACHINE, "isa": "avx512-bf16"}
        self.assertLess(floor.floor_ms(mixed, pairs), floors["resnet18 train 16"])


class Counter(floor.Floor):
    """Counts instead of timing."""

    def __init__(self):
        super().__init__(MACHINE, training=False)
        self.macs = self.parameters = 0

    def op(self, macs, numbers):
        self.macs += round(macs)

    def convolution(self, x, out, kernel, stride=1, norm=True, residual=False, image=False):
        before = self.macs
        y = super().convolution(x, out, kernel, stride, norm, residual, image)
        self.as_direct(before, floor.numel(y) * x[1] * kernel * kernel, [1, 7 / 8, 9 / 16, 1 / 4])
        return y

    def pooled_convolution(self, x, out):
        before = self.macs
        y = super().pooled_convolution(x, out)
        self.as_direct(before, 4 * floor.numel(y) * x[1] * 9, [1, 4 / 9])
        return y

    def as_direct(self, before, direct, shares):
        assert self.macs - before in (round(share * direct) for share in shares)
        self.macs = before + direct

    def update(self, parameters):
        self.parameters += parameters


if __name__ == "__main__":
    unittest.main()
