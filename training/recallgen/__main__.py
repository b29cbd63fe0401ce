"""Writes dialogs in which a user states facts and asks for them later. See README.md beside this file.

python3 training/recallgen --mode dense --filler sgd/train.txt --tokens 128 --facts 3 --out short.jsonl
"""

import argparse
import json
import math
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import dialogs  # noqa: E402
from dialog import Dialog  # noqa: E402
from facts import SPLITS, World  # noqa: E402
from filler import Filler, load  # noqa: E402
from messages import Talk  # noqa: E402


def span(text):
    """ "3" or "2-8"."""
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def arguments():
    p = argparse.ArgumentParser(prog="recallgen", description=__doc__.splitlines()[0])
    p.add_argument("--mode", choices=("dense", "mixed", "far"), required=True)
    p.add_argument(
        "--split",
        choices=SPLITS,
        default="train",
        help="train, or what an evaluation set is made of (default train)",
    )
    p.add_argument(
        "--filler",
        required=True,
        metavar="FILE",
        help="dialogs: lines 'User: ...', 'System: ...', a blank line between two",
    )
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=1000, help="dialogs (default 1000)")
    p.add_argument(
        "--tokens",
        type=span,
        default=None,
        metavar="N[-M]",
        help="of a dialog; dense: of each half (default 128; others 2000)",
    )
    p.add_argument(
        "--facts", type=span, default=(2, 8), metavar="N[-M]", help="dense: facts of a dialog (default 2-8)"
    )
    p.add_argument(
        "--facts-per-1k", type=float, default=6, help="mixed: facts stated in 1000 tokens (default 6)"
    )
    p.add_argument(
        "--asks-per-fact", type=float, default=1.2, help="mixed: questions for each fact (default 1.2)"
    )
    p.add_argument("--questions", type=int, default=20, help="far: at the end (default 20)")
    p.add_argument("--changed", type=float, help="share of facts that are told anew (default 0.12)")
    p.add_argument("--never", type=float, help="share of questions for what was never said (default 0.07)")
    p.add_argument(
        "--lexicon",
        nargs="+",
        default=[],
        metavar="FILE",
        help="texts whose words stand in for known ones, and make relations that mean nothing",
    )
    p.add_argument(
        "--strange", type=float, help="share of keys and plain values from it (default 0.35)"
    )
    p.add_argument(
        "--echo",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="dense, mixed: requests to repeat words of the question itself, for each question (default 0)",
    )
    p.add_argument(
        "--alike",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="facts of the family of another fact of the dialog: several codes, several animals (default 0)",
    )
    p.add_argument("--out", required=True, metavar="FILE.jsonl")
    options = p.parse_args()
    if options.strange is not None and not options.lexicon:
        p.error("--strange needs --lexicon")
    if options.lexicon and options.split == "held-relations":
        p.error("--lexicon puts other words in the place of the relations that this split is made of")
    return options


def write(options, rng, world, talk, filler):
    low, high = options.tokens or ((128, 128) if options.mode == "dense" else (2000, 2000))
    tokens = round(math.exp(rng.uniform(math.log(low), math.log(high))))
    dialog = Dialog(world, talk, filler, rng)
    if options.mode == "dense":
        return dialogs.dense(dialog, tokens, rng.randint(*options.facts))
    if options.mode == "mixed":
        return dialogs.mixed(dialog, tokens, options.facts_per_1k, options.asks_per_fact)
    return dialogs.far(dialog, tokens, options.questions)


def main():
    options = arguments()
    world, filler = World(
        options.split, options.changed, options.never, options.lexicon, 0.35 if options.strange is None else options.strange, options.echo,
        options.alike,
    ), Filler(load(options.filler))
    talk = Talk(world)
    with open(options.out, "w", encoding="utf-8") as out:
        for i in range(options.count):
            rng = random.Random(f"{options.seed} {options.mode} {options.split} {i}")
            out.write(json.dumps(write(options, rng, world, talk, filler), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
