#!/usr/bin/env python3
"""Adds up what Nsight Compute says of each kernel, by name.

  ncu --csv --page raw --metrics gpu__time_duration.sum,dram__bytes_read.sum,dram__bytes_write.sum \\
      --log-file FILE PROGRAM ...
  bench/kernel_table.py FILE [--last N] [--begins REGEX] [--machine REPORT]

Prints JSON for write_tables.py. A pass begins with each kernel whose name matches REGEX (a look-up in
the embedding table); what counts are the last N passes, to the end of the run. Without --last, or where
nothing matches, all kernels count. REPORT is memlong-bench's with the test `machine`: the device's
own copy, which the bytes a second are held against.
"""

import argparse
import csv
import json
import re
import sys
from pathlib import Path

TIME, READ, WRITTEN = "gpu__time_duration.sum", "dram__bytes_read.sum", "dram__bytes_write.sum"
SECONDS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "s": 1.0}  # ns or nsecond ...
BYTES = {"byte": 1.0, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9, "Tbyte": 1e12}
NOISE = re.compile(r"\bmemlong::|\bops::|\bdevice::|\(anonymous namespace\)::|<unnamed>::|_GLOBAL__N__\w+::"
                   r"|\(int\)|\(bool\)")
LONGEST_NAME = 90


class NoKernels(Exception):
    pass


def scale(unit):
    if unit in BYTES:
        return BYTES[unit]
    if re.fullmatch(r"[num]?s(ec(ond)?)?", unit):
        return SECONDS[unit[0]]
    raise NoKernels(f"a unit that is not known: '{unit}'")


def number(text):
    """n/a, where the device has no such counter, is 0."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return 0.0


def launches(text):
    """(name, seconds, bytes read, bytes written) of each, in their order."""
    lines = text.splitlines()
    header = next((i for i, line in enumerate(lines) if line.startswith('"ID",')), None)
    if header is None:
        said = [line for line in lines if line.startswith("==ERROR==")] or lines[-1:]
        raise NoKernels("no table: " + " ".join(said))
    rows = csv.reader(line for line in lines[header:] if line.startswith('"'))
    names, units = next(rows), next(rows, [])
    places = {name: at for at, name in enumerate(names)}
    missing = [name for name in ("Kernel Name", TIME, READ, WRITTEN) if name not in places]
    if missing:
        raise NoKernels("columns are missing: " + ", ".join(missing))

    def value(row, name):
        return number(row[places[name]]) * scale(units[places[name]])

    return [(row[places["Kernel Name"]], value(row, TIME), value(row, READ), value(row, WRITTEN))
            for row in rows if len(row) == len(names)]


def last_passes(all_launches, begins, count):
    starts = [i for i, launch in enumerate(all_launches) if re.search(begins, launch[0])]
    found = min(count, len(starts))
    return (all_launches[starts[-found]:], found) if found else (all_launches, 0)


def short(name):
    """Without the types of arguments and what says nothing."""
    depth, end = 0, len(name)
    if name.endswith(")"):
        for end in range(len(name) - 1, -1, -1):
            depth += {")": 1, "(": -1}.get(name[end], 0)
            if depth == 0:
                break
    name = NOISE.sub("", name[:end].removeprefix("void ")).replace(" >", ">").strip()
    return name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME - 1] + "…"


def summed(chosen):
    kernels = {}
    for name, seconds, read, written in chosen:
        kernel = kernels.setdefault(short(name), {"calls": 0, "seconds": 0.0, "read": 0.0,
                                                  "written": 0.0})
        kernel["calls"] += 1
        kernel["seconds"] += seconds
        kernel["read"] += read
        kernel["written"] += written
    return sorted(({"name": name, **kernel} for name, kernel in kernels.items()),
                  key=lambda kernel: -kernel["seconds"])


def copy_rate(path):
    """Bytes a second, read and written, of the device's own copy; None where it is not known."""
    if path is None or not path.exists():
        return None
    rows = json.loads(path.read_text())["rows"]
    return next((1e9 * row["value"] for row in rows if row["test"] == "copy"), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--last", type=int, default=0, help="of so many passes; default: all kernels")
    parser.add_argument("--begins", default=r"\bLookup<", help="what a pass begins with")
    parser.add_argument("--machine", type=Path)
    args = parser.parse_args()
    try:
        found = launches(args.file.read_text(errors="replace"))
        if not found:
            raise NoKernels("the table has no rows")
    except NoKernels as error:
        sys.exit(f"kernel_table: error: {error}")
    chosen, passes = last_passes(found, args.begins, args.last) if args.last else (found, 0)
    print(json.dumps({"passes": passes, "launches": len(chosen), "copy": copy_rate(args.machine),
                      "seconds": sum(launch[1] for launch in chosen), "kernels": summed(chosen)},
                     indent=1))


if __name__ == "__main__":
    main()
