#!/usr/bin/env python3
"""memlong, llama.cpp and PyTorch side by side: the same weights, one after the other in turns.

  bench/peers/compare.py --memlong-bench PATH --model FOLDER [--gguf FILE --llama-bench PATH]
      [--torch-python PYTHON] --prompt 512,2048 --depth 512,2048 --dialog 1000,16000,80000

A peer whose path is not given is left out. Every round runs each program once; figures are medians of
the rounds. Prints JSON; write_tables.py makes a table of it.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def words(numbers):
    return ",".join(map(str, numbers))


def numbers(text):
    return [int(word) for word in text.split(",") if word]


def run_json(command):
    print("+ " + " ".join(map(str, command)), file=sys.stderr, flush=True)
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def memlong(args, *more):
    report = run_json([args.memlong_bench, "--model", args.model, "--adapter", "none", "--json", "--quiet",
                       "--threads", args.threads, "--repeat", 1, *more])
    return {"program": "memlong " + report["commit"], **report}


def window_programs(args):
    """Prefill and decode: name to a function that measures once."""
    sizes = ["--prompt", words(args.prompt), "--depth", words(args.depth), "--generate", args.generate]
    shared = [*sizes, "--threads", args.threads, "--repeat", 1]
    programs = {"memlong": lambda: memlong(args, "--tests", "prefill,decode", *sizes)}
    if args.llama_bench and args.gguf:
        programs["llama.cpp"] = lambda: run_json(
            [sys.executable, HERE / "llama_cpp.py", args.gguf, "--llama-bench", args.llama_bench, *shared])
    if args.torch_python:
        programs["PyTorch"] = lambda: run_json(
            [args.torch_python, HERE / "torch_llama.py", args.model, *shared])
    return programs


def dialog_programs(args):
    lengths = ["--dialog", words(args.dialog)]
    programs = {"memlong": lambda: memlong(args, "--tests", "dialog", *lengths, *args.memory.split())}
    if args.torch_python:
        programs["PyTorch"] = lambda: run_json(
            [args.torch_python, HERE / "torch_llama.py", args.model, *lengths, "--generate",
             args.generate, "--threads", args.threads, "--repeat", 1, "--limit-seconds",
             args.limit_seconds])
    return programs


def in_turns(programs, rounds):
    """All reports by program."""
    reports = {name: [] for name in programs}
    for _ in range(rounds):
        for name, run in programs.items():
            reports[name].append(run())
    return reports


def merge(reports):
    """Medians over the reports of one program: a list of rows."""
    rows = {}
    for report in reports:
        for row in report["rows"]:
            rows.setdefault(row["test"], []).append(row)
    merged = []
    for test, same in rows.items():
        more = {key: statistics.median(row["more"][key] for row in same) for key in same[0]["more"]}
        merged.append({"test": test, "unit": same[0]["unit"], "more": more,
                       "value": statistics.median(row["value"] for row in same),
                       "runs": [row["value"] for row in same]})
    return merged


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--memlong-bench", required=True, metavar="PATH")
    parser.add_argument("--model", required=True, metavar="FOLDER")
    parser.add_argument("--gguf", metavar="FILE", help="the same weights for llama.cpp")
    parser.add_argument("--llama-bench", metavar="PATH")
    parser.add_argument("--torch-python", metavar="PYTHON", help="an interpreter that has torch")
    parser.add_argument("--prompt", type=numbers, default=[512, 2048])
    parser.add_argument("--depth", type=numbers, default=[512, 2048])
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--dialog", type=numbers, default=[])
    parser.add_argument("--memory", default="", help="options of memlong-bench for the dialog")
    parser.add_argument("--limit-seconds", type=float, default=3600.0)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dialog-rounds", type=int, default=2)
    args = parser.parse_args()
    reports = in_turns(window_programs(args), args.rounds)
    parts = [reports]
    if args.dialog:
        parts.append(in_turns(dialog_programs(args), args.dialog_rounds))
    result = {"model": Path(args.model).resolve().name, "threads": args.threads,
              "rounds": args.rounds, "programs": []}
    for name in reports:
        rows = [row for part in parts for row in merge(part.get(name, []))]
        result["programs"].append({"name": name, "version": reports[name][0]["program"], "rows": rows})
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
