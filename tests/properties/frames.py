"""A strategy for any frame type, drawn from the type itself: its fields, their bounds, their tags."""

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

#: Longest value that is drawn, whatever the type allows: bounds are tested elsewhere.
_LONGEST = 40
_MANY = 4


def strategy(frame: Any) -> st.SearchStrategy[Any]:
    """Values of the type, each of them within its bounds."""
    return _of(inspect.type_info(frame))


def _of(info: inspect.Type) -> st.SearchStrategy[Any]:
    match info:
        case inspect.StructType():
            fields = [_of(field.type) for field in info.fields]
            return st.tuples(*fields).map(lambda values, cls=info.cls: cls(*values))  # type: ignore[misc]
        case inspect.UnionType():
            return st.one_of([_of(t) for t in info.types])
        case inspect.VarTupleType():
            least = info.min_length or 0
            most = max(least, min(_MANY, info.max_length if info.max_length is not None else _MANY))
            return st.lists(_of(info.item_type), min_size=least, max_size=most).map(tuple)
        case inspect.TupleType():
            return st.tuples(*[_of(t) for t in info.item_types])
        case inspect.BytesType():
            least = info.min_length or 0
            most = max(least, min(_LONGEST, info.max_length if info.max_length is not None else _LONGEST))
            return st.binary(min_size=least, max_size=most) if least < 100 else _long(least)
        case inspect.StrType():
            most = min(_LONGEST, info.max_length if info.max_length is not None else _LONGEST)
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=most)
        case inspect.IntType():
            return st.integers(
                info.ge if info.ge is not None else -(2**63), info.le if info.le is not None else 2**63 - 1
            )
        case inspect.EnumType():
            return st.sampled_from(list(info.cls))
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case _:
            raise TypeError(f"a frame has no field of type {info}")


def _long(size: int) -> st.SearchStrategy[bytes]:
    """Signatures and paths: long values of one length, a few bytes of them drawn."""
    return st.binary(min_size=4, max_size=4).map(lambda start: start.ljust(size, start[:1]))


def encoded(frame: Any) -> bytes:
    return msgspec.msgpack.encode(frame)
