# The application's classes that the captured pickles name, after what the captures show of them.
import collections
import dataclasses
import enum
import typing

import pydantic


class Color(enum.Enum):
    RED = "red"
    GREEN = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10


class Mode(str, enum.Enum):
    R = "r"
    W = "w"


class Perm(enum.Flag):
    X = 1
    W = 2
    R = 4


@dataclasses.dataclass
class Point:
    x: int
    y: float
    tags: list


@dataclasses.dataclass(frozen=True)
class FrozenPoint:
    x: int
    y: int


class SlotsPoint:
    __slots__ = ("x", "y")


Pair = collections.namedtuple("Pair", "left right")


class Row(typing.NamedTuple):
    id: int
    name: str


class User(pydantic.BaseModel):
    id: int
    name: str
    email: str | None = None
    tags: list[str] = []


class Team(pydantic.BaseModel):
    title: str
    lead: User
    members: list[User]


class Plain:
    class Inner:
        def method(self):
            return self.v


class Slots:
    __slots__ = ("a", "b")


class SlotsAndDict:
    __slots__ = ("a", "b", "__dict__")


class Reduced:
    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        return build_reduced, self.args


def build_reduced(*args):
    return Reduced(*args)


class ReducedFull:
    def __init__(self, number):
        self.number, self.items, self.map = number, [], {}

    def append(self, item):
        self.items.append(item)

    def extend(self, items):
        self.items.extend(items)

    def __setitem__(self, key, value):
        self.map[key] = value

    def __reduce__(self):
        state = {name: value for name, value in vars(self).items() if name not in ("number", "items", "map")}
        return ReducedFull, (self.number,), state, iter(self.items), iter(self.map.items())


class NewArgsEx:
    def __new__(cls, *, size=0):
        self = object.__new__(cls)
        self.size = size
        return self

    def __getnewargs_ex__(self):
        return (), {"size": self.size}


class State:
    def __getstate__(self):
        return "state", self.v

    def __setstate__(self, state):
        self.v = state[1] if isinstance(state, tuple) else state


class MyInt(int): pass
class MyStr(str): pass
class MyList(list): pass
class MyDict(dict): pass


class AppError(Exception):
    def __init__(self, code, text):
        super().__init__(code, text)
        self.code = code


def module_function():
    pass
