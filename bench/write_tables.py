#!/usr/bin/env python3
"""Writes the tables of docs/benchmarks.md from reports of memlong-bench and compare.py.

  bench/write_tables.py PAGE FOLDER

FOLDER has, for each section NAME, NAME.json and NAME.command, and machine.txt and commit.txt. What stands
in PAGE between the lines `<!-- bench NAME -->` and `<!-- /bench NAME -->` is replaced; the rest is left
as it is. A section whose markers the page lacks is put at its end, under a heading; one without a
report keeps what it says.
"""

import json
import sys
from pathlib import Path

TITLES = {"openllama-3b": "Shape of OpenLLaMA-3B, random weights, bf16",
          "openllama-3b-load": "Loading the shape of OpenLLaMA-3B",
          "reference": "The reference model (7 M parameters), bf16",
          "reference-dialog": "The reference model in a long dialog",
          "100m": "A 100 M shape, random weights, bf16",
          "100m-dialog": "A 100 M shape in a long dialog"}


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


def peers_table(report):
    """A row a test, a column a program; how many times memlong's rate is that of each peer."""
    ours, *others = report["programs"]
    values = {p["name"]: {row["test"]: row for row in p["rows"]} for p in report["programs"]}
    rows = []
    for test, own in values[ours["name"]].items():
        cells = [test, amount(own["value"])]
        for peer in others:
            row = values[peer["name"]].get(test)
            cells += [amount(row["value"]), f"{own['value'] / row['value']:.2f}"] if row else ["", ""]
        rows.append(cells)
    headings = ["tokens/s", ">" + ours["name"]]
    for peer in others:
        headings += [">" + peer["name"], ">ratio"]
    text = table(headings, rows)
    growth = [[program["name"], row["test"], amount(row["more"]["read_seconds"]),
               amount(row["more"]["resident_mib"])]
              for program in report["programs"] for row in program["rows"]
              if "read_seconds" in row["more"]]
    if growth:
        text += "\n\n" + table(["program", "dialog", ">seconds to read it", ">memory, MiB"], growth)
    versions = "; ".join(program["version"] for program in report["programs"])
    return text + f"\n\nMedians of {report['rounds']} rounds. {versions}."


def section(name, folder):
    report = json.loads((folder / f"{name}.json").read_text())
    text = peers_table(report) if "programs" in report else bench_table(report)
    commit = report.get("commit") or (folder / "commit.txt").read_text().strip()
    machine = " ".join((folder / "machine.txt").read_text().split())
    command = (folder / f"{name}.command").read_text().strip()
    return f"{text}\n\nCommit `{commit}`, threads: {report['threads']}. {machine}\n\n```\n{command}\n```"


def put(page, name, text):
    begin, end = f"<!-- bench {name} -->", f"<!-- /bench {name} -->"
    block = f"{begin}\n{text}\n{end}"
    first, last = page.find(begin), page.find(end)
    if first < 0 or last < first:
        title = TITLES.get(name) or f"Beside other programs: {name.removeprefix('peers-')}"
        return f"{page.rstrip()}\n\n## {title}\n\n{block}\n"
    return page[:first] + block + page[last + len(end):]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    page, folder = Path(sys.argv[1]), Path(sys.argv[2])
    text = page.read_text()
    names = sorted(report.stem for report in folder.glob("*.json"))
    order = list(TITLES)
    for name in sorted(names, key=lambda name: order.index(name) if name in order else len(order)):
        text = put(text, name, section(name, folder))
    page.write_text(text)


if __name__ == "__main__":
    main()
