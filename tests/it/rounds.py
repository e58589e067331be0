"""Loads pairs of stored values in CPython and says of each pair whether it is the same object graph.

Usage: FILE, the directory of `fixture_types.py` in FIXTURES. FILE has rows of four fields, each a length in four bytes,
little-endian, and that many bytes: the case, the layers in the order of writing, what was captured, what was made of it.
Prints a JSON array with one text a row: `same`, `unloadable: WHY` where the captured value does not load, or else what
differs and where.
"""

import copyreg
import json
import pickle
import struct
import sys
import types
import zlib

import msgpack
import zstd

LAYERS = {
    "json": json.loads,
    "msgpack": lambda data: msgpack.unpackb(data, strict_map_key=False, timestamp=0),
    "pickle": pickle.loads,
    "noop": lambda data: data,
    "null": lambda data: data,
    "string": lambda data: data.decode(),
    "zlib": zlib.decompress,
    "zstd": zstd.decompress,
    "zstandard": zstd.decompress,
}
# What is one object for each value, or interned by CPython, so that identity tells nothing.
ATOMS = (type(None), bool, int, float, complex, type(Ellipsis), type(NotImplemented))
NAMES = (type, types.FunctionType, types.BuiltinFunctionType)


class Differ(Exception):
    pass


def load(layers, data):
    for layer in reversed(layers):
        data = LAYERS[layer](data)
    return data


def reduced(value):
    reducer = copyreg.dispatch_table.get(type(value))
    return reducer(value) if reducer else value.__reduce_ex__(4)


def parts(value):
    """What a value consists of: as one text, and as the values inside it."""
    if type(value) in (list, tuple):
        return str(len(value)), list(value)
    if type(value) is dict:
        return str(len(value)), [part for pair in value.items() for part in pair]
    if type(value) in (set, frozenset):
        return str(len(value)), list(value)
    if type(value) in (str, bytes, bytearray):
        return repr(value), []
    if type(value) in (map, types.GeneratorType) or hasattr(value, "__next__"):
        return "", list(value)
    if isinstance(value, types.MappingProxyType):
        return "", [dict(value)]
    try:
        how = reduced(value)
    except AttributeError as error:  # made without `__init__`
        return str(error), []
    if isinstance(how, str):
        return how, []
    return "", [list(part) if hasattr(part, "__next__") else part for part in how]


def compare(left, right):
    """Walks both graphs at once. What is seen is kept, so that no id is used twice."""
    there, back, kept = {}, {}, []
    todo = [(left, right, "$")]
    while todo:
        left, right, path = todo.pop()
        if type(left) is not type(right):
            raise Differ(f"{path}: {type(left)} and {type(right)}")
        if isinstance(left, float) and type(left) is float:
            if struct.pack("<d", left) != struct.pack("<d", right):
                raise Differ(f"{path}: {left!r} and {right!r}")
        elif type(left) in ATOMS:
            if repr(left) != repr(right):
                raise Differ(f"{path}: {left!r} and {right!r}")
        elif isinstance(left, NAMES) and not hasattr(getattr(left, "__self__", None), "__dict__"):
            if left is not right and left != right:
                raise Differ(f"{path}: {left!r} and {right!r}")
        elif type(left) in (str, bytes) or type(left) in (tuple, frozenset) and not left:
            # Texts cannot change, and CPython itself shares some of them at will.
            if left != right:
                raise Differ(f"{path}: {left!r} and {right!r}")
        elif id(left) in there or id(right) in back:
            if there.get(id(left)) != id(right) or back.get(id(right)) != id(left):
                raise Differ(f"{path}: shared in one and not in the other: {left!r:.80}")
        else:
            there[id(left)], back[id(right)] = id(right), id(left)
            mine, theirs = parts(left), parts(right)
            kept += [left, right, mine, theirs]
            if mine[0] != theirs[0] or len(mine[1]) != len(theirs[1]):
                raise Differ(f"{path}: {mine[0]:.80} and {theirs[0]:.80}")
            inside = enumerate(zip(mine[1], theirs[1]))
            todo += [(one, other, f"{path}.{number}") for number, (one, other) in inside]


def verdict(case, layers, captured, made):
    try:
        left = load(layers, captured)
    except Exception as error:
        return f"unloadable: {type(error).__name__}: {error}"
    try:
        compare(left, load(layers, made))
    except Differ as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "same"


def rows(file):
    def field():
        header = file.read(4)
        return file.read(struct.unpack("<I", header)[0]) if header else None

    while (case := field()) is not None:
        yield case.decode(), field().decode().split("+"), field(), field()


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[2])
    with open(sys.argv[1], "rb") as opened:
        json.dump([verdict(*row) for row in rows(opened)], sys.stdout)
