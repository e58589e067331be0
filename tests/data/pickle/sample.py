# Classes for values.py: one for each way in which an object can be pickled.
import collections
import dataclasses
import enum


class Plain:
    def __init__(self, **state):
        self.__dict__.update(state)


class Hashed:
    pass


class Reduced:
    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return Reduced, self.args


@dataclasses.dataclass
class Point:
    x: int
    y: int


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: int


@dataclasses.dataclass(slots=True)
class Slotted:
    x: int
    y: str


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"


class Flag(enum.Flag):
    A = 1
    B = 2


Pair = collections.namedtuple("Pair", "a b")


class List(list): pass
class Dict(dict): pass
class Set(set): pass
class FrozenSet(frozenset): pass
class Str(str): pass
class Int(int): pass
class Tuple(tuple): pass
class Bytes(bytes): pass
class ByteArray(bytearray): pass
class Float(float): pass


class Keyword:
    def __new__(cls, *a, b):
        self = object.__new__(cls)
        self.a, self.b = a, b
        return self

    def __getnewargs_ex__(self):
        return self.a, {"b": self.b}


class Outer:
    class Inner:
        class K:
            pass


class Failure(Exception):
    def __init__(self, text, code):
        super().__init__(text, code)
        self.extra = code


class Slots:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


class State:
    def __getstate__(self):
        return ("a", 1)

    def __setstate__(self, state):
        pass


class Extended:
    pass
