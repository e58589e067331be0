"""Values of every type whose repr is printed byte for byte, and what CPython prints for them."""

import base64
import collections
import datetime
import decimal
import fractions
import json
import pickle
import random
import struct
import sys
import uuid
import zoneinfo

rng = random.Random(20240229)

TEXTS = [
    "", "a", "it's", 'say "x"', "both ' and \"", "back\\slash", "\x00\x1b[31m\x7f\x80\x9b\xa0\xad", "é漢😀",
    "\u200b\u202e\u2066\ufeff\u2028", "\ue000\U000e0001\U0010ffff", "e\u0301", "tab\tnew\nline\r", "x" * 300,
]
SURROGATES = ["\ud800", "a\udc80b", "\udbff\udbff"]
FLOATS = [0.0, -0.0, 1.0, 0.1, 1e15, 1e16, 123456789012345680.0, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308, 2.5, 1e22]
ZONES = [
    None, datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)),
    datetime.timezone(datetime.timedelta(seconds=3601), "X'"), zoneinfo.ZoneInfo("Europe/Paris"),
]


def any_float():
    if rng.random() < 0.3:
        return rng.choice(FLOATS)
    value = struct.unpack("<d", rng.randbytes(8))[0]
    if value != value or value in (float("inf"), float("-inf")):
        return rng.uniform(-1000, 1000)
    return rng.choice([value, round(rng.uniform(-1e6, 1e6), rng.randrange(8)), float(rng.randrange(10**17))])


def any_int():
    return rng.choice([0, 1, -1, 255, 2**31, -(2**63), 2**63 - 1, 2**63, rng.getrandbits(200), -rng.getrandbits(70)])


def any_text():
    if rng.random() < 0.6:
        return rng.choice(TEXTS)
    points = (chr(rng.choice([rng.randrange(0x80), rng.randrange(0x3000), rng.randrange(0x110000)])) for _ in range(6))
    return "".join(point for point in points if not 0xD800 <= ord(point) < 0xE000)


def any_json(depth):
    kind = rng.randrange(8 if depth else 6)
    if kind == 6:
        return [any_json(depth - 1) for _ in range(rng.randrange(5))]
    if kind == 7:
        return {any_text(): any_json(depth - 1) for _ in range(rng.randrange(5))}
    return [None, rng.random() < 0.5, any_int(), any_float(), any_text(), ""][kind]


def any_datetime():
    # Protocols below 4 lose the fold.
    return datetime.datetime(
        rng.randrange(1, 10000), rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(24), rng.randrange(60),
        rng.choice([0, rng.randrange(60)]), rng.choice([0, rng.randrange(10**6)]), tzinfo=rng.choice(ZONES),
    )


def any_decimal():
    digits = tuple(rng.randrange(10) for _ in range(rng.randrange(1, 12)))
    return decimal.Decimal((rng.randrange(2), digits, rng.randrange(-15, 15)))


LEAVES = [
    any_int, any_float, any_text, lambda: rng.choice(SURROGATES), lambda: rng.randbytes(rng.randrange(8)),
    lambda: b"it's", lambda: bytearray(rng.randbytes(3)), lambda: bytearray(rng.choice([b"it's", b"'\"", b"'"])), lambda: None, lambda: True,
    lambda: complex(any_float(), any_float()), lambda: complex(0.0, float("nan")), lambda: float("-inf"),
    lambda: range(rng.randrange(3), rng.randrange(9), rng.choice([1, 2, -1])), lambda: slice(1, None, "a"),
    any_datetime, lambda: any_datetime().date(), lambda: any_datetime().timetz(),
    lambda: datetime.timedelta(rng.randrange(-999, 999), rng.randrange(2), rng.choice([0, rng.randrange(10**6)])),
    lambda: rng.choice(ZONES), any_decimal, lambda: decimal.Decimal(rng.choice(["NaN", "-sNaN12", "Infinity", "0E-7"])),
    lambda: uuid.UUID(int=rng.getrandbits(128)),
    lambda: fractions.Fraction(rng.randrange(-50, 50), rng.randrange(1, 50)),
    lambda: rng.choice([int, list, datetime.datetime, ValueError, collections.OrderedDict, type(None), ..., NotImplemented]),
]


def any_key():
    key = rng.choice(LEAVES)()
    try:
        hash(key)
    except TypeError:
        return "unhashable"
    return key


def any_value(depth):
    if not depth or rng.random() < 0.4:
        return rng.choice(LEAVES)()
    some = lambda: [any_value(depth - 1) for _ in range(rng.randrange(4))]
    pairs = lambda: [(any_key(), any_value(depth - 1)) for _ in range(rng.randrange(4))]
    return rng.choice([
        some, lambda: tuple(some()), lambda: dict(pairs()), lambda: {any_key()}, lambda: set(), lambda: frozenset(),
        lambda: frozenset({any_key()}), lambda: collections.OrderedDict(pairs()), lambda: (any_value(depth - 1),),
        lambda: collections.defaultdict(rng.choice([list, int, None, dict]), pairs()),
        lambda: collections.Counter({any_key(): rng.randrange(-2, 5) for _ in range(5)}),
        lambda: collections.deque(some(), rng.choice([None, 7])), lambda: [[1, 2]] * 3,
    ])()


def cyclic():
    a, b, d, o = [], {}, collections.defaultdict(list), collections.OrderedDict()
    a.append(a)
    b["b"] = (b,)
    d["d"] = d
    o["o"] = [o]
    q, t = collections.deque(), ([], 1)
    q.append([q])
    t[0].append(t)
    return [a, b, d, o, q, t, [a, b, a, {1: t}]]


def show(value, expected, protocol):
    print(base64.b64encode(pickle.dumps(value, protocol)).decode(), json.dumps(expected), sep="\t")


def show_reprs(protocol):
    folded = [datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zone) for zone in ZONES]
    folded += [datetime.time(2, 30, fold=1, tzinfo=zone) for zone in ZONES]
    values = cyclic() + (folded if protocol > 3 else []) + [any_value(4) for _ in range(700)]
    for value in values:
        text = repr(pickle.loads(pickle.dumps(value, protocol)))
        show(value, text, protocol)


def show_json(ensure_ascii):
    for _ in range(500):
        value = any_json(4)
        show(value, json.dumps(value, ensure_ascii=ensure_ascii), 5)
