#!/usr/bin/env python3
"""What Python's csv and json modules read from the odd files: prints what differs from python_cells.json.

Nothing of elt is used here; elt's own tests compare the same cells with what elt reads.
"""

import csv
import gzip
import io
import json
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
CELLS = FOLDER / "python_cells.json"
BOMS = [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]


def options_of():
    """The options of each file: a column of the table."""
    lines = (FOLDER / "cases.tsv").read_text(encoding="utf-8").splitlines()[1:]
    table = {line.split("\t")[0]: line.split("\t")[1] for line in lines}
    return {name: dict(option.split("=", 1) for option in text.split(" ") if "=" in option) for name, text in table.items()}


OPTIONS = options_of()


def text_of(path):
    data = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        data = gzip.decompress(data)
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding)
    return data.decode("utf-8")


def delimiter_of(name, text):
    """The one of the usual delimiters that the header has most of; a .csv file has commas."""
    if ".csv" in name.lower():
        return ","
    header = text.lstrip("\r\n").splitlines()[0] if text.strip() else ""
    return max(["\t", "|", ";", ","], key=header.count)


def of_csv(name, text):
    options = OPTIONS[name]
    header = options.get("header", "1")
    lines = text.splitlines(keepends=True)
    if header.isdigit():
        lines = lines[int(header) - 1 :]
    if "comment" in options:
        lines = [line for line in lines if not line.startswith(options["comment"])]
    delimiter = {"tab": "\t"}.get(options.get("delimiter"), options.get("delimiter"))
    delimiter = delimiter or delimiter_of(name, "".join(lines))
    # In files with tabs or pipes a quote is an ordinary character.
    plain = options.get("quote") == "none" or ("quote" not in options and delimiter in "\t|")
    reader = csv.reader(
        io.StringIO("".join(lines), newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL,
        quotechar=options.get("quote", '"') if not plain else '"',
        escapechar=options.get("escape"),
    )
    rows = [row for row in reader if row]
    names = rows.pop(0) if header.isdigit() and rows else header.split("|")
    footer = int(options.get("skip_footer", 0))
    rows = rows[: len(rows) - footer] if footer else rows
    return [row + [""] * (len(names) - len(row)) for row in rows if row != names]


class Written(str):
    """A number with the digits it was written with."""


def cell(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    return None


def of_json(text, lines):
    read = lambda document: json.loads(document, parse_int=Written, parse_float=Written, parse_constant=Written)
    if lines:
        records = [read(line) for line in text.split("\n") if line.strip()]
    else:
        records = read(text)
        records = records if isinstance(records, list) else [records]
    records = [record for record in records if record]
    names = list(dict.fromkeys(name for record in records for name in record))
    return [[cell(record.get(name)) for name in names] for record in records]


def read(name):
    text = text_of(FOLDER / name)
    stem = name.lower().removesuffix(".gz")
    if stem.endswith((".ndjson", ".jsonl")):
        return of_json(text, lines=True)
    return of_json(text, lines=False) if stem.endswith(".json") else of_csv(name, text)


def same(ours, kept):
    """Nested values are compared by elt's own tests: they are documents there, not cells."""
    plain = lambda rows, other: [
        [one for one, two in zip(row, others) if one is not None and two is not None] for row, others in zip(rows, other)
    ]
    return len(ours) == len(kept) and plain(ours, kept) == plain(kept, ours)


def main():
    kept = json.loads(CELLS.read_text(encoding="utf-8"))
    differ = 0
    for name, rows in kept.items():
        try:
            now = read(name)
        except (ValueError, csv.Error, OSError) as error:
            now = f"{type(error).__name__}: {error}"
        if isinstance(now, str) or not same(now, rows):
            differ += 1
            print(f"{name}: Python reads {now!r:.200}, the file says {rows!r:.200}")
    print(f"{len(kept)} files, {differ} differ (Python {sys.version.split()[0]})")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
