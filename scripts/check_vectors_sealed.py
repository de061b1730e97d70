"""Checks docs/spec/vectors/sealed-document.json against docs/spec/sealed-document.md.

A second implementation in another language. Needs Python 3.11 and the package `cryptography`.
`check(vectors)` returns the problems found; no problem, an empty list.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys
import unicodedata

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

FORMAT = "wardkeep-sealed/1"
SUITE = b"\x01"
CHUNK = 16384
CHUNKS_PER_SEGMENT = 64
TAG = 16
HEADER = 57
NOBODY = bytes(16)
PURPOSES = ("staff", "credentials", "audit", "signing")


def expand(key, info, length):
    return HKDFExpand(algorithm=SHA512(), length=length, info=info).derive(key)


def encode_context(store, owner, kind, doc_id, version, field, key_id, epoch, schema):
    fields = [
        FORMAT.encode(),
        store.encode(),
        owner,
        struct.pack(">H", kind),
        doc_id,
        struct.pack(">Q", version),
        field.encode(),
        key_id,
        struct.pack(">I", epoch),
        struct.pack(">H", schema),
    ]
    return b"".join(struct.pack(">H", len(field)) + field for field in fields)


def case_context(case, owner, key_id):
    return encode_context(
        case["store"],
        owner,
        case["kind"],
        bytes.fromhex(case["id"]),
        case["version"],
        case["field"],
        key_id,
        1,
        case["schema"],
    )


def derive(data_key, salt, context):
    out = expand(data_key, b"wardkeep sealed document 1\0" + salt + context, 76)
    return AESGCM(out[:32]), out[32:44], out[44:76]


def nonce(base, chunk):
    return base[:4] + (int.from_bytes(base[4:], "big") ^ chunk).to_bytes(8, "big")


def seal(data_key, context, plain, salt):
    aead, base, commitment = derive(data_key, salt, context)
    parts = [SUITE + salt + commitment]
    for chunk in range(len(plain) // CHUNK + 1):
        part = plain[chunk * CHUNK : (chunk + 1) * CHUNK]
        parts.append(aead.encrypt(nonce(base, chunk), part, None))
    return b"".join(parts)


def unseal(data_key, context, sealed):
    """The plaintext, or an exception."""
    if len(sealed) < HEADER or sealed[:1] != SUITE:
        raise ValueError("shape")
    aead, base, commitment = derive(data_key, sealed[1:25], context)
    if not hmac.compare_digest(commitment, sealed[25:HEADER]):
        raise ValueError("commitment")
    body, plain, chunk = sealed[HEADER:], b"", 0
    while True:
        part, body = body[: CHUNK + TAG], body[CHUNK + TAG :]
        plain += aead.decrypt(nonce(base, chunk), part, None)
        if len(part) < CHUNK + TAG:
            return plain
        chunk += 1


def segments(sealed):
    """Segment 0 has the header and 64 chunks, every other one 64 chunks; the last one is short."""
    size = CHUNKS_PER_SEGMENT * (CHUNK + TAG)
    cuts = [0, *range(HEADER + size, len(sealed), size), len(sealed)]
    return [sealed[a:b] for a, b in zip(cuts, cuts[1:])]


def plain_of(value):
    if "hex" in value:
        return bytes.fromhex(value["hex"])
    return bytes.fromhex(value["byte"]) * value["length"]


def shown(sealed):
    if len(sealed) <= 1024:
        return {"hex": sealed.hex()}
    return {"length": len(sealed), "sha256": hashlib.sha256(sealed).hexdigest()}


def purpose_key(store_key, label):
    return expand(store_key, b"wardkeep purpose key 1\0" + label.encode(), 32)


def term(terms_key, case):
    parts = [case["store"].encode(), struct.pack(">H", case["kind"]), case["field"].encode(), b"\x01", case["value"].encode()]
    message = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    mac = hmac.new(terms_key, message, hashlib.sha256).digest()[:16]
    bits = min(case["bits"], 128)
    kept = int.from_bytes(mac, "big") >> (128 - bits) << (128 - bits)
    return kept.to_bytes(16, "big").hex()


def normalise(text):
    marks_gone = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.category(c).startswith("M"))
    upper = "".join(c.upper() for c in marks_gone if c not in "'\u2019`")
    lower = "".join(c.lower() for c in upper)
    return " ".join("".join(c if c.isalnum() else " " for c in lower).split())


def prefixes(normalised):
    found = set()
    for word in normalised.split()[:8]:
        if len(word) < 2:
            found.add(word)
        found.update(word[:length] for length in range(2, min(len(word), 6) + 1))
    return sorted(found, key=lambda prefix: prefix.encode())


class Checker:
    def __init__(self):
        self.problems = []

    def same(self, what, computed, recorded):
        if computed != recorded:
            self.problems.append(f"sealed-document: {what}: computed {computed!r}, recorded {recorded!r}")

    def keys(self, vectors):
        lines = vectors["root"]["file"].split("\n")
        self.same("root: first line", lines[0], "wardkeep-root-key/1")
        root_key = base64.b64decode(lines[1], validate=True)
        self.same("root: length", len(root_key), 32)
        root_id = hashlib.sha256(b"wardkeep root key id\0" + root_key).hexdigest()[:8]
        self.same("root: id", root_id, vectors["root"]["id"])
        random = bytes.fromhex(vectors["store_key"]["random"])
        store_key, salt = random[:32], random[32:]
        context = encode_context("control", NOBODY, 0, NOBODY, 1, "store-key", b"store-key/1", 1, 1)
        wrapped = seal(root_key, context, store_key, salt)
        self.same("store key: wrapped", wrapped.hex(), vectors["store_key"]["wrapped"])
        self.same("store key: unwrapped", unseal(root_key, context, wrapped), store_key)
        store_id = purpose_key(store_key, "key id")[:8]
        self.same("store key: id", store_id.hex(), vectors["store_key"]["id"])
        return store_key, store_id

    def patients(self, vectors, store_key, store_id):
        wrapping, found = purpose_key(store_key, "patient keys"), []
        for at, case in enumerate(vectors["patients"]):
            random, owner = bytes.fromhex(case["random"]), bytes.fromhex(case["owner"])
            context = encode_context("control", owner, 0, owner, 1, "patient-key", store_id, 1, 1)
            wrapped = struct.pack(">I", 1) + seal(wrapping, context, random[:32], random[32:])
            self.same(f"patient {at}: wrapped", wrapped.hex(), case["wrapped"])
            found.append((owner, random[:32]))
        return found

    def sealed(self, case, store_key, patients):
        if "patient" in case:
            owner, key = patients[case["patient"]]
            context = case_context(case, owner, b"patient")
        else:
            if case["purpose"] not in PURPOSES:
                self.problems.append(f"sealed-document: unknown purpose {case['purpose']!r}")
            key = purpose_key(store_key, case["purpose"])
            context = case_context(case, NOBODY, case["purpose"].encode())
        plain = plain_of(case["plain"])
        sealed = seal(key, context, plain, bytes.fromhex(case["random"]))
        self.same("opened", hashlib.sha256(unseal(key, context, sealed)).digest(), hashlib.sha256(plain).digest())
        return sealed

    def all(self, vectors):
        self.same("format", FORMAT, vectors["format"])
        store_key, store_id = self.keys(vectors)
        patients = self.patients(vectors, store_key, store_id)
        for at, case in enumerate(vectors["documents"]):
            sealed = self.sealed(case, store_key, patients)
            self.same(f"document {at}: header", sealed[:HEADER].hex(), case["header"])
            self.same(f"document {at}: sealed", shown(sealed), case["sealed"])
        for at, case in enumerate(vectors["streams"]):
            made = [shown(segment) for segment in segments(self.sealed(case, store_key, patients))]
            self.same(f"stream {at}: segments", made, case["segments"])
        terms_key = purpose_key(store_key, "terms")
        for at, case in enumerate(vectors["terms"]):
            self.same(f"term {at}", term(terms_key, case), case["term"])
        for at, case in enumerate(vectors["names"]):
            self.same(f"name {at}: normalised", normalise(case["text"]), case["normalised"])
            self.same(f"name {at}: prefixes", prefixes(case["normalised"]), case["prefixes"])


def check(vectors) -> list[str]:
    checker = Checker()
    try:
        checker.all(vectors)
    except Exception as error:  # anything malformed is a problem of the file, not of the caller
        checker.problems.append(f"sealed-document: {type(error).__name__}: {error}")
    return checker.problems


if __name__ == "__main__":
    with open(sys.argv[1] if len(sys.argv) > 1 else "docs/spec/vectors/sealed-document.json", encoding="utf-8") as file:
        found = check(json.load(file))
    print("\n".join(found) or "sealed-document: every value matches")
    sys.exit(1 if found else 0)
