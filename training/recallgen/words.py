"""The word lists of data/words.toml, with the part that is kept out of training."""

import tomllib
from pathlib import Path

from templates import share

DATA = Path(__file__).resolve().parent / "data"
HELD_WORDS = 0.12  # of a list of at least MIN_WORDS words
MIN_WORDS = 20


class Words:
    """`of(list)` gives the words that a split may use: in training what is not held; else all, the
    held ones three times as often as by chance."""

    def __init__(self, training):
        lists = tomllib.loads((DATA / "words.toml").read_text(encoding="utf-8"))
        self.lists = {}
        self.known = {}
        for name, text in lists.items():
            words = [word.strip() for word in text.split(",")]
            held = [
                w
                for w in words
                if len(words) >= MIN_WORDS
                and not name.startswith("classic")
                and share("word " + w) < HELD_WORDS
            ]
            known = [w for w in words if w not in held]
            self.known[name] = known
            self.lists[name] = known if training else known + 3 * held

    def of(self, name):
        return self.lists[name]

    def pick(self, rng, name):
        words = self.lists[name]
        return words[int(rng.random() * len(words))]
