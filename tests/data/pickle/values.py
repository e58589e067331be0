# Writes objects' names and pickles, for protocols 0 to 5, to the file argv[1]; argv[2] is a file of
# classes that are imported as `sample`. Records are as in documents.py; what a protocol cannot
# hold is an empty string.
import array
import collections
import copyreg
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import importlib.util
import ipaddress
import operator
import pathlib
import pickle
import struct
import sys
import uuid
import zoneinfo

spec = importlib.util.spec_from_file_location("sample", sys.argv[2])
sample = importlib.util.module_from_spec(spec)
sys.modules["sample"] = sample
spec.loader.exec_module(sample)

cyclic_list = [1]
cyclic_list.append(cyclic_list)
cyclic_dict = {}
cyclic_dict["self"] = cyclic_dict
cyclic_tuples = []
for n in (1, 2, 3, 4):
    inner = []
    cyclic_tuples.append((inner,) + tuple(range(n - 1)))
    inner.append(cyclic_tuples[-1])
shared = [1, 2]
text = "".join(["shared ", "text"])
data = b"".join([b"shared", b" bytes"])
buffer = bytearray(b"shared buffer")
node = sample.Plain(x=1)
node.me = node
node.friends = [node, sample.Plain(x=2)]
holder = sample.Hashed()
holder.all = {holder}
frozen = sample.Hashed()
frozen.all = frozenset([frozen])
reduced = sample.Reduced([])
reduced.args[0].append(reduced)

VALUES = {
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), ((),), [()] * 3],
    "sets": [set(), {1}, {1, 2}, frozenset(), frozenset([1]), set(range(999)), set(range(1000)), set(range(1001)),
             frozenset(range(1001)), set(range(2000))],
    "shared sets": [s := {1, 2}, s, f := frozenset([3]), f],
    "bytes": [b"", b"", b"a", b"abc", b"\x80\xff", bytes(range(256)), b"x" * 255, b"x" * 256, data, data],
    "long bytes": [b"x" * 65535, b"y" * 65536, b"z" * 200000, b"tail"],
    "bytearrays": [bytearray(), bytearray(), bytearray(b"a"), bytearray(b"\xff\0"), buffer, buffer,
                   bytearray(b"x" * 70000)],
    "bytes and text": [b"a", chr(97), b"\xe9", chr(0xe9), chr(98), b"b"],
    "complex": [1j, 2 - 3.5j, complex("nan")],
    "range": [range(3), range(1, 10, 2), slice(1, 2), Ellipsis, NotImplemented, type(None)],
    "datetimes": [datetime.datetime(2024, 2, 29, 12, 30, 1, 5), datetime.date(2024, 2, 29), datetime.time(1, 2, 3),
                  datetime.timedelta(1, 2, 3), datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc),
                  datetime.datetime(2024, 1, 1, fold=1),
                  datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "X"))],
    "zoneinfo": [datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC"))],
    "numbers": [decimal.Decimal("1.10"), decimal.Decimal("NaN"), fractions.Fraction(1, 3), 2 ** 100, -(2 ** 63)],
    "uuids": [uuid.UUID(int=5), uuid.UUID(int=2 ** 127), u := uuid.UUID(int=7), u],
    "collections": [collections.OrderedDict(a=1, b=2), collections.OrderedDict(), collections.Counter(["to", "be", "to"]),
                    collections.defaultdict(list, {"a": [1]}), collections.deque([1, 2, 3], 5), collections.deque(),
                    collections.ChainMap({"a": 1}), collections.UserDict(a=1), collections.UserList([1]),
                    collections.OrderedDict((i, i) for i in range(1000)), collections.deque(range(1000)),
                    collections.OrderedDict((i, i) for i in range(1001)), collections.deque(range(1001)),
                    collections.OrderedDict((i, i) for i in range(1002)), collections.deque(range(2001))],
    "dataclasses": [sample.Point(1, 2), sample.Frozen(1), sample.Slotted(1, "x"), sample.Point([1], {"a": 1})],
    "enums": [sample.Colour.RED, sample.Colour.RED, sample.Colour.BLUE, sample.Flag.A | sample.Flag.B],
    "named tuples": [sample.Pair(1, 2), sample.Pair("a", None)],
    "subclasses": [sample.List([1, 2]), sample.Dict(a=1), sample.Set({1}), sample.Str("x"), sample.Int(5),
                   sample.Tuple((1, 2)), sample.Bytes(b"xyz"), sample.ByteArray(b"yz"), sample.Float(1.5),
                   sample.List(range(1001)), sample.Dict((i, i) for i in range(1001)), sample.FrozenSet([1])],
    "new with keywords": [sample.Keyword(1, b=2), sample.Keyword(3, b=4), sample.Keyword(1, 2, 3, b=4)],
    "nested classes": [sample.Outer.Inner, sample.Outer, sample.Outer.Inner.K, sample.Outer.Inner.K(),
                       sample.Outer.Inner()],
    "globals": [len, int, dict, collections.OrderedDict, operator.itemgetter, pickle.loads, map, zip, ValueError,
                OSError, datetime.datetime, functools.reduce, set, frozenset, bytes, bytearray, set([1]), bytearray(b"x")],
    "exceptions": [ValueError("x"), KeyError(1), OSError(2, "no"), sample.Failure("f", 1)],
    "partial": [functools.partial(int, base=2), operator.itemgetter(1), operator.attrgetter("a.b")],
    "paths": [pathlib.PurePosixPath("/a/b"), ipaddress.ip_address("10.0.0.1"), array.array("i", [1, 2])],
    "shared": [shared, shared, [shared], text, text, {"a": shared, "b": {text: text}}],
    "cyclic list": cyclic_list,
    "cyclic dict": cyclic_dict,
    "cyclic tuples": cyclic_tuples,
    "cyclic object": node,
    "cyclic set": holder,
    "cyclic frozenset": frozen,
    "cyclic arguments": reduced,
    "cyclic arguments first": reduced.args[0],
    "odd text": ["\ud800", "\ud83d\ude00", "a\\u0041", "\\", "\\\\u", "\r\n\x1a\0", "😀", "\xff", "Ā"],
    "odd keys": {1: 2, (1, 2): 3, None: 4, 1.5: 5, frozenset([1]): 6, b"x": 7, True: 8, 2 ** 70: 9},
    "slots": [sample.Slots(1), sample.Slots(2)],
    "getstate": [sample.State(), sample.State()],
    "persistent": None,
}


def dumps(name, value, protocol):
    if name == "persistent":
        class Pickler(pickle.Pickler):
            def persistent_id(self, item):
                return f"id {item}" if item in (7, 8) else None
        import io
        out = io.BytesIO()
        Pickler(out, protocol).dump([7, 8, [7], "seven"])
        return out.getvalue()
    try:
        return pickle.dumps(value, protocol)
    except (pickle.PicklingError, TypeError, RecursionError, ValueError):
        return b""


copyreg.add_extension("sample", "Extended", 0x1234)
VALUES["extension"] = [sample.Extended(), sample.Extended]
with open(sys.argv[1], "wb") as out:
    for name, value in VALUES.items():
        for part in [name.encode(), b"", *(dumps(name, value, protocol) for protocol in range(6))]:
            out.write(struct.pack("<I", len(part)) + part)
