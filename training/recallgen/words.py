"""The word lists of data/words.toml, with the part that is kept out of training, and a lexicon."""

import re
import tomllib
from collections import Counter
from pathlib import Path

from templates import share

DATA = Path(__file__).resolve().parent / "data"
HELD_WORDS = 0.12  # of a list of at least MIN_WORDS words
MIN_WORDS = 20


COMMON = 150  # the most frequent words of a text say little
RARE = 4  # a word that is met less often may be a slip


def read_lexicon(paths, without):
    """The words of texts that are written with small letters, but for `without` and its plurals; sorted."""
    without = without | {word + end for word in without for end in ("s", "es")}
    without |= {word[:-1] for word in without if word.endswith("s")}
    without |= {word[:-1] + "ies" for word in without if word.endswith("y")}
    counts = Counter()
    for path in paths:
        counts.update(re.findall(r"(?<![\w'-])[a-z]{3,12}(?![\w'-])", Path(path).read_text(encoding="utf-8")))
    words = [word for word, count in counts.most_common()[COMMON:] if count >= RARE and word not in without]
    if len(words) < 1000:
        raise ValueError(f"a lexicon of {len(words)} words is too small: give more text")
    return sorted(words)


class Words:
    """`of(list)` gives the words that a split may use: in training what is not held; else all, the
    held ones three times as often as by chance. Where there is a `lexicon`, `strange` of the words are
    any of it instead."""

    lexicon = ()
    strange = 0.0

    def __init__(self, training):
        lists = tomllib.loads((DATA / "words.toml").read_text(encoding="utf-8"))
        self.lists = {}
        self.known = {}
        self.held = set()  # words of what is kept out
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
            self.held |= {part for word in held for part in word.rstrip("*").split()}
            self.lists[name] = known if training else known + 3 * held

    def of(self, name):
        return self.lists[name]

    def pick(self, rng, name):
        words = self.lists[name]
        return words[int(rng.random() * len(words))]
