"""Checks docs/spec/vectors/backup.json against docs/spec/backup.md ("Piece").

A second implementation in another language. Needs Python 3.11.
"""

import json
import struct
import sys

TAGS = {"documents": 1, "numbers": 2, "clock": 3, "segments": 4, "files": 5, "leaves": 6, "tiles": 7, "end": 8}
# The sorts of a row's fields, in order; a list in brackets is counted.
ROWS = {
    "documents": [
        ("sequence", 8), ("kind", 2), ("id", "fixed"), ("owner", "fixed"), ("version", 8), ("current", 1),
        ("terms", "list"), ("unique", "list"), ("sealed", "bytes"),
    ],
    "numbers": [("key", "fixed"), ("value", 8)],
    "clock": [("time", "signed"), ("sequence", 8)],
    "segments": [("file", "fixed"), ("owner", "fixed"), ("number", 4), ("sealed", "bytes")],
    "files": [("file", "fixed"), ("owner", "fixed")],
    "leaves": [("event", "fixed"), ("index", 8), ("numbered", 1), ("number", 8), ("leaf", "bytes")],
    "tiles": [("level", 1), ("index", 8), ("hashes", "list")],
    "end": [("stream", "text"), ("size", 8), ("root", "fixed"), ("run", "fixed"), ("next", 8)],
}


def long(data):
    return struct.pack(">I", len(data)) + data


def value(sort, given):
    match sort:
        case int():
            return int(given).to_bytes(sort, "big")
        case "signed":
            return struct.pack(">q", given)
        case "fixed":
            return bytes.fromhex(given)
        case "bytes":
            return long(bytes.fromhex(given))
        case "text":
            return long(given.encode())
        case "list":
            return struct.pack(">I", len(given)) + b"".join(bytes.fromhex(one) for one in given)
    raise ValueError(sort)


def portion(given):
    name = given["portion"]
    before = b""
    if "stream" in given:
        before = value("text", given["stream"])
    if "sequence" in given:
        before = value(8, given["sequence"])
    rows = b"".join(value(sort, row[field]) for row in given["rows"] for field, sort in ROWS[name])
    return bytes([TAGS[name]]) + long(before + rows)


def piece(portions):
    return b"wkb1" + b"".join(map(portion, portions))


def check(vectors):
    problems = []
    for case in vectors["pieces"]:
        if piece(case["portions"]).hex() != case["hex"]:
            problems.append(case["name"])
    known = {case["name"]: bytes.fromhex(case["hex"]) for case in vectors["pieces"]}
    for case in vectors["refused"]:
        if bytes.fromhex(case["hex"]) in known.values():
            problems.append(f"{case['name']}: that one is sound")
    return problems


if __name__ == "__main__":
    with open(sys.argv[1] if len(sys.argv) > 1 else "docs/spec/vectors/backup.json", encoding="utf-8") as file:
        found = check(json.load(file))
    print("\n".join(found) or "backup: every value matches")
    sys.exit(1 if found else 0)
