#!/usr/bin/env python3
"""A training step of memlong (its upper layers) beside the same in PyTorch (scripts/peer_train.py).

  bench/peers/compare_train.py --memlong-bench PATH --torch-python PYTHON --model shape:openllama-3b \\
      --device cuda --rows 4 --threads 16

Windows, memory, memory layer and reading layers are those that memlong-bench has for the shape; weights
are random in both. Prints JSON as compare.py does; more than 1 in "ratios" is in memlong's favour. A
program that fails, or takes longer than its share of --limit-seconds, is named in "failed"; the exit
status is 1. SIGTERM and Ctrl-C are those of compare.py.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from memory_settings import find_settings
from shapes import NAMES, config_of
from stopping import Runner, Stopped

PEER = Path(__file__).resolve().parents[2] / "scripts" / "peer_train.py"


def memlong(args, name, limit):
    report = args.runner.run_json(
        [args.memlong_bench, "--shape", NAMES.get(name, name), "--tests", "train", "--train-rows", args.rows,
         "--device", args.device, "--threads", args.threads, "--repeat", args.steps, "--json", "--quiet",
         *args.window], limit)
    row = next((row for row in report["rows"] if row["test"].startswith("train")), None)
    if row is None:
        raise Stopped if report.get("stopped") else ValueError("no row of a training step")
    return {"name": "memlong", "version": "memlong " + report["commit"], "rows": [
        {"test": row["test"], "unit": row["unit"], "value": row["value"],
         "more": row["more"] | {"share": row["share"]}}]}


def peer(args, test, config, compiled, limit):
    """test: memlong's name of it, which has all sizes."""
    rows, window, memory = re.fullmatch(r"train(\d+)x(\d+)\+m(\d+)", test).groups()
    settings = find_settings(args.model, config)
    if settings["layer"] != config["num_hidden_layers"] // 2:
        raise ValueError("peer_train.py has its memory layer in the middle")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        found = args.runner.run_json(
            [args.torch_python, PEER, "--stage", "upper", "--shape", file.name, "--device", args.device,
             "--batch", rows, "--window", window, "--memory", memory, "--reading-layers",
             ",".join(map(str, settings["reading_layers"])), "--threads", args.threads, "--steps",
             args.steps, *(["--compile"] if compiled else [])], limit)
    more = {"learning_millions": found["trained"] / 1e6, "seconds": found["seconds"]}
    more |= {"device_mib": found["device_mib"]} if "device_mib" in found else {}
    name = "PyTorch, compiled" if compiled else "PyTorch"
    return {"name": name, "version": "PyTorch " + found["torch"],
            "rows": [{"test": test, "unit": "tokens/s", "value": found["tokens_per_s"], "more": more}]}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--memlong-bench", required=True, metavar="PATH")
    parser.add_argument("--torch-python", required=True, metavar="PYTHON")
    parser.add_argument("--model", required=True, metavar="shape:NAME")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rows", type=int, default=4, help="windows of a step")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="PyTorch through torch.compile too")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--limit-seconds", type=float, default=450.0,
                        help="of all programs; each has an even share of what is left")
    args, args.window = parser.parse_known_args()  # what else there is, memlong-bench knows
    name = args.model.removeprefix("shape:")
    config = config_of(name)
    programs, failed, cut_off = [], {}, []
    args.runner = Runner()
    end = time.monotonic() + args.limit_seconds
    runs = {"memlong": lambda limit: memlong(args, name, limit)}
    for compiled in (False, True) if args.compile else (False,):
        runs["PyTorch, compiled" if compiled else "PyTorch"] = (
            lambda limit, compiled=compiled: peer(args, programs[0]["rows"][0]["test"], config, compiled,
                                                  limit))
    for i, (program, run) in enumerate(runs.items()):
        if args.runner.stopped:
            cut_off.append(program)
            continue
        try:
            programs.append(run(max(1.0, (end - time.monotonic()) / (len(runs) - i))))
        except Stopped:
            cut_off.append(program)
        except (subprocess.SubprocessError, OSError, ValueError, KeyError) as error:
            print(f"failed: {program}: {error}", file=sys.stderr, flush=True)
            failed[program] = str(error)
            if not programs:
                break  # the others take their sizes from it
    result = {"model": args.model, "device": args.device, "threads": args.threads, "rounds": args.steps,
              "programs": programs, "ratios": {}}
    if programs:
        own = programs[0]["rows"][0]
        result["ratios"] = {peer["name"]: {own["test"]: own["value"] / peer["rows"][0]["value"]}
                            for peer in programs[1:]}
    if failed:
        result["failed"] = failed
    if cut_off:
        result |= {"stopped": True, "cut_off": cut_off}
    print(json.dumps(result, indent=1))
    sys.exit(1 if failed or cut_off else 0)


if __name__ == "__main__":
    main()
