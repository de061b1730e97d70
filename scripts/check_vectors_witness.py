"""Checks docs/spec/vectors/witness.json against docs/spec/ledger.md.

A second implementation in another language of cosignatures and of what is asked of a witness. Needs
Python 3.11 and the package `cryptography`.
"""

import base64
import json
import struct
import sys

from check_vectors_ledger import consistency, leaf, note_problems, sha256
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def check(vectors, ledger):
    problems = []

    def same(what, ours, theirs):
        if ours != theirs:
            problems.append(f"witness: {what} differs")

    name, key_id, key = vectors["vkey"].split("+", 2)
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vectors["seed"]))
    public = b"\x04" + private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    same("public key", base64.b64decode(key), public)
    identity = sha256(name.encode() + b"\n" + public)[:4]
    same("key id", key_id, identity.hex())
    note = ledger["checkpoint"]
    problems += note_problems(note, ledger["vkey"])
    text = note.rsplit("\n\n", 1)[0] + "\n"
    time = vectors["time_s"]
    signature = private.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    blob = base64.b64encode(identity + struct.pack(">Q", time) + signature).decode()
    line = f"\u2014 {name} {blob}\n"
    same("cosignature", vectors["cosignature"], line)
    same("cosigned note", vectors["witnessed"], note + line)
    hashes = [sha256(b"\x00" + leaf(case)) for case in ledger["leaves"]]
    proof = "".join(base64.b64encode(value).decode() + "\n" for value in consistency(13, hashes))
    same("request", vectors["request"], f"old 13\n{proof}\n{note}")
    return problems


if __name__ == "__main__":
    with open("docs/spec/vectors/witness.json", encoding="utf-8") as file:
        vectors = json.load(file)
    with open("docs/spec/vectors/ledger.json", encoding="utf-8") as file:
        found = check(vectors, json.load(file))
    print("\n".join(found) or "witness: every value matches")
    sys.exit(1 if found else 0)
