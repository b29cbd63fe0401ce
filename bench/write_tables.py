#!/usr/bin/env python3
"""Writes tables of reports of memlong-bench, compare.py and kernel_table.py into a page.

  bench/write_tables.py PAGE FOLDER [--prefix TEXT]
  bench/write_tables.py --print FOLDER

FOLDER has, for each section NAME, NAME.json and NAME.command, and machine.txt and commit.txt (or those of
one section: NAME.machine.txt). What stands in PAGE between the lines `<!-- bench NAME -->` and
`<!-- /bench NAME -->` is replaced; the rest is left as it is. A section whose markers the page lacks
is put at its end, under a heading; one without a report keeps what it says. With --prefix the markers
are of TEXT and NAME together. NAME.failed, where it is there, says why a report is not complete. A
report that cannot be read does not keep the others back: it is named, and the exit status is 1.
"""

import argparse
import json
import sys
from pathlib import Path

TITLES = {"openllama-3b": "Shape of OpenLLaMA-3B, random weights, bf16",
          "openllama-3b-load": "Loading the shape of OpenLLaMA-3B",
          "reference": "The reference model (7 M parameters), bf16",
          "reference-dialog": "The reference model in a long dialog",
          "100m": "A 100 M shape, random weights, bf16",
          "100m-dialog": "A 100 M shape in a long dialog",
         # scripts/gpu-bench.sh
         "network": "Prompts and tokens",
         "train": "A training step",
         "ingest": "Ingest, and the bank",
         "dialog": "A dialog that grows",
         "dialog-1m": "A dialog of a million tokens",
         "profile": "A pass, operator by operator",
         "peers-2k": "Beside PyTorch: 2k tokens",
         "peers-16k": "Beside PyTorch: 16k tokens",
         "peers-80k": "Beside PyTorch: 80k tokens",
         "peers-train": "Beside PyTorch: a training step",
         "kernels-prefill": "Kernels of a prompt",
         "kernels-decode": "Kernels of a token",
         "dialog-at-once": "A dialog that is read in one go",
         "search": "Searching vectors",
         "ingest-shm": "Ingest into main memory",
         "gather": "Chunks of a bank",
         "machine": "The device itself"}


def amount(value):
    return f"{value:.3f}" if value < 10 else f"{value:.2f}" if value < 1000 else f"{value:,.0f}"


def table(headings, rows):
    """Headings that begin with > are right-aligned."""
    lines = ["| " + " | ".join(h.lstrip(">") for h in headings) + " |",
             "|" + "|".join("---:" if h.startswith(">") else "---" for h in headings) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def figures(more):
    return ", ".join(f"{name.replace('_', ' ')} {amount(value)}" for name, value in more.items())


def bench_table(report):
    rows = []
    for row in report["rows"]:
        held = row["floor"] > 0
        rows.append([row["test"], amount(row["value"]), amount(row["deviation"]), row["unit"],
                     amount(row["floor"]) if held else "", f"{100 * row['share']:.1f} %" if held else "",
                     figures(row["more"])])
    return table(["test", ">value", ">±", "unit", ">floor", ">share", "more"], rows)


def with_ratio(value, own, peer):
    return [amount(value), f"{own / peer:.2f}" if own and peer else ""]


def growth_table(programs):
    """How long each took to read dialogs, and the memory then."""
    rows, device = [], any("device_mib" in row["more"] for p in programs for row in p["rows"])
    for program in programs:
        for row in program["rows"]:
            more = row["more"]
            if "read_seconds" in more:
                rows.append([program["name"], row["test"], amount(more["read_seconds"]),
                             amount(more["resident_mib"])])
                rows[-1] += [amount(more["device_mib"]) if "device_mib" in more else ""] * device
    headings = ["program", "dialog", ">seconds to read it", ">memory, MiB"]
    return "\n\n" + table(headings + [">of the GPU, MiB"] * device, rows) if rows else ""


def peers_values(programs):
    """A row a test, a column a program; how many times memlong's rate is that of each peer, where it has
    one."""
    if not programs:
        return "No program has a figure."
    beside = programs[0]["name"] == "memlong"
    values = [{row["test"]: row["value"] for row in program["rows"]} for program in programs]
    rows = []
    for test in dict.fromkeys(test for found in values for test in found):  # each once, in order
        own = values[0].get(test)
        cells = [test, amount(own) if own else ""]
        for found in values[1:]:
            pair = with_ratio(found[test], own, found[test]) if test in found else ["", ""]
            cells += pair if beside else pair[:1]
        rows.append(cells)
    headings = ["tokens/s", ">" + programs[0]["name"]]
    for peer in programs[1:]:
        headings += [">" + peer["name"], ">ratio"] if beside else [">" + peer["name"]]
    return table(headings, rows) + growth_table(programs)


def peers_table(report):
    programs = report["programs"]
    text = peers_values(programs)
    for program in programs:
        for test, why in program.get("left_out", {}).items():
            text += f"\n\nLeft out: {program['name']}, {test}: {why}"
    for name, why in report.get("failed", {}).items():
        text += f"\n\nFailed: {name}: {why}"
    if report.get("cut_off"):
        text += f"\n\nNot complete: {'; '.join(report['cut_off'])}."
    versions = "; ".join(program["version"] for program in programs)
    return text + f"\n\nMedians of {report['rounds']} rounds." + (f" {versions}." if versions else "")


def kernels_table(report):
    """Bytes are those of the device's memory; share is of the time, and of the copy rate."""
    copy, passes, whole = report["copy"], max(1, report["passes"]), report["seconds"]
    rows = []
    for kernel in report["kernels"]:
        seconds, read, written = kernel["seconds"], kernel["read"], kernel["written"]
        rate = (read + written) / seconds if seconds > 0 else 0
        rows.append([f"`{kernel['name']}`", amount(kernel["calls"] / passes),
                     amount(1e6 * seconds / passes), f"{100 * seconds / whole:.1f} %" if whole else "",
                     amount(read / passes / 1e6), amount(written / passes / 1e6), amount(rate / 1e9),
                     f"{100 * rate / copy:.1f} %" if copy else ""])
    text = table(["kernel", ">calls", ">µs", ">of the time", ">MB read", ">MB written", ">GB/s",
                  ">of a copy"], rows)
    what = f"Means of {report['passes']} passes" if report["passes"] else "All kernels of the run"
    beside = f" The device's own copy: {amount(copy / 1e9)} GB/s." if copy else ""
    launches = f"{report['launches']} launches; {amount(1e6 * whole / passes)} µs in kernels."
    return f"{text}\n\n{what}, {launches}{beside}"


def told(folder, name, what):
    """Of this section, or of all."""
    own = folder / f"{name}.{what}"
    return " ".join((own if own.exists() else folder / what).read_text().split())


def section(name, folder):
    report = json.loads((folder / f"{name}.json").read_text())
    make = peers_table if "programs" in report else kernels_table if "kernels" in report else bench_table
    commit = report.get("commit") or told(folder, name, "commit.txt")
    threads = f", threads: {report['threads']}" if "threads" in report else ""
    machine = told(folder, name, "machine.txt")
    command = (folder / f"{name}.command").read_text().strip()
    text = make(report)
    if report.get("stopped"):
        text += "\n\nIt was stopped before its end."
    failed = folder / f"{name}.failed"
    if failed.exists():
        text += f"\n\nIt failed: {' '.join(failed.read_text().split())}"
    return f"{text}\n\nCommit `{commit}`{threads}. {machine}\n\n```\n{command}\n```"


def title_of(name):
    return TITLES.get(name) or f"Beside other programs: {name.removeprefix('peers-')}"


def put(page, name, text, prefix):
    begin, end = f"<!-- bench {prefix}{name} -->", f"<!-- /bench {prefix}{name} -->"
    block = f"{begin}\n{text}\n{end}"
    first, last = page.find(begin), page.find(end)
    if first < 0 or last < first:
        return f"{page.rstrip()}\n\n## {title_of(name)}\n\n{block}\n"
    return page[:first] + block + page[last + len(end):]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("page", type=Path, nargs="?")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prefix", default="")
    parser.add_argument("--print", action="store_true", help="all sections, on standard output")
    args = parser.parse_args()
    if args.print == (args.page is not None):
        parser.error("give a page, or --print")
    order = list(TITLES)
    names = sorted((command.stem for command in args.folder.glob("*.command")
                    if command.with_suffix(".json").exists()),
                   key=lambda name: (order.index(name) if name in order else len(order), name))
    text, broken = "" if args.print else args.page.read_text(), False
    for name in names:
        try:
            made = section(name, args.folder)
        except Exception as error:  # of whatever form the report is
            made, broken = f"{name}.json cannot be printed: {error!r}", True
            print(f"write_tables: {made}", file=sys.stderr)
            if not args.print:
                continue  # the page keeps what it says
        if args.print:
            text += f"## {title_of(name)}\n\n{made}\n\n"
        else:
            text = put(text, name, made, args.prefix)
    if args.print:
        print(text, end="")
    else:
        args.page.write_text(text)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
