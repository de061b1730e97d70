"""Checks docs/spec/vectors/ledger.json against docs/spec/ledger.md.

A second implementation in another language: hashing, leaves, commitments, proofs, signed notes and
proof files are computed anew. Needs Python 3.11 and the package `cryptography`.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def sha256(data):
    return hashlib.sha256(data).digest()


def commitment(case):
    fields = [bytes.fromhex(field) for field in case["fields"]]
    text = b"wardkeep-commitment/1" + bytes([case["label"]]) + struct.pack(">I", len(fields))
    text += b"".join(struct.pack(">I", len(field)) + field for field in fields)
    return hmac.new(bytes.fromhex(case["salt"]), text, hashlib.sha256).hexdigest()


def leaf(case):
    fields = [
        b"wardkeep-leaf/1",
        struct.pack(">q", case["time_ms"]),
        case["stream"].encode(),
        bytes.fromhex(case["boot"]),
        struct.pack(">Q", case["sequence"]),
        bytes.fromhex(case["event"]),
        struct.pack(">H", case["class"]),
        bytes([case["outcome"]]),
        *(bytes.fromhex(value) for value in case["commitments"]),
    ]
    return b"".join(struct.pack(">H", len(field)) + field for field in fields)


def split(count):
    return 1 << ((count - 1).bit_length() - 1)


def root(hashes):
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    cut = split(len(hashes))
    return sha256(b"\x01" + root(hashes[:cut]) + root(hashes[cut:]))


def inclusion(index, hashes):
    if len(hashes) == 1:
        return []
    cut = split(len(hashes))
    if index < cut:
        return inclusion(index, hashes[:cut]) + [root(hashes[cut:])]
    return inclusion(index - cut, hashes[cut:]) + [root(hashes[:cut])]


def consistency(old, hashes, whole=True):
    if old == len(hashes):
        return [] if whole else [root(hashes)]
    cut = split(len(hashes))
    if old <= cut:
        return consistency(old, hashes[:cut], whole) + [root(hashes[cut:])]
    return consistency(old - cut, hashes[cut:], False) + [root(hashes[:cut])]


def note_problems(note, vkey):
    name, key_id, key = vkey.split("+", 2)
    key = base64.b64decode(key)
    expected = sha256(name.encode() + b"\n" + key)[:4]
    if key[0] != 1 or key_id != expected.hex():
        return ["the key's id is not that of its name and bytes"]
    text, line = note.rsplit("\n\n", 1)
    mark, signer, blob = line.rstrip("\n").split(" ")
    blob = base64.b64decode(blob)
    if mark != "\u2014" or signer != name or blob[:4] != expected:
        return ["the signature line is not of this key"]
    try:
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(blob[4:], (text + "\n").encode())
    except InvalidSignature:
        return ["the checkpoint's signature does not hold"]
    return []


def check(vectors):
    problems = []

    def same(what, ours, theirs):
        if ours != theirs:
            problems.append(f"ledger: {what} differs")

    for at, case in enumerate(vectors["commitments"]):
        same(f"commitment {at}", commitment(case), case["commitment"])
    hashes = []
    for at, case in enumerate(vectors["leaves"]):
        data = leaf(case)
        same(f"leaf {at}", data.hex(), case["bytes"])
        hashes.append(sha256(b"\x00" + data))
        same(f"leaf hash {at}", hashes[-1].hex(), case["hash"])
    for size, value in enumerate(vectors["roots"]):
        same(f"root of {size}", root(hashes[:size]).hex(), value)
    for case in vectors["inclusions"]:
        path = inclusion(case["index"], hashes[: case["size"]])
        same(f"inclusion of {case['index']}", [value.hex() for value in path], case["path"])
    for case in vectors["consistencies"]:
        path = consistency(case["old"], hashes[: case["new"]])
        same(f"consistency from {case['old']}", [value.hex() for value in path], case["path"])
    public = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vectors["seed"])).public_key()
    same("public key", b"\x01" + public.public_bytes(Encoding.Raw, PublicFormat.Raw), base64.b64decode(vectors["vkey"].split("+", 2)[2]))
    problems += note_problems(vectors["checkpoint"], vectors["vkey"])
    lines = vectors["checkpoint"].split("\n")
    same("checkpoint size", lines[1], str(len(hashes)))
    same("checkpoint root", lines[2], base64.b64encode(root(hashes)).decode())
    expected = ["c2sp.org/tlog-proof@v1", "extra " + base64.b64encode(leaf(vectors["leaves"][13])).decode(), "index 13"]
    expected += [base64.b64encode(value).decode() for value in inclusion(13, hashes)]
    same("proof file", "\n".join(expected) + "\n\n" + vectors["checkpoint"], vectors["proof_file"])
    return problems


if __name__ == "__main__":
    with open(sys.argv[1] if len(sys.argv) > 1 else "docs/spec/vectors/ledger.json", encoding="utf-8") as file:
        found = check(json.load(file))
    print("\n".join(found) or "ledger: every value matches")
    sys.exit(1 if found else 0)
