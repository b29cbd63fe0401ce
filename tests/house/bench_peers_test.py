#!/usr/bin/env python3
"""bench/peers/compare.py and compare_train.py with programs that only play their part: what is stopped,
fails or takes too long must not take the others' figures along.

  bench_peers_test.py
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

PEERS = Path(__file__).resolve().parents[2] / "bench" / "peers"

# In the place of memlong-bench, and of the interpreter that would run torch_llama.py and the others. A file
# `fail`, `hang` or `mute` in its folder says in which runs it does so.
PROGRAM = """#!{python}
import json, re, signal, sys, time
from pathlib import Path
folder, call = Path({folder!r}), " ".join(sys.argv)
signals = 0

def told(what):
    file = folder / what
    return file.exists() and re.search(file.read_text(), call)

def write():
    test = "train1x8+m4" if "train" in call else "dialog-9" if "--dialog" in call else "tg4@8"
    row = dict(test=test, unit="tokens/s", value=8, share=1, runs=[8], more=dict())
    print(json.dumps(dict(commit="1", program="made up", rows=[row], torch="9", trained=5, seconds=2,
                          tokens_per_s=4)), flush=True)

def end(*_):
    global signals
    signals += 1
    if signals > 1:  # as memlong-bench
        sys.exit(130)
    if not told("mute"):
        time.sleep(0.5)
        write()
        sys.exit(1)

with open(folder / "calls", "a") as calls:
    print(call, file=calls)
if told("fail"):
    sys.exit(3)
if told("hang"):
    signal.signal(signal.SIGTERM, end)
    (folder / "hangs").touch()
    while True:
        time.sleep(0.1)
write()
"""


class Peers(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = Path(made.name)
        self.program = self.folder / "program"
        self.program.write_text(PROGRAM.format(python=sys.executable, folder=made.name))
        self.program.chmod(0o755)

    def tell(self, what, pattern):
        (self.folder / what).write_text(pattern)

    def run_script(self, script, *options, stop=None):
        """Exit code and JSON. stop: a signal, sent when a program hangs."""
        (self.folder / "hangs").unlink(missing_ok=True)
        running = subprocess.Popen(
            [sys.executable, "-B", PEERS / script, "--memlong-bench", self.program, "--torch-python",
             self.program, "--model", "shape:reference", "--threads", "1", *options],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        while stop and not (self.folder / "hangs").exists():
            self.assertIsNone(running.poll())
            time.sleep(0.05)
        if stop:
            running.send_signal(stop)
        output, _ = running.communicate(timeout=30)
        return running.returncode, json.loads(output)

    def compare(self, *options, stop=None):
        return self.run_script("compare.py", "--prompt", "", "--depth", "8", "--dialog", "9", "--rounds", "1",
                               "--dialog-rounds", "1", "--memlong-way", *options, stop=stop)

    def rows(self, result):
        return {program["name"]: [row["test"] for row in program["rows"]] for program in result["programs"]}

    def test_dialogs_of_pytorch_are_from_its_graph(self):
        code, result = self.compare("--device", "cuda", "--torch-graph", "--full-prompt", "99")
        self.assertEqual(code, 0)
        both = ["tg4@8", "dialog-9"]
        self.assertEqual(self.rows(result), {
            "memlong": both, "PyTorch": both[:1], "PyTorch, CUDA graph": both,
            "MemLong way, sdpa": both[1:], "MemLong way, plain": both[1:]})
        self.assertEqual(result["ratios"]["PyTorch, CUDA graph"]["dialog-9"], 1)
        self.assertFalse({"stopped", "cut_off", "failed"} & set(result))
        calls = (self.folder / "calls").read_text().splitlines()
        self.assertEqual([("--dialog" in call, "--cuda-graph" in call, "--prompt 99" in call)
                          for call in calls if "torch_llama" in call],
                         [(False, False, True), (False, True, False), (True, True, False)])

    def test_and_eager_without_one(self):
        for options in ([], ["--torch-graph"]):  # on the CPU
            code, result = self.compare(*options)
            self.assertEqual((code, self.rows(result)["PyTorch"]), (0, ["tg4@8", "dialog-9"]))

    def test_a_program_that_is_stopped_says_what_it_has(self):
        self.tell("hang", "torch_llama.*--dialog")
        for number in (signal.SIGTERM, signal.SIGINT):
            code, result = self.compare("--device", "cuda", "--torch-graph", stop=number)
            self.assertEqual((code, result["stopped"]), (1, True))
            self.assertEqual(result["cut_off"],
                             ["PyTorch, CUDA graph", "MemLong way, sdpa", "MemLong way, plain"])
            self.assertEqual(self.rows(result), {"memlong": ["tg4@8", "dialog-9"], "PyTorch": ["tg4@8"],
                                                 "PyTorch, CUDA graph": ["tg4@8", "dialog-9"]})
            self.assertNotIn("failed", result)

    def test_a_program_that_does_not_end_is_killed(self):
        self.tell("hang", "tests dialog")
        self.tell("mute", ".")
        code, result = self.compare(stop=signal.SIGTERM)
        self.assertEqual((code, result["stopped"], result["cut_off"][0]), (1, True, "memlong"))
        self.assertEqual(self.rows(result), {"memlong": ["tg4@8"], "PyTorch": ["tg4@8"]})

    def test_memlong_comes_first_where_its_first_run_failed(self):
        self.tell("fail", "tests decode")
        code, result = self.compare()
        self.assertEqual((code, list(result["failed"])), (1, ["memlong"]))
        self.assertEqual(list(self.rows(result))[0], "memlong")
        self.assertIn("dialog-9", result["ratios"]["PyTorch"])
        self.tell("fail", ".")
        code, result = self.compare()
        self.assertEqual((code, result["programs"], result["ratios"]), (1, [], {}))

    @unittest.skipIf(sys.version_info < (3, 11), "compare_train.py needs tomllib")
    def test_training(self):
        code, result = self.run_script("compare_train.py", "--compile")
        self.assertEqual((code, result["ratios"]["PyTorch, compiled"]), (0, {"train1x8+m4": 2.0}))
        self.tell("hang", "--compile")
        code, result = self.run_script("compare_train.py", "--compile", "--limit-seconds", "3")
        self.assertEqual((code, list(result["failed"])), (1, ["PyTorch, compiled"]))
        self.assertEqual(list(self.rows(result)), ["memlong", "PyTorch"])
        self.tell("hang", "tests train")
        code, result = self.run_script("compare_train.py", "--compile", stop=signal.SIGTERM)
        self.assertEqual((code, result["stopped"], list(self.rows(result))), (1, True, ["memlong"]))
        self.assertEqual(result["cut_off"], ["PyTorch", "PyTorch, compiled"])


if __name__ == "__main__":
    unittest.main()
