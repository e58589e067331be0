"""What CPython's json and zlib, and ormsgpack, msgpack and zstd from PyPI, make of generated data.

Usage: KIND FILE: writes (or, for `inflate`, reads) records. A record is a row of fields, each a length in four bytes,
little-endian, and that many bytes; 0xffffffff stands for a field that is not there.
"""

import json
import random
import struct
import sys
import zlib

import msgpack
import ormsgpack
import zstd

CHARACTERS = 'abcdefghijklmnop  0123456789_-./:"\\\n\t\x00\x7f\u00e9\u00df\u4e2d\u2028\ufeff\U0001f600\U0010ffff'
KEYS = ["id", "name", "roles", "created_at", "a", "", "\u00e9", "key with blanks", "k" * 40]


def write(out, *fields):
    for field in fields:
        if field is None:
            out.write(b"\xff\xff\xff\xff")
        else:
            out.write(struct.pack("<I", len(field)) + field)


def text(rng):
    length = rng.choice([0, 1, 3, 8, 15, 16, 31, 32, 33, 60, 300])
    string = "".join(rng.choices(CHARACTERS, k=length))
    return string + "\ud83d" if rng.random() < 0.01 else string


def scalar(rng):
    kind = rng.randrange(10)
    if kind < 3:
        return text(rng)
    if kind < 6:
        edge = rng.choice([0, 31, 32, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32, 2**63])
        return rng.choice([1, -1]) * edge + rng.randrange(-2, 3)
    if kind == 6:
        return rng.choice([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**40, -(7**300)])
    if kind == 7:
        return struct.unpack("<d", rng.randbytes(8))[0]
    if kind == 8:
        return rng.choice([0.0, -0.0, 1.5, 1e16, 1e22, 1e-7, 123456789.125, float("nan"), float("inf"), -float("inf")])
    return rng.choice([None, True, False])


def value(rng, budget, depth):
    if budget <= 1 or depth > 40 or rng.random() < 0.15:
        return scalar(rng)
    count = rng.randrange(0, min(budget, 40) + 1)
    parts = [value(rng, budget // (count + 1), depth + 1) for _ in range(count)]
    if rng.random() < 0.5:
        return parts
    return {(rng.choice(KEYS) if rng.random() < 0.7 else text(rng)): part for part in parts}


def notation(rng, data):
    style = rng.randrange(6)
    if style == 0:
        return json.dumps(data)
    if style == 1:
        return json.dumps(data, indent=rng.randrange(4))
    if style == 2:
        return json.dumps(data, separators=(",", ":"))
    if style == 3:
        return json.dumps(data, separators=(" \t,\r\n", "\n:\t"))
    # Characters as they are, and with them keys that repeat: a dict cannot hold those.
    string = json.dumps(data, ensure_ascii=False)
    return string.replace('"name": ', '"id": 0, "name": ') if style == 4 else string


def documents():
    rng = random.Random(20261121)
    for number in range(2300):
        budget = rng.choice([1, 2, 5, 20, 100, 400])
        yield notation(rng, value(rng, budget, 0)).encode("utf-8", "surrogatepass")
    for size in (200_000, 1_000_000):
        rows = []
        while len(json.dumps(rows)) < size:
            rows += [{"id": rng.randrange(10**9), "name": text(rng), "data": value(rng, 60, 0)} for _ in range(200)]
        yield notation(rng, rows).encode("utf-8", "surrogatepass")
    yield json.dumps("x" * 1_000_000).encode()
    yield json.dumps(list(range(150_000))).encode()
    yield b"[" * 250 + b"]" * 250
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        yield '{"\u00e9\U0001f600": [1, "\ud83d"]}'.encode(encoding, "surrogatepass")


def packed(pack, data):
    try:
        return pack(data)
    except (TypeError, OverflowError, UnicodeEncodeError, ValueError):
        return None


def corpus(out):
    for document in documents():
        data = json.loads(document)
        ours, other = packed(ormsgpack.packb, data), packed(msgpack.packb, data)
        assert ours == other, document[:200]
        write(out, document, json.dumps(data).encode(), ours)


def malformed(out):
    rng = random.Random(4)
    tokens = [b'"', b"\\", b"[", b"]", b"{", b"}", b",", b":", b"-", b"0", b".", b"e", b"+"]
    tokens += [b"\\u12", b"\\ud83d", b"\\ude00", b"\x00", b"\n", b" ", b"\xff", b"\xed\xa0\x80", b"\xed\xb8\x80"]
    tokens += [b"NaN", b"Infinity", b"nul"]
    tokens += [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"1e400", b"9" * 4301, b"\xf4\x90\x80\x80", b"true", b"\x7f"]
    encodings = ["utf-16", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"]
    small = [notation(rng, value(rng, rng.choice([1, 3, 10]), 0)) for _ in range(300)]
    small += ['{"a": [1, 2.5e3, "\\ud83d\\ude00"]}', "[]", "-0", "-Infinity", '"\\u00e9"', "1"]
    for _ in range(12_000):
        encoding = "utf-8" if rng.random() < 0.9 else rng.choice(encodings)
        data = bytearray(rng.choice(small).encode(encoding, "surrogatepass"))
        for _ in range(rng.randrange(4)):
            place = rng.randrange(len(data) + 1)
            match rng.randrange(4):
                case 0:
                    data[place:place] = rng.choice(tokens)
                case 1:
                    del data[place : place + rng.randrange(1, 4)]
                case 2 if place < len(data):
                    data[place] = rng.choice(b'"\\[]{},:-0.eE+ \n\x00\xc3\xff019')
                case _:
                    del data[place:]
        try:
            read = json.dumps(json.loads(bytes(data))).encode()
        except ValueError:
            read = None
        write(out, bytes(data), read)


def inputs():
    rng = random.Random(9)
    words = [rng.randbytes(rng.randrange(2, 9)) for _ in range(300)]
    yield from (b"", b"a", b"a" * 255, b"a" * 256, rng.randbytes(1000), bytes(100_000), rng.randbytes(131_073))
    for length in (20, 200, 2000, 50_000, 400_000):
        yield b"".join(rng.choices(words, k=length // 5))


def frames(out):
    big = b"".join(inputs()) * 3
    cases = [(level, 0, data) for data in inputs() for level in (-100, -5, -1, 1, 2, 3, 6, 9, 15, 19, 22)]
    cases += [(3, threads, big) for threads in (0, 1, 2, 4)]
    for level, threads, data in cases:
        write(out, b"zstd://?compression-level=%d&compression-threads=%d" % (level, threads), data)
        write(out, zstd.compress(data, level, threads))
    for data in inputs():
        for level in range(-1, 10):
            write(out, b"zlib://?compression-level=%d" % level, data, zlib.compress(data, level))
        small = zlib.compressobj(9, zlib.DEFLATED, 9)
        write(out, b"zlib://?compression-level=9", data, small.compress(data) + small.flush())


def inflate(file):
    """Reads records of URL, data and compressed data, and decompresses the third to the second."""
    count = 0
    while header := file.read(4):
        url, data = file.read(struct.unpack("<I", header)[0]), file.read(struct.unpack("<I", file.read(4))[0])
        compressed = file.read(struct.unpack("<I", file.read(4))[0])
        assert (zlib if url.startswith(b"zlib") else zstd).decompress(compressed) == data, (url, len(data))
        count += 1
    print(count)


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    with open(path, "rb" if kind == "inflate" else "wb") as opened:
        {"corpus": corpus, "malformed": malformed, "frames": frames, "inflate": inflate}[kind](opened)
