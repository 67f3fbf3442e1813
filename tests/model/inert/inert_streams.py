"""Pickle streams put together by hand: the pieces, and a set of hostile ones, each with what its refusal must name."""

from __future__ import annotations

import struct

HEAD = b"\x80\x04"
MARK, TUPLE, REDUCE, BUILD, NEWOBJ, STOP = b"(", b"t", b"R", b"b", b"\x81", b"."


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def data(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def integer(value: int) -> bytes:
    raw = value.to_bytes(16, "little", signed=True)
    return b"\x8a\x10" + raw


def name(module: str, what: str) -> bytes:
    return f"c{module}\n{what}\n".encode()


def pair(*items: bytes) -> bytes:
    return MARK + b"".join(items) + TUPLE


def called(function: bytes, *args: bytes) -> bytes:
    return function + pair(*args) + REDUCE


LINEAR = name("sklearn.linear_model._logistic", "LogisticRegression")
NDARRAY = name("numpy", "ndarray")
OBJECT = name("builtins", "object")
FLOATS = called(name("numpy", "dtype"), text("f4"), b"\x89", b"\x88")
NONES = b"NNN"


def state_of_dtype(order: str = "<", rest: bytes = NONES + integer(-1) + integer(-1) + integer(0)) -> bytes:
    return pair(integer(3), text(order), rest) + BUILD


def dtype(kind: str) -> bytes:
    return called(name("numpy", "dtype"), text(kind), b"\x89", b"\x88")


def estimator(value: bytes, key: str = "coef_") -> bytes:
    """A whole stream: an estimator with one attribute, whose value is given."""
    return HEAD + LINEAR + b")" + NEWOBJ + b"}" + text(key) + value + b"s" + BUILD + STOP


def buffer_array(kind: bytes, content: bytes, *shape: int, order: str = "C") -> bytes:
    """An array as protocol 5 writes it."""
    return called(
        name("numpy.core.numeric", "_frombuffer"), data(content), kind, pair(*map(integer, shape)), text(order)
    )


def state_array(kind: bytes, content: bytes, *shape: int, subtype: bytes = NDARRAY) -> bytes:
    """An array as protocols 0 to 4 write it."""
    empty = called(name("numpy.core.multiarray", "_reconstruct"), subtype, pair(integer(0)), data(b"b"))
    return empty + pair(integer(1), pair(*map(integer, shape)), kind, b"\x89", content) + BUILD


def joblib_array(kind: bytes, content: bytes, *shape: int, **changed: bytes) -> bytes:
    """An array as joblib writes it, with no padding."""
    fields = {
        "subclass": NDARRAY, "shape": pair(*map(integer, shape)), "order": text("C"), "dtype": kind,
        "allow_mmap": b"\x88", **changed,
    }  # fmt: skip
    state = b"}" + MARK + b"".join(text(key) + value for key, value in fields.items()) + b"u"
    return name("joblib.numpy_pickle", "NumpyArrayWrapper") + b")" + NEWOBJ + state + BUILD + content


def hostile(canary: str) -> dict[str, tuple[bytes, str]]:
    """Streams that would run something, or look for a way to; the file `canary` appears if a shell command runs.

    Returns:
        Name of the attack -> the stream, and what its refusal must say.
    """
    command = text(f"touch {canary}")
    system = name("os", "system")
    popen = name("subprocess", "Popen")
    run = called(system, command)
    evaluated = called(name("builtins", "eval"), text(f"open({canary!r}, 'w')"))
    return {
        "reduce of os.system": (HEAD + run + STOP, "os.system"),
        "reduce of posix.system": (HEAD + called(name("posix", "system"), command) + STOP, "posix.system"),
        "reduce of eval": (HEAD + evaluated + STOP, "builtins.eval"),
        "in an attribute": (estimator(run), "os.system"),
        "in the type of an array": (
            estimator(buffer_array(called(name("numpy", "dtype"), run), b"", 0)), "os.system"
        ),
        "in an array of objects": (estimator(state_array(dtype("O8"), b"]" + run + b"a", 1)), "array of objects"),
        "in a joblib array of objects": (
            estimator(joblib_array(dtype("O"), HEAD + run + STOP, 1)), "array of objects"
        ),
        "in a state": (HEAD + LINEAR + b")" + NEWOBJ + evaluated + BUILD + STOP, "builtins.eval"),
        "a state for a class": (
            HEAD + NDARRAY + b"}" + text("__setstate__") + system + b"s" + BUILD + STOP, "os.system"
        ),
        "a state for an allowed class": (
            HEAD + NDARRAY + b"}" + text("__setstate__") + OBJECT + b"s" + BUILD + STOP, "state to numpy.ndarray"
        ),
        "newobj of Popen": (HEAD + popen + pair(command) + NEWOBJ + STOP, "subprocess.Popen"),
        "newobj of an allowed function": (
            HEAD + name("copyreg", "_reconstructor") + b")" + NEWOBJ + STOP, "object of copyreg._reconstructor"
        ),
        "reconstructor of Popen": (
            HEAD + called(name("copyreg", "_reconstructor"), popen, OBJECT, b"N") + STOP, "subprocess.Popen"
        ),
        "reconstructor of an array": (
            HEAD + called(name("copy_reg", "_reconstructor"), NDARRAY, OBJECT, b"N") + STOP, "object of numpy.ndarray"
        ),
        "reconstructor with another base": (
            HEAD + called(name("copyreg", "_reconstructor"), LINEAR, NDARRAY, b"N") + STOP, "LogisticRegression"
        ),
        "array of a foreign class": (
            estimator(state_array(FLOATS, data(b""), 0, subtype=popen)), "subprocess.Popen"
        ),
        "array of an allowed class": (
            estimator(state_array(FLOATS, data(b""), 0, subtype=LINEAR)), "LogisticRegression"
        ),
        "array of a memory map": (
            estimator(joblib_array(FLOATS, b"", 0, subclass=name("numpy", "memmap"))), "numpy.memmap"
        ),
        "call of an estimator": (HEAD + called(LINEAR, command) + STOP, "calls sklearn.linear_model"),
        "call of a text": (HEAD + called(text("os.system"), command) + STOP, "calls a value of type str"),
        "encode in another codec": (
            HEAD + called(name("_codecs", "encode"), text("00"), text("hex")) + STOP, "calls _codecs.encode"
        ),
        "computed name": (
            HEAD + text("os") + b"q\x000" + text("system") + b"h\x00" + text("system") + b"\x93" + STOP, "POP"
        ),
        "recalled name": (HEAD + text("os") + b"q\x00" + text("system") + b"\x93" + STOP, "os.system"),
        "dotted name": (HEAD + text("numpy") + text("dtype.__class__") + b"\x93" + STOP, "numpy.dtype.__class__"),
        "name that is no text": (HEAD + b"K\x01K\x02\x93" + STOP, "no text"),
        "inst": (HEAD + MARK + command + b"ios\nsystem\n" + STOP, "INST"),
        "obj": (HEAD + MARK + LINEAR + command + b"o" + STOP, "OBJ"),
        "extension 1": (HEAD + b"\x82\x01" + STOP, "EXT1"),
        "extension 2": (HEAD + b"\x83\x01\x00" + STOP, "EXT2"),
        "extension 4": (HEAD + b"\x84\x01\x00\x00\x00" + STOP, "EXT4"),
        "persistent id": (HEAD + b"Pos.system\n" + STOP, "PERSID"),
        "stacked persistent id": (HEAD + text("os.system") + b"Q" + STOP, "BINPERSID"),
        "newobj with keywords": (HEAD + LINEAR + b")}\x92" + STOP, "NEWOBJ_EX"),
        "buffer from outside": (HEAD + b"\x97" + STOP, "NEXT_BUFFER"),
        "read-only buffer": (HEAD + data(b"") + b"\x98" + STOP, "READONLY_BUFFER"),
        "unknown opcode": (HEAD + b"\xff" + STOP, "0xff"),
        "attribute that is a class": (estimator(OBJECT, "__class__"), "'__class__' holds builtins.object"),
        "attribute that is an estimator": (estimator(LINEAR + b")" + NEWOBJ + b"}" + BUILD), "a LogisticRegression"),
        "terminal escape in a name": (HEAD + name("os\x1b[2J", "system") + STOP, "os\\x1b[2J.system"),
    }  # fmt: skip
