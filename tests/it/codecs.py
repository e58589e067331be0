"""What CPython's json, base64 and compressors, and those of PyPI, make of generated data.

Usage: KIND FILE: writes (or, for `inflate`, reads) records. A record is a row of fields, each a length in four bytes,
little-endian, and that many bytes; 0xffffffff stands for a field that is not there.
"""

import base64
import bz2
import gzip
import json
import lzma
import random
import struct
import sys
import zlib

import brotli
import lz4.block
import lz4.frame
import msgpack
import ormsgpack
import snappy
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


def layers(out):
    for data in [*inputs(), bytes(1 << 20), random.Random(3).randbytes(1 << 20)]:
        for level in (0, 1, 6, 9):
            write(out, b"gzip://?compression-level=%d" % level, data, gzip.compress(data, level, mtime=0))
        for level in (1, 9):
            write(out, b"bz2://?compression-level=%d" % level, data, bz2.compress(data, level))
        for level in (0, 6) if len(data) > 100_000 else range(10):
            write(out, b"xz://?compression-level=%d" % level, data, lzma.compress(data, preset=level))
        write(out, b"xz://", data, lzma.compress(data, format=lzma.FORMAT_ALONE))
        write(out, b"xz://", data, lzma.compress(data, check=lzma.CHECK_SHA256, preset=1 | lzma.PRESET_EXTREME))
        for level in (0, 1, 5) if len(data) > 100_000 else range(12):
            stream = brotli.compress(data, quality=level, lgwin=10 + level)
            write(out, b"brotli://?compression-level=%d&compression-window=%d" % (level, 10 + level), data, stream)
        for size in (4, 5, 6, 7):
            for linked in (0, 1):
                url = b"lz4://?block-size=%d&block-linked=%d&block-checksum=%d&content-checksum=%d&store-size=%d"
                flags = (size, linked, linked, size % 2, size > 5)
                names = ("block_size", "block_linked", "block_checksum", "content_checksum", "store_size")
                frame = lz4.frame.compress(data, compression_level=3 * linked, **dict(zip(names, flags)))
                write(out, url % flags, data, frame)
        write(out, b"lz4-block://", data, lz4.block.compress(data))
        write(out, b"lz4-block://", data, lz4.block.compress(data, mode="high_compression"))
        write(out, b"snappy://", data, snappy.compress(data))
        write(out, b"snappy-framed://", data, snappy.StreamCompressor().compress(data))
        write(out, b"base64://", data, base64.b64encode(data))
        write(out, b"base64://", data, base64.encodebytes(data))


DECOMPRESS = {
    "zlib": zlib.decompress,
    "zstd": zstd.decompress,
    "gzip": gzip.decompress,
    "bz2": bz2.decompress,
    "xz": lzma.decompress,
    "brotli": brotli.decompress,
    "lz4": lz4.frame.decompress,
    "lz4-block": lz4.block.decompress,
    "snappy": snappy.decompress,
    "snappy-framed": lambda data: snappy.StreamDecompressor().decompress(data),
    "base64": base64.b64decode,
}


def odd(out):
    """Streams that are cut, continued, doubled and damaged, and what comes of them, if anything."""
    rng = random.Random(7)
    lists = {}
    for data in (b"", b"a", b"abc" * 30, bytes(300) + rng.randbytes(100)):
        for name, whole in {
            "gzip": gzip.compress(data, mtime=0),
            "bz2": bz2.compress(data),
            "xz": lzma.compress(data),
            "brotli": brotli.compress(data),
            "lz4": lz4.frame.compress(data, content_checksum=True, block_checksum=True),
            "lz4-block": lz4.block.compress(data),
            "snappy": snappy.compress(data),
            "base64": base64.encodebytes(data),
            "zlib": zlib.compress(data),
        }.items():
            lists.setdefault(name, []).append(whole)
    lists["xz"].append(lzma.compress(b"abc" * 30, format=lzma.FORMAT_ALONE))
    lists["base64"] += [b"Y=Q==", b"=YQ==", b"YQ==YWJj", b"YQ=\n=", b"YWJj====", b"-_-_", b"YR==", b"Y===", b"YQ"]
    for name, wholes in lists.items():
        for whole in wholes:
            cases = [whole[:cut] for cut in range(len(whole) + 1)] if len(whole) < 200 else [whole[:-1]]
            tails = [b"x", b"\0", bytes(4), bytes(40), b"xyz" * 9, b"BZ", b"\x1f", b"\x1f\x8b", b"\xfd7zXZ\0\0\4"]
            cases += [whole + tail for tail in tails + wholes + [whole[:-1], whole[:9]]]
            cases += [whole + bytes(3) + whole, whole + bytes(4) + whole]
            for _ in range(150):
                damaged = bytearray(whole or b"x")
                for _ in range(rng.randrange(1, 3)):
                    damaged[rng.randrange(len(damaged))] = rng.randrange(256)
                cases += [bytes(damaged), whole + bytes(damaged)]
            for case in cases:
                try:
                    read = DECOMPRESS[name](case)
                except Exception:
                    read = None
                write(out, name.encode() + b"://", case, read)


def inflate(file):
    """Reads records of URL, data and compressed data, and decompresses the third to the second."""
    count = 0
    while header := file.read(4):
        url, data = file.read(struct.unpack("<I", header)[0]), file.read(struct.unpack("<I", file.read(4))[0])
        compressed = file.read(struct.unpack("<I", file.read(4))[0])
        assert DECOMPRESS[url.split(b":")[0].decode()](compressed) == data, (url, len(data))
        count += 1
    print(count)


if __name__ == "__main__":
    kind, path = sys.argv[1:]
    with open(path, "rb" if kind == "inflate" else "wb") as opened:
        kinds = (corpus, malformed, frames, layers, odd, inflate)
        {work.__name__: work for work in kinds}[kind](opened)
