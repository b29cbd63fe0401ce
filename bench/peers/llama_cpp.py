#!/usr/bin/env python3
"""Prefill and decode of a GGUF file by llama.cpp's own llama-bench.

  bench/peers/llama_cpp.py --llama-bench PATH FILE.gguf --prompt 512,2048 --depth 512,2048

Prints JSON: rows with the names that memlong-bench has.
"""

import argparse
import json
import statistics
import subprocess


def numbers(text):
    return [int(word) for word in text.split(",") if word]


def run_bench(path, file, threads, repeat, *arguments):
    command = [path, "-m", file, "-o", "json", "-r", str(repeat), "-ngl", "0", *arguments]
    if threads:
        command += ["-t", str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout)


def test_name(entry):
    kind, count = ("pp", entry["n_prompt"]) if entry["n_prompt"] else ("tg", entry["n_gen"])
    return f"{kind}{count}" + (f"@{entry['n_depth']}" if entry.get("n_depth") else "")


def as_row(entry):
    runs = entry.get("samples_ts") or [entry["avg_ts"]]
    return {"test": test_name(entry), "unit": "tokens/s", "value": statistics.median(runs),
            "runs": runs, "more": {}}


def measure(args):
    rows, entries = [], []
    if args.prompt:
        entries += run_bench(args.llama_bench, args.file, args.threads, args.repeat, "-p",
                             ",".join(map(str, args.prompt)), "-n", "0", *args.extra)
    for depth in args.depth:
        entries += run_bench(args.llama_bench, args.file, args.threads, args.repeat, "-p", "0", "-n",
                             str(args.generate), "-d", str(depth), *args.extra)
    rows = [as_row(entry) for entry in entries]
    build = entries[0] if entries else {}
    return {"program": f"llama.cpp {build.get('build_commit', '')}".strip(),
            "threads": build.get("n_threads"), "rows": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--llama-bench", required=True, metavar="PATH")
    parser.add_argument("--prompt", type=numbers, default=[])
    parser.add_argument("--depth", type=numbers, default=[])
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--extra", nargs=argparse.REMAINDER, default=[],
                        help="options for llama-bench itself, last")
    print(json.dumps(measure(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
