#!/usr/bin/env python3
"""memlong, llama.cpp, PyTorch and the MemLong way side by side, one after the other in turns.

  bench/peers/compare.py --memlong-bench PATH --model FOLDER [--gguf FILE --llama-bench PATH]
      [--torch-python PYTHON] --prompt 512,2048 --depth 512,2048 --dialog 1000,16000,80000
  bench/peers/compare.py --memlong-bench PATH --model shape:openllama-3b --device cuda \
      --torch-python PYTHON --torch-graph --memlong-way --prompt 2048 --depth 2048,16384,80000 \
      --dialog 2048,16384,80000 --full-prompt 16384,80000

A peer whose path is not given is left out, llama.cpp also on a GPU and for a shape. All have the weights
of a folder; those of a shape are random in each, other numbers of the same sizes. Every round runs
each program once; figures are medians of the rounds. Prints JSON; write_tables.py makes a table of
it. In "ratios" more than 1 is in memlong's favour: rates of the same test; the time to read a
dialog; and the time of PyTorch's prefill of N tokens over memlong's to read a dialog of N tokens.
With --torch-graph on a GPU the dialogs of PyTorch are decoded from its graph, as memlong's are.
A program that fails is named in "failed", and the exit status is 1. SIGTERM or Ctrl-C stops the program
that runs; then what there is is printed, with "stopped", and in "cut_off" what is not complete.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from shapes import NAMES
from stopping import Runner, Stopped

HERE = Path(__file__).resolve().parent
WAY_OPTIONS = ("--memory-layer", "--reading-layers", "--chunk", "--top-k", "--window", "--overlap")


def words(numbers):
    return ",".join(map(str, numbers))


def numbers(text):
    return [int(word) for word in text.split(",") if word]


def shape_of(args):
    """memlong-bench's name of the shape; None for a folder."""
    name = args.model.removeprefix("shape:")
    return NAMES.get(name, name) if args.model.startswith("shape:") else None


def memlong(args, *more):
    shape = shape_of(args)
    model = ["--shape", shape] if shape else ["--model", args.model, "--adapter", "none"]
    report = args.runner.run_json([args.memlong_bench, *model, "--json", "--quiet", "--device",
                                   args.device, "--threads", args.threads, "--repeat", 1, *more])
    return {"program": "memlong " + report["commit"], **report}


def torch_peer(args, script, *more):
    return args.runner.run_json([args.torch_python, HERE / script, args.model, "--device",
                                 args.device, "--threads", args.threads, "--repeat", 1, *more])


def window_programs(args):
    """Prefill and decode: name to a function that measures once."""
    decode = ["--depth", words(args.depth), "--generate", args.generate]
    sizes = ["--prompt", words(args.prompt), *decode]
    tests = [name for name, wanted in (("prefill", args.prompt), ("decode", args.depth)) if wanted]
    programs = {}
    if tests:
        given = [word for word, wanted in ((sizes[:2], args.prompt), (decode, args.depth)) if wanted]
        programs["memlong"] = lambda: memlong(args, "--tests", words(tests), *sum(given, []))
    if args.llama_bench and args.gguf and args.device == "cpu" and not shape_of(args):
        programs["llama.cpp"] = lambda: args.runner.run_json(
            [sys.executable, HERE / "llama_cpp.py", args.gguf, "--llama-bench", args.llama_bench, *sizes,
             "--threads", args.threads, "--repeat", 1])
    if args.torch_python and (tests or args.full_prompt):
        prompts = words(args.prompt + args.full_prompt)
        programs["PyTorch"] = lambda: torch_peer(args, "torch_llama.py", "--prompt", prompts, *decode)
        if args.torch_graph and args.depth:
            programs["PyTorch, CUDA graph"] = lambda: torch_peer(args, "torch_llama.py", *decode,
                                                                 "--cuda-graph")
    return programs


def memory_of_way(args):
    """Of the options for memlong-bench those that memlong_way.py has too."""
    words_given = args.memory.split()
    pairs = zip(words_given[::2], words_given[1::2])
    return [word for pair in pairs if pair[0] in WAY_OPTIONS for word in pair]


def dialog_programs(args):
    if not args.dialog:
        return {}
    lengths = ["--dialog", words(args.dialog), "--limit-seconds", args.limit_seconds]
    programs = {"memlong": lambda: memlong(args, "--tests", "dialog", *lengths[:2],
                                           *args.memory.split())}
    if args.torch_python:
        graph = args.torch_graph and args.device == "cuda"  # on the CPU memlong has none either
        programs["PyTorch, CUDA graph" if graph else "PyTorch"] = lambda: torch_peer(
            args, "torch_llama.py", *lengths, "--generate", args.generate,
            *(["--cuda-graph"] if graph else []))
        for kind in args.memlong_way.split(",") if args.memlong_way else []:
            programs[f"MemLong way, {kind}"] = lambda kind=kind: torch_peer(
                args, "memlong_way.py", *lengths, "--attention", kind, *memory_of_way(args),
                *(["--generate", args.way_generate] if args.way_generate else []))
    return programs


def in_turns(programs, rounds, reports, failed, cut_off):
    """Adds all reports by program."""
    for _ in range(rounds):
        for name, run in programs.items():
            try:
                report = run()
                reports.setdefault(name, []).append(report)
                if report.get("stopped"):
                    cut_off[name] = True
            except Stopped:
                cut_off[name] = True
            except (subprocess.SubprocessError, OSError, ValueError) as error:
                print(f"failed: {name}: {error}", file=sys.stderr, flush=True)
                failed[name] = str(error)


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


def ratios(ours, peer):
    """More than 1: memlong is so many times as fast."""
    own = {row["test"]: row for row in ours["rows"]}
    found = {}
    for row in peer["rows"]:
        test, more = row["test"], row["more"]
        if test in own:
            found[test] = own[test]["value"] / row["value"]
            if "read_seconds" in more:
                found[f"{test} read"] = more["read_seconds"] / own[test]["more"]["read_seconds"]
        dialog = own.get(test.replace("pp", "dialog-", 1)) if test.startswith("pp") else None
        if dialog:
            seconds = int(test[2:]) / row["value"]
            found[f"{test} over {dialog['test']} read"] = seconds / dialog["more"]["read_seconds"]
    return found


def summary(name, reports):
    left_out, attention = {}, {}
    for report in reports:
        left_out |= report.get("left_out", {})
        attention |= report.get("attention", {})
    return {"name": name, "version": reports[0]["program"], "rows": merge(reports),
            **({"left_out": left_out} if left_out else {}),
            **({"attention": attention} if attention else {})}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--memlong-bench", required=True, metavar="PATH")
    parser.add_argument("--model", required=True, metavar="FOLDER", help="or shape:NAME (shapes.py)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--gguf", metavar="FILE", help="the same weights for llama.cpp")
    parser.add_argument("--llama-bench", metavar="PATH")
    parser.add_argument("--torch-python", metavar="PYTHON", help="an interpreter that has torch")
    parser.add_argument("--torch-graph", action="store_true",
                        help="decode of PyTorch from a CUDA graph too, and its dialogs from that")
    parser.add_argument("--memlong-way", nargs="?", const="sdpa,plain", default="", metavar="ATTENTION",
                        help="memlong_way.py too, with sdpa, plain or both (sdpa,plain)")
    parser.add_argument("--prompt", type=numbers, default=[512, 2048])
    parser.add_argument("--depth", type=numbers, default=[512, 2048])
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--dialog", type=numbers, default=[])
    parser.add_argument("--full-prompt", type=numbers, default=[],
                        help="more prompts that PyTorch alone reads, beside memlong's dialogs")
    parser.add_argument("--memory", default="", help="options of memlong-bench for the dialog")
    parser.add_argument("--way-generate", type=int, default=0,
                        help="tokens of an answer of the MemLong way; default: as memlong-bench")
    parser.add_argument("--limit-seconds", type=float, default=3600.0)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dialog-rounds", type=int, default=2)
    args = parser.parse_args()
    args.runner = Runner()
    reports, failed, cut_off = {}, {}, {}  # names of cut_off in order
    in_turns(window_programs(args), args.rounds, reports, failed, cut_off)
    in_turns(dialog_programs(args), args.dialog_rounds, reports, failed, cut_off)
    programs = [summary(name, some) for name, some in reports.items()]
    programs.sort(key=lambda program: program["name"] != "memlong")  # it may have failed at first
    name = args.model if shape_of(args) else Path(args.model).resolve().name
    result = {"model": name, "device": args.device, "threads": args.threads, "rounds": args.rounds,
              "programs": programs, "ratios": {}}
    if programs and programs[0]["name"] == "memlong":
        result["ratios"] = {peer["name"]: ratios(programs[0], peer) for peer in programs[1:]}
    if failed:
        result["failed"] = failed
    if cut_off:
        result |= {"stopped": True, "cut_off": list(cut_off)}
    print(json.dumps(result, indent=1))
    sys.exit(1 if failed or cut_off else 0)


if __name__ == "__main__":
    main()
