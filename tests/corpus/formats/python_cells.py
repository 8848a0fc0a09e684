#!/usr/bin/env python3
"""What Python reads from the files in this folder: prints what differs from python_cells.json.

Nothing of elt is used here, and nothing but Python itself: lines are sliced for fixed widths, XML is read by expat, CSV and JSON by
the modules csv and json. elt's own tests compare the same cells with what elt reads. `--write` writes the file anew.
"""

import csv
import gzip
import io
import json
import re
import sys
from pathlib import Path
from xml.parsers import expat

FOLDER = Path(__file__).parent
CELLS = FOLDER / "python_cells.json"
BOMS = [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]


def cases():
    for line in (FOLDER / "cases.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        name, options, happens, _why = line.split("\t")
        yield name, json.loads(options or "{}"), happens


def decoded(data, encoding):
    for mark, marked in BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(marked)
    return data.decode(encoding)


# Fixed width


def lines_of(text, newline, lone_return):
    """The lines of a text or of bytes, without their ends."""
    first = re.search(lone_return + b"|" + newline if isinstance(text, bytes) else lone_return + "|" + newline, text)
    if first and first.group()[:1] in ("\r", b"\r") and not re.match(b"\r+\n" if isinstance(text, bytes) else "\r+\n", text[first.start() :]):
        ends = b"\r\n|\r|\n" if isinstance(text, bytes) else "\r\n|\r|\n"
    else:
        ends = b"\r*\n" if isinstance(text, bytes) else "\r*\n"
    lines = re.split(ends, text)
    return [line.rstrip(b"\r" if isinstance(text, bytes) else "\r") for line in lines]


def of_fixed_width(data, options):
    encoding = options.get("encoding", "utf-8")
    in_bytes = options.get("unit") == "bytes"
    # Places of bytes are those of the file, so a cell is decoded after it was cut.
    text = data.removeprefix(BOMS[0][0]) if in_bytes else decoded(data, encoding)
    show = (lambda cell: cell.decode(encoding)) if in_bytes else (lambda cell: cell)
    length = options.get("record_length")
    if length:
        records = [text[at : at + length] for at in range(0, len(text), length)]
    elif in_bytes:
        records = lines_of(text, b"\r*\n", b"\r")
    else:
        records = lines_of(text, "\r*\n", "\r")
    blanks = b" \t\r\n\x1a" if in_bytes else " \t\r\n\x1a"
    records = records[options.get("skip_rows", 0) :]
    records = [record for record in records if record.strip(blanks)]
    footer = options.get("skip_footer", 0)
    records = records[: max(0, len(records) - footer)] if footer else records
    comment = options.get("comment")
    records = [record for record in records if not (comment and show(record).startswith(comment))]
    if "columns" in options:
        places = [(one["start"] - 1, one["start"] - 1 + one["width"]) for one in options["columns"]]
    else:
        ends = [sum(options["widths"][: index + 1]) for index in range(len(options["widths"]))]
        places = list(zip([0] + ends, ends))
    if options.get("header", "columns" not in options and "names" not in options) and records:
        records = records[1:]
        if records and set(show(records[0])) <= set("-= +|_") and set(show(records[0])) & set("-="):
            records = records[1:]
    missing = options.get("null_values", [])
    trim = options.get("trim", True)

    def cell(record, start, end):
        value = show(record[start:end])
        value = value.strip(" ") if trim else value
        return "" if value in missing else value

    return [[cell(record, *place) for place in places] for record in records]


# XML


class Element:
    def __init__(self, name, attributes):
        self.name, self.attributes, self.children, self.text = name, attributes, [], []


def document(data, encoding):
    stack, root = [], []
    parser = expat.ParserCreate(encoding)
    parser.ordered_attributes = True
    parser.buffer_text = True

    def start(name, attributes):
        element = Element(name, list(zip(attributes[::2], attributes[1::2])))
        (stack[-1].children if stack else root).append(element)
        stack.append(element)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: stack.pop()
    parser.CharacterDataHandler = lambda text: stack[-1].text.append(text)
    parser.Parse(data, True)
    return root


def of_xml(data, options):
    keeps = options.get("prefixes") == "keep"
    name_of = lambda name: name if keeps else name.rpartition(":")[2]
    is_data = lambda name: name != "xmlns" and not name.startswith(("xmlns:", "xsi:"))
    lists = options.get("lists", [])
    strip = (lambda text: text.strip(" \t\r\n")) if options.get("trim") else (lambda text: text)
    is_nil = lambda element: dict(element.attributes).get("xsi:nil") in ("true", "1")

    def data_of(element):
        return [(name, value) for name, value in element.attributes if is_data(name)]

    def grouped(element, value):
        groups = {}
        for child in element.children:
            groups.setdefault(name_of(child.name), []).append(value(child))
        return {name: values if len(values) > 1 or name in lists else values[0] for name, values in groups.items()}

    def as_json(element):
        text = "".join(element.text)
        if is_nil(element):
            return None
        if not data_of(element) and not element.children:
            return strip(text)
        members = {"@" + name_of(name): strip(value) for name, value in data_of(element)}
        members |= grouped(element, as_json)
        return members | ({"#text": strip(text)} if text.strip(" \t\r\n") else {})

    def cell(value):
        if value is None or isinstance(value, str):
            return value or ""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def row(record):
        cells = {options.get("attribute_prefix", "") + name_of(name): strip(value) for name, value in data_of(record)}
        cells |= grouped(record, as_json)
        text = "".join(record.text)
        cells |= {"#text": strip(text)} if text.strip(" \t\r\n") else {}
        return {name: cell(value) for name, value in cells.items()}

    elements = document(data, options.get("encoding"))
    path = options["records"].removeprefix("/").split("/")
    for index, name in enumerate(path):
        elements = [element for element in elements if name_of(element.name) == name]
        if index + 1 < len(path):
            elements = [child for element in elements for child in element.children]
    rows = [cells for cells in map(row, elements) if cells]
    names = list(dict.fromkeys(name for cells in rows for name in cells))
    return [[cells.get(name, "") for name in names] for cells in rows]


# CSV and JSON under other suffixes


def of_csv(text):
    header = text.splitlines()[0]
    delimiter = max([",", "\t", "|", ";"], key=header.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))[1:]


def of_json(text, lines):
    records = [json.loads(line) for line in text.split("\n") if line] if lines else json.loads(text)
    return [[str(value) for value in record.values()] for record in records]


def read(name, options):
    data = (FOLDER / name).read_bytes()
    if name.lower().endswith(".gz"):
        data = gzip.decompress(data)
    if "fixed_width" in options:
        return of_fixed_width(data, options["fixed_width"])
    if "xml" in options:
        return of_xml(data, options["xml"])
    text = decoded(data, "utf-8")
    if options["format"] in ("csv", "txt"):
        return of_csv(text)
    return of_json(text, lines=options["format"] != "json")


# Files of which Python and elt do not think alike, and why.
DIFFERENT = {
    "x_bom_wins.xml": "expat believes the declaration, although the bytes are those of the byte order mark's encoding",
}


def main():
    answers = {}
    for name, options, happens in cases():
        if happens.startswith("error") or "bad " in happens or name in DIFFERENT:
            continue
        try:
            answers[name] = read(name, options)
        except (ValueError, LookupError, expat.ExpatError, OSError) as error:
            print(f"{name}: Python cannot read it: {type(error).__name__}: {error}")
    if "--write" in sys.argv:
        lines = [f"{json.dumps(name)}: {json.dumps(rows, ensure_ascii=False)}" for name, rows in answers.items()]
        CELLS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        return 0
    kept = json.loads(CELLS.read_text(encoding="utf-8"))
    differ = [name for name in kept if answers.get(name) != kept[name]]
    for name in differ:
        print(f"{name}: Python reads {answers.get(name)!r:.200}, the file says {kept[name]!r:.200}")
    print(f"{len(kept)} files, {len(differ)} differ (Python {sys.version.split()[0]})")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
