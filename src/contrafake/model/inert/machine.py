"""The machine: walks the opcodes of a stream with a stack and a memo, and leaves one inert thing.

It knows the opcodes that plain data, numpy and joblib need, and refuses the others by name. It holds no function or
class of the stream, so there is nothing it could call; what a call would have made is told by `construct`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contrafake.model.inert.allowed import allowed
from contrafake.model.inert.construct import build, call, new
from contrafake.model.inert.cursor import Cursor
from contrafake.model.inert.limits import FETCH_AGAIN, RAISE_LIMITS, Budget, Limits, Refusal
from contrafake.model.inert.opcodes import MEMO_INDEX, NAMES, VALUES, name_line

if TYPE_CHECKING:
    from collections.abc import Callable

_NEWEST_PROTOCOL = 5


def interpret(data: bytes | bytearray, limits: Limits) -> object:
    """What a pickle stream describes, as plain values and inert records; lists and dicts may hold themselves.

    Args:
        data: The whole stream, nothing after it.
        limits: Bounds on steps and bytes.

    Raises:
        Refusal: An unknown opcode or name, a damaged stream, or more than the bounds; it names opcode and byte.
    """
    machine = _Machine(data, limits)
    for _ in range(limits.opcodes):
        start = machine.cursor.position
        name = "the end"
        try:
            code = machine.cursor.number(1)
            name = NAMES.get(code, f"0x{code:02x}")
            if name == "STOP":
                return machine.stop()
            machine.step(name)
        except Refusal as error:
            raise Refusal(f"{error.cause}, at byte {start:,} ({name})", error.remedy) from error
    raise Refusal(f"it has more than {limits.opcodes:,} steps", RAISE_LIMITS)


class _Machine:
    """Stack, marks and memo of one stream."""

    def __init__(self, data: bytes | bytearray, limits: Limits) -> None:
        self.cursor = Cursor(data)
        self._budget = Budget(limits.decoded_bytes)
        self._stack: list[object] = []
        self._below: list[list[object]] = []  # the stacks that marks have put aside
        self._memo: dict[object, object] = {}

    def step(self, name: str) -> None:
        """One opcode."""
        if name in VALUES:
            self._stack.append(VALUES[name](self.cursor))
        elif name in MEMO_INDEX:
            self._remember_or_recall(name, MEMO_INDEX[name](self.cursor))
        elif name in _STEPS:
            _STEPS[name](self)
        else:
            raise Refusal("it has an opcode that a saved classifier has no need of")

    def stop(self) -> object:
        """The one thing left at the end."""
        if self._below or len(self._stack) != 1:
            raise Refusal("it ends with more or less than one object", FETCH_AGAIN)
        if self.cursor.left:
            raise Refusal(f"{self.cursor.left:,} bytes follow its end")
        return self._stack[0]

    def proto(self) -> None:
        if self.cursor.position != 1 or self.cursor.number(1) > _NEWEST_PROTOCOL:
            raise Refusal("it is of an unknown protocol")

    def frame(self) -> None:
        if self.cursor.number(8) > self.cursor.left:
            raise Refusal("a frame of it ends early", FETCH_AGAIN)

    def mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def make_tuple(self) -> None:
        items = self._to_mark()
        self._stack.append(tuple(items))

    def make_list(self) -> None:
        items = self._to_mark()
        self._stack.append(items)

    def make_dict(self) -> None:
        items = self._to_mark()
        self._stack.append({})
        self._set(items)

    def last_as_tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def append(self) -> None:
        self._extend([self._pop()])

    def appends(self) -> None:
        self._extend(self._to_mark())

    def set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def set_items(self) -> None:
        self._set(self._to_mark())

    def memoize(self) -> None:
        self._memo[len(self._memo)] = self._top()

    def name(self) -> None:
        module = name_line(self.cursor)
        self._stack.append(allowed(module, name_line(self.cursor)))

    def stacked_name(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Refusal("it asks for a name that is no text")
        self._stack.append(allowed(module, name))

    def reduce(self) -> None:
        args, function = self._pop(), self._pop()
        self._stack.append(call(function, args, self._budget))

    def new_object(self) -> None:
        args, cls = self._pop(), self._pop()
        self._stack.append(new(cls, args))

    def build(self) -> None:
        state = self._pop()
        build(self._top(), state, self.cursor, self._budget)

    def _pop(self) -> object:
        if not self._stack:
            raise Refusal("its stack is empty", FETCH_AGAIN)
        return self._stack.pop()

    def _top(self) -> object:
        if not self._stack:
            raise Refusal("its stack is empty", FETCH_AGAIN)
        return self._stack[-1]

    def _to_mark(self) -> list[object]:
        if not self._below:
            raise Refusal("its stack has no mark", FETCH_AGAIN)
        items = self._stack
        self._stack = self._below.pop()
        return items

    def _extend(self, items: list[object]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise Refusal("it appends to what is no list")
        target.extend(items)

    def _set(self, items: list[object]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(items) % 2:
            raise Refusal("it sets items of what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise Refusal("it has a dict with a key that is no text")
            target[key] = value

    def _remember_or_recall(self, name: str, index: object) -> None:
        if name.endswith("PUT"):
            self._memo[index] = self._top()
        elif index in self._memo:
            self._stack.append(self._memo[index])
        else:
            raise Refusal(f"it refers to object {index}, which is not there")


_STEPS: dict[str, Callable[[_Machine], None]] = {
    "PROTO": _Machine.proto,
    "FRAME": _Machine.frame,
    "MARK": _Machine.mark,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": lambda machine: machine.last_as_tuple(1),
    "TUPLE2": lambda machine: machine.last_as_tuple(2),
    "TUPLE3": lambda machine: machine.last_as_tuple(3),
    "LIST": _Machine.make_list,
    "DICT": _Machine.make_dict,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "MEMOIZE": _Machine.memoize,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stacked_name,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.new_object,
    "BUILD": _Machine.build,
}
