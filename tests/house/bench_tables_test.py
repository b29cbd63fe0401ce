#!/usr/bin/env python3
"""bench/kernel_table.py on what Nsight Compute prints, and bench/write_tables.py on made-up reports.

  bench_tables_test.py
"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"

HEADER = ('"ID","Process ID","Process Name","Host Name","Kernel Name","Context","Stream","Block Size",'
          '"Grid Size","Device","CC","dram__bytes_read.sum","dram__bytes_write.sum","gpu__time_duration.sum"')
LOOKUP = ("void memlong::ops::work_on_elements<8, memlong::ops::_GLOBAL__N__b6ca05bb_12_embedding_cu::"
          "Lookup<memlong::bf16>>(T2, long)")
PRODUCT = "sm90_xmma_gemm_bf16<(int)128, (bool)1>(const float *, int, void (*)(int))"


def csv_of(launches, units=("byte", "byte", "ns")):
    """launches: (name, read, written, time), as text."""
    lines = ["==PROF== Connected to process 4242 (/tmp/memlong-bench)",
             '==PROF== Profiling "attend" - 0: 0%....50%....100% - 1 pass', HEADER,
             ",".join(f'"{unit}"' for unit in ("",) * 11 + units)]
    for i, (name, *numbers) in enumerate(launches):
        row = (str(i), "4242", "memlong-bench", "127.0.0.1", name, "1", "7", "(256, 1, 1)", "(16, 1, 1)",
               "0", "9.0", *numbers)
        lines.append(",".join(f'"{cell}"' for cell in row))
    return "\n".join([*lines, "==PROF== Disconnected from process 4242", ""])


class Tables(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = Path(made.name)

    def run_script(self, name, *options):
        return subprocess.run([sys.executable, "-B", BENCH / name, *map(str, options)],
                              capture_output=True, text=True)

    def write(self, name, text):
        (self.folder / name).write_text(text if isinstance(text, str) else json.dumps(text))

    def kernels(self, text, *options):
        self.write("ncu.csv", text)
        done = self.run_script("kernel_table.py", self.folder / "ncu.csv", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_names_are_short_and_kernels_added_up(self):
        found = self.kernels(csv_of([(PRODUCT, "1,000,000", "500", "2,500"), (LOOKUP, "10", "20", "1,000"),
                                     (PRODUCT, "1,000,000", "500", "1,500")]))
        self.assertEqual([kernel["name"] for kernel in found["kernels"]],
                         ["sm90_xmma_gemm_bf16<128, 1>", "work_on_elements<8, Lookup<bf16>>"])
        product = found["kernels"][0]
        self.assertEqual((product["calls"], product["read"], product["written"]), (2, 2e6, 1000))
        self.assertAlmostEqual(product["seconds"], 4e-6)
        self.assertAlmostEqual(found["seconds"], 5e-6)
        self.assertIsNone(found["copy"])

    def test_units(self):
        launch = [("k", "1.5", "2", "3.25")]
        for units, want in ((("Kbyte", "Mbyte", "us"), (1500, 2e6, 3.25e-6)),
                            (("Gbyte", "byte", "msecond"), (1.5e9, 2, 3.25e-3)),
                            (("byte", "Kbyte", "nsecond"), (1.5, 2000, 3.25e-9))):
            kernel = self.kernels(csv_of(launch, units))["kernels"][0]
            for got, expected in zip((kernel["read"], kernel["written"], kernel["seconds"]), want):
                self.assertAlmostEqual(got / expected, 1)
        self.write("ncu.csv", csv_of(launch, ("byte", "byte", "cycle")))
        self.assertIn("'cycle'", self.run_script("kernel_table.py", self.folder / "ncu.csv").stderr)

    def test_the_last_passes_count(self):
        launches = [("load", "1", "1", "9"), (LOOKUP, "1", "1", "1"), ("floor", "1", "1", "9"),
                    (LOOKUP, "1", "1", "2"), ("attend", "n/a", "1", "3"), (LOOKUP, "1", "1", "4")]
        two = self.kernels(csv_of(launches), "--last", 2)
        self.assertEqual((two["passes"], two["launches"]), (2, 3))
        self.assertAlmostEqual(two["seconds"], 9e-9)
        self.assertEqual(self.kernels(csv_of(launches), "--last", 9)["passes"], 3)
        none = self.kernels(csv_of(launches), "--last", 2, "--begins", "no such")
        self.assertEqual((none["passes"], none["launches"]), (0, 6))

    def test_without_a_table(self):
        self.write("ncu.csv", "==PROF== Connected\n==ERROR== ERR_NVGPUCTRPERM - no permission\n")
        done = self.run_script("kernel_table.py", self.folder / "ncu.csv")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no table: ==ERROR== ERR_NVGPUCTRPERM", done.stderr)
        self.write("ncu.csv", csv_of([]))
        self.assertIn("no rows", self.run_script("kernel_table.py", self.folder / "ncu.csv").stderr)

    def sections(self):
        self.write("machine.txt", "A machine.\n")
        self.write("commit.txt", "abc1234\n")
        self.write("network.json", {"commit": "def5678", "threads": 2, "rows": [
            {"test": "copy", "value": 2000.0, "deviation": 1.0, "unit": "GB/s", "floor": 0, "share": 0,
             "more": {}}]})
        self.write("network.command", "memlong-bench\n")
        report = self.kernels(csv_of([(LOOKUP, "600", "200", "1")]), "--last", 1, "--machine",
                              self.folder / "network.json")
        self.write("kernels-decode.json", report)
        self.write("kernels-decode.command", "ncu\n")
        self.write("kernels-decode.machine.txt", "Another.\n")
        ours = {"name": "memlong", "version": "memlong 1", "rows": [
            {"test": "dialog-9", "value": 30.0, "more": {"read_seconds": 1, "resident_mib": 2,
                                                         "device_mib": 512}}]}
        peer = {"name": "PyTorch", "version": "PyTorch 2", "left_out": {"pp16": "no memory"}, "rows": [
            {"test": "dialog-9", "value": 10.0, "more": {"read_seconds": 3, "resident_mib": 4}},
            {"test": "pp9", "value": 50.0, "more": {}}]}
        self.write("peers-80k.json", {"programs": [ours, peer], "rounds": 1, "threads": 2,
                                      "failed": {"MemLong way": "died"}})
        self.write("peers-80k.command", "compare.py\n")
        self.write("report.json", {"no": "section"})

    def test_tables_are_printed(self):
        self.sections()
        text = self.run_script("write_tables.py", "--print", self.folder).stdout
        self.assertEqual([line for line in text.splitlines() if line.startswith("## ")],
                         ["## Prompts and tokens", "## Beside PyTorch: 80k tokens", "## Kernels of a token"])
        for line in ("| copy | 2,000 | 1.000 | GB/s |  |  |  |", "Commit `def5678`, threads: 2. A machine.",
                     "| `work_on_elements<8, Lookup<bf16>>` | 1.000 | 0.001 | 100.0 % | 0.001 | 0.000 "
                     "| 800.00 | 40.0 % |", "Commit `abc1234`. Another.",
                     "| dialog-9 | 30.00 | 10.00 | 3.00 |",
                     "| pp9 |  | 50.00 |  |", "| memlong | dialog-9 | 1.000 | 2.000 | 512.00 |",
                     "| PyTorch | dialog-9 | 3.000 | 4.000 |  |",
                     "Left out: PyTorch, pp16: no memory", "Failed: MemLong way: died"):
            self.assertIn(line + "\n", text)

    def test_peers_without_memlong_have_no_ratios(self):
        self.sections()
        peers = [{"name": name, "version": "1", "rows": [{"test": "tg", "value": value, "more": {}}]}
                 for name, value in (("PyTorch", 20.0), ("PyTorch, CUDA graph", 40.0))]
        self.write("peers-80k.json", {"programs": peers, "rounds": 1, "failed": {"memlong": "died"}})
        text = self.run_script("write_tables.py", "--print", self.folder).stdout
        self.assertIn("| tokens/s | PyTorch | PyTorch, CUDA graph |\n", text)
        self.assertIn("| tg | 20.00 | 40.00 |\n", text)
        self.write("peers-80k.json", {"programs": [], "rounds": 2, "failed": {"memlong": "died"}})
        done = self.run_script("write_tables.py", "--print", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("No program has a figure.\n\nFailed: memlong: died\n\nMedians of 2 rounds.\n", done.stdout)
        self.assertIn("## Kernels of a token", done.stdout)

    def test_kernels_without_times(self):
        self.sections()
        self.write("kernels-decode.json", self.kernels(csv_of([(LOOKUP, "600", "200", "n/a")])))
        text = self.run_script("write_tables.py", "--print", self.folder).stdout
        self.assertIn("| `work_on_elements<8, Lookup<bf16>>` | 1.000 | 0.000 |  | 0.001 | 0.000 | 0.000 |  |\n",
                      text)

    def test_what_is_not_complete_says_so(self):
        self.sections()
        report = json.loads((self.folder / "peers-80k.json").read_text())
        self.write("peers-80k.json", report | {"stopped": True, "cut_off": ["PyTorch", "MemLong way"]})
        self.write("network.failed", "was stopped after 9 s: 1 rows\n")
        text = self.run_script("write_tables.py", "--print", self.folder).stdout
        for line in ("Not complete: PyTorch; MemLong way.", "It was stopped before its end.",
                     "It failed: was stopped after 9 s: 1 rows"):
            self.assertEqual(text.count(line + "\n"), 1, line)

    def test_one_that_cannot_be_printed_keeps_none_back(self):
        self.sections()
        for broken in ("{", {"rows": [{"test": "copy"}]}, [], {"programs": [{"name": "memlong"}]}):
            self.write("network.json", broken)
            done = self.run_script("write_tables.py", "--print", self.folder)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stdout, "## Prompts and tokens\n\nnetwork.json cannot be printed: .*\n\n## ")
            self.assertIn("| dialog-9 | 30.00 |", done.stdout)
            self.assertIn("## Kernels of a token", done.stdout)
            self.write("page.md", "<!-- bench network -->\nold\n<!-- /bench network -->\n")
            done = self.run_script("write_tables.py", self.folder / "page.md", self.folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn("network.json cannot be printed: ", done.stderr)
            page = (self.folder / "page.md").read_text()
            self.assertTrue(page.startswith("<!-- bench network -->\nold\n<!-- /bench network -->\n"))
            self.assertIn("| dialog-9 | 30.00 |", page)

    def test_tables_go_between_marks(self):
        self.sections()
        self.write("page.md", "Before\n<!-- bench gpu-network -->\nold\n<!-- /bench gpu-network -->\nafter\n")
        done = self.run_script("write_tables.py", self.folder / "page.md", self.folder, "--prefix", "gpu-")
        self.assertEqual(done.returncode, 0, done.stderr)
        page = (self.folder / "page.md").read_text()
        self.assertTrue(page.startswith("Before\n<!-- bench gpu-network -->\n| test |"))
        self.assertNotIn("old", page)
        self.assertIn("<!-- /bench gpu-network -->\nafter\n\n## Beside PyTorch: 80k tokens\n\n"
                      "<!-- bench gpu-peers-80k -->\n", page)


if __name__ == "__main__":
    unittest.main()
