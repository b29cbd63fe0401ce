"""Tests of training/dictionary: python3 tests/training/dictionary_test.py"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*options):
    return subprocess.run(
        [sys.executable, "-B", ROOT / "training" / "dictionary", *map(str, options)],
        capture_output=True, text=True, check=False)


class Dictionary(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = Path(self.folder.name) / "out"

    def dialogs(self, *options):
        done = run(*options, "--out", self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def test_every_answer_is_the_value_of_the_asked_key(self):
        dialogs = self.dialogs("--mode", "train", "--records", "2-24", "--count", 50)
        self.assertEqual(len(dialogs), 50)
        for dialog in dialogs:
            turns = dialog["turns"]
            records = [turn["content"] for turn in turns if turn["role"] == "system"]
            self.assertTrue(2 <= len(records) <= 24)
            self.assertEqual(len({record[:4] for record in records}), len(records))
            self.assertEqual(dialog["later"], len(records))
            self.assertEqual(len(dialog["probes"]), len(records))
            for probe in dialog["probes"]:
                key = turns[probe["turn"] - 1]["content"]
                self.assertEqual(records[probe["fact_turn"]], key + probe["answer"])
                self.assertEqual(turns[probe["turn"]]["content"], probe["answer"])
        self.assertGreater(len({len(dialog["probes"]) for dialog in dialogs}), 10)

    def test_a_test_set_asks_twenty_of_its_records_and_a_seed_gives_the_same_file(self):
        options = ["--mode", "test", "--records", 400, "--count", 2]
        first = self.dialogs(*options, "--seed", 5)
        self.assertEqual([len(dialog["probes"]) for dialog in first], [20, 20])
        self.assertEqual(self.dialogs(*options, "--seed", 5), first)
        self.assertNotEqual(self.dialogs(*options, "--seed", 6), first)

    def test_the_model_folder_has_what_a_model_needs_but_weights(self):
        self.assertEqual(run("--mode", "model", "--out", self.out).returncode, 0)
        self.assertEqual(
            sorted(path.name for path in self.out.iterdir()),
            ["config.json", "memlong.toml", "tokenizer.model", "tokenizer_config.json"])
        self.assertEqual(json.loads((self.out / "config.json").read_text())["vocab_size"], 64)

    def test_records_that_are_no_number_are_refused(self):
        for records in ("0", "5-2", "x"):
            self.assertEqual(run("--mode", "train", "--records", records, "--out", self.out).returncode, 2)


unittest.main()
