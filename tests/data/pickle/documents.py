# Writes JSON documents and what CPython pickles of them, for protocols 0 to 5, to the file argv[1].
# Records are 8 byte strings with a length of 4 bytes each: name, document, pickles 0 to 5.
import json
import pickle
import random
import struct
import sys

random.seed(20240229)

WORDS = ["id", "name", "roles", "created_at", "é", "a", "", "naïve", "日本", "emoji 😀", "tab\t", "nul\0", "back\\slash",
         "new\nline", "cr\r", "sub\x1a", "\ud800", "\udfff tail", "\ud83d", "x" * 255, "x" * 256, "ÿ", "Ā", "latin1",
         "builtins"]
INTS = sorted({sign * (2 ** bits + delta) for sign in (1, -1) for bits in (0, 7, 8, 15, 16, 31, 32, 63, 64, 127, 2039, 2040)
               for delta in (-2, -1, 0, 1, 2)})
FLOATS = [0.0, -0.0, 1.0, 0.1, 1e16, 1e15, 123456789012345680.0, 1e22, 1e-4, 1e-5, 1e-7, 1.5e300, 5e-324, 2.5, -1e100,
          float("inf"), float("-inf"), float("nan"), 1.7976931348623157e308, 9007199254740993.0, 0.00012345]


def value(depth):
    kind = random.randrange(12 if depth else 8)
    if kind == 0:
        return None
    if kind == 1:
        return random.random() < 0.5
    if kind == 2:
        return random.choice(INTS)
    if kind == 3:
        return random.randrange(-10, 300)
    if kind == 4:
        return random.choice(FLOATS)
    if kind == 5:
        return random.uniform(-1e9, 1e9)
    if kind in (6, 7):
        return random.choice(WORDS) + random.choice(["", "", str(random.randrange(1000))])
    size = random.choice([0, 1, 1, 2, 3, 5, 8])
    if kind in (8, 9):
        return [value(depth - 1) for _ in range(size)]
    return {random.choice(WORDS) + random.choice(["", "1"]): value(depth - 1) for _ in range(size)}


def edges():
    for n in (0, 1, 2, 3, 998, 999, 1000, 1001, 1002, 1999, 2000, 2001, 3000):
        yield f"list of {n}", list(range(n))
        yield f"dict of {n}", {f"key{i}": i for i in range(n)}
        yield f"list of {n} lists", [[i] for i in range(n)]
        yield f"dict of {n} dicts", {str(i): {"id": i, "tags": ["a", "bb"]} for i in range(n)}
    for n in (0, 1, 2, 254, 255, 256, 257, 65534, 65535, 65536, 65537, 200000):
        yield f"string of {n}", "x" * n
        yield f"strings of {n}", ["x" * n, "y" * n, "x" * n, 1]
        yield f"key of {n}", {"k" * n: "v" * n, "z": [{"k" * n: 1}]}
        yield f"two-byte string of {n}", "é" * n
        yield f"frame of {n}", ["x" * 100, "y" * n, list(range(300))] * 3
    for n in range(65500, 65545):
        yield f"frame end {n}", ["x" * (n - 40), "yy", 3, "zz", [1, 2.0, "q"], {"a": 1}]
    for i, number in enumerate(INTS):
        yield f"int {i}", number
    for i, number in enumerate(FLOATS):
        yield f"float {i}", number
    for i, word in enumerate(WORDS):
        yield f"word {i}", [word, {word: word}]
    yield "characters", [chr(i) for i in range(300)] * 2
    yield "all characters", "".join(map(chr, range(0x3000))) + "\U0010ffff\ud800"
    yield "memo past 256", [{f"a{i}": f"b{i}"} for i in range(200)] * 2
    yield "repeated keys", [{"id": i, "name": f"n{i}", "x": "y", "é": "ÿ"} for i in range(1500)]
    for scalar in (None, True, False, "", [], {}, [[]], [{}], {"": {}}):
        yield f"scalar {scalar!r}", scalar
    nested = []
    for _ in range(300):
        nested = [nested, {"a": nested}] if len(repr(nested)) < 5000 else [nested]
    yield "nested", nested


def large(size):
    rows = []
    while len(json.dumps(rows[-1:])) * len(rows) < size:
        rows += [value(3) for _ in range(len(rows) + 1)]
    return rows


def documents():
    yield from edges()
    for i in range(1900):
        yield f"random {i}", value(4)
    for size in (10_000, 60_000, 65_536, 100_000, 300_000, 1_000_000):
        for i in range(4):
            yield f"large {size} {i}", large(size)


with open(sys.argv[1], "wb") as out:
    for name, document in documents():
        text = json.dumps(document)
        if len(text) > 3_000_000:
            continue
        loaded = json.loads(text)
        pickles = [pickle.dumps(loaded, protocol) for protocol in range(6)]
        for part in [name.encode(), text.encode(), *pickles]:
            out.write(struct.pack("<I", len(part)) + part)
