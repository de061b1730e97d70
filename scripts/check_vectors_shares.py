"""Checks docs/spec/vectors/shares.json against docs/spec/sealed-document.md ("The root key on paper").

A second implementation in another language. Needs Python 3.11.
"""

import base64
import hashlib
import itertools
import json
import sys


def times(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def inverse(a):
    return next(b for b in range(1, 256) if times(a, b) == 1)


def at_zero(points):
    """The value at zero of the polynomial through these points of GF(2^8)."""
    value = 0
    for x, y in points:
        for other, _ in points:
            if other != x:
                y = times(y, times(other, inverse(other ^ x)))
        value ^= y
    return value


def check(vectors):
    problems = []
    key = base64.b64decode(vectors["root"].splitlines()[1])
    key_id = hashlib.sha256(b"wardkeep root key id\0" + key).digest()[:4]
    if key_id.hex() != vectors["id"]:
        problems.append("id of the root key")
    parts = []
    for number, text in enumerate(vectors["shares"], 1):
        share = bytes.fromhex(text.replace("-", ""))
        body, last = share[:38], share[38:]
        if len(share) != 42 or share[0] != 1 or share[1:5] != key_id or share[5] != number:
            problems.append(f"share {number}: shape")
        if hashlib.sha256(b"wardkeep share\0" + body).digest()[:4] != last:
            problems.append(f"share {number}: check")
        parts.append((share[5], share[6:38]))
    for three in itertools.combinations(parts, 3):
        made = bytes(at_zero([(x, y[i]) for x, y in three]) for i in range(32))
        if made != key:
            problems.append(f"shares {[x for x, _ in three]} make another key")
    return problems


if __name__ == "__main__":
    with open(sys.argv[1] if len(sys.argv) > 1 else "docs/spec/vectors/shares.json", encoding="utf-8") as file:
        found = check(json.load(file))
    print("\n".join(found) or "shares: every value matches")
    sys.exit(1 if found else 0)
