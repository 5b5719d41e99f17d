"""Blocks of records that a compiled walk has read whole (`walk`): columns are gathered from pieces of the text.

Nothing is decoded but what few records have: strings with escapes, free-form parts that have to be written otherwise,
and once for all records of a block the different values that many of them share.
"""

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ecs_trail.arrays import Places, flags, joined_texts, values_of, whole_numbers
from ecs_trail.evidence.blocks import FREE, Coded, Columns, NotPlainError, actor_columns, actors, words
from ecs_trail.evidence.glances import NOT_PLAIN, is_unicode
from ecs_trail.evidence.homes import spans_of
from ecs_trail.evidence.ledger import Reading, merge_spans
from ecs_trail.evidence.parts import free_text, without_credentials
from ecs_trail.evidence.records import Actor, asked_of
from ecs_trail.evidence.sieve import is_plain_kind
from ecs_trail.evidence.slicing import address
from ecs_trail.evidence.walk import ROW_BYTES, Found, Value, WholeWalker, unescaped

#: Of larger texts not even the pieces are held here.
_LARGEST: Final = 48 << 20
#: The first time that a column of them has (`wholes`), and the one after the last, as `Found.homes` has them.
_FIRST, _AFTER = 1000 * 10**10, 3000 * 10**10
#: `Row` in `walk.c`, and its pieces in their order.
_PIECES: Final = (
    "raw", "event_id", "request_id", "shared_event_id", "error_message", "requested_session_name", "target_role_arn",
    *FREE,
)  # fmt: skip
_ROW: Final = np.dtype(
    [("time", "i8"), ("kind", "u4"), ("caller", "u4"), ("origin", "u4"), ("marks", "u4"),
     ("pieces", "u4", (len(_PIECES), 2))]
)  # fmt: skip
_HAS_TLS: Final = 1 << len(_PIECES)
#: Columns of the fields of a kind and of an origin.
_KIND: Final = (
    "account_id", "aws_region", "event_source", "event_name", "error_code", "event_type", "event_category",
    "event_version", "read_only", "management_event",
)  # fmt: skip
_ORIGIN: Final = ("source_ip_address", "user_agent")
_FLAGS: Final = {"true": True, "false": False, None: None}
_STAMP: Final = pa.timestamp("us", tz="UTC")
_MOST_BYTES: Final = (1 << 31) - 1
_NOBODY: Final = Actor(*(None,) * len(Actor._fields))

_Numbers = npt.NDArray[np.unsignedinteger[Any]]


class Pieces:
    """A column whose values lie somewhere in memory that the owner of this keeps: where each is, and how long. None is
    as long as nothing.
    """

    def __init__(self, addresses: _Numbers, lengths: _Numbers) -> None:
        """Both of 64 bits; they are changed."""
        self._addresses, self.lengths = addresses, lengths
        self._own: list[bytes] = []

    def value(self, place: int) -> bytes:
        """One value."""
        return ctypes.string_at(int(self._addresses[place]), int(self.lengths[place]))

    def put(self, place: int, value: bytes) -> None:
        """Another value in the place of one."""
        self._own.append(value)
        self._addresses[place], self.lengths[place] = address(value), len(value)

    def column(self, walker: WholeWalker, order: Places) -> pa.Array:
        """The values at some places as texts."""
        lengths = self.lengths[order]
        bounds = np.zeros(len(order) + 1, dtype=np.int64)
        np.cumsum(lengths, out=bounds[1:])
        if bounds[-1] > _MOST_BYTES:
            raise NotPlainError
        narrow, addresses = bounds.astype(np.int32), self._addresses[order]
        made = pa.allocate_buffer(int(bounds[-1]))
        walker.gather(addresses.ctypes.data, narrow.ctypes.data, len(order), made.address)
        return joined_texts(lengths, narrow, made)


class Walked:
    """Records read whole by a walk that wait to become rows."""

    def __init__(self, walker: WholeWalker | None) -> None:
        """None yet. Without a walker none is ever taken. What a walker found before is forgotten: its numbers are those
        of one block.
        """
        self._walker = walker
        self._texts: list[bytes] = []
        self._found: list[bytes] = []
        self._rows = np.empty(0, dtype=_ROW)
        self._bases: _Numbers = np.empty(0, dtype=np.uint64)
        self.size = self._count = 0
        self._forget()

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def add(self, text: bytes, reading: Reading) -> int:
        """As `blocks.Records`."""
        if self._walker is None or not text.startswith(b"{") or len(text) > _LARGEST:
            return 0
        if self._walker.is_full and not self._count:
            self._forget()
        found = self._walker.walk(text)
        if found is None or not self._is_plain(found, text):
            self.size += len(text) * (self._count > 0)  # it leaves something behind in the walker
            return 0
        merge_spans(reading.spans, spans_of(self._walker.homes, found.homes))
        reading.records_read += found.records
        self._texts.append(text)
        self._found.append(self._walker.rows(found))
        self.size += len(text)
        self._count += found.records
        return found.records

    def ids(self) -> pa.Array:
        """The event ids."""
        self._join()
        return self._column("event_id", np.arange(self._count))

    def raw(self, number: int) -> bytes:
        """A record as received."""
        return self._pieces("raw").value(number)

    def without(self, numbers: Iterable[int]) -> None:
        """Leave some out."""
        left = [*numbers]
        self._rows, self._bases = np.delete(self._rows, left), np.delete(self._bases, left)
        self._count = len(self._rows)

    def columns(self) -> Columns:
        """As `blocks.Records`."""
        self._join()
        rows, known = self._rows, self._gatherer()
        kinds = _coded(rows["kind"], _KIND, known.kinds)
        origins = _coded(rows["origin"], _ORIGIN, known.asked)
        found = Coded(_codes(rows["caller"]), actor_columns(one or _NOBODY for one in self._actors))
        times = pa.Array.from_buffers(_STAMP, len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows["time"]))])
        plain = {"event_time": times, **self._asked(kinds)}
        others = [name for name in _PIECES if name not in plain]

        def made(order: Places) -> dict[str, pa.Array]:
            has_tls = (rows["marks"][order] & _HAS_TLS) > 0
            return {name: self._column(name, order) for name in others} | {"has_tls_details": flags(has_tls.tolist())}

        return Columns((kinds, origins, found), plain, made)

    def _forget(self) -> None:
        if self._walker is not None:
            self._walker.forget()
        self._kinds: list[bool] = []
        self._actors: list[Actor | None] = []

    def _is_plain(self, found: Found, text: bytes) -> bool:
        """Whether the values of a text are those of plain records, each of which is looked at once."""
        if self._walker is None or not found.records:
            return False
        for kind in self._walker.kinds[len(self._kinds) :]:
            self._kinds.append(is_plain_kind(kind[2] or "", kind[5], kind[6]))
        for (identity,) in self._walker.callers[len(self._actors) :]:
            self._actors.append(_actor(identity or ""))
        if not all(self._kinds[number] for number in found.kinds):
            return False
        if any(self._actors[number] is None for number in found.callers):
            return False
        if not all(first >= _FIRST and last < _AFTER for _, first, last in found.homes):
            return False
        return not found.has_high or is_unicode(text)

    def _join(self) -> None:
        """What was found of all records in one piece."""
        if not self._found:
            return
        self._rows = np.frombuffer(b"".join(self._found), dtype=_ROW)
        bases = np.array([address(text) for text in self._texts], dtype=np.uint64)
        self._bases = bases.repeat([len(found) // ROW_BYTES for found in self._found])
        self._found = []

    def _pieces(self, name: str) -> Pieces:
        pieces = self._rows["pieces"][:, _PIECES.index(name)]
        return Pieces(self._bases + pieces[:, 0], pieces[:, 1].astype(np.uint64))

    def _marked(self, name: str) -> list[int]:
        """The places of values that do not become those of the column as they stand."""
        return np.flatnonzero(self._rows["marks"] & (1 << _PIECES.index(name))).tolist()

    def _column(self, name: str, order: Places) -> pa.Array:
        return self._where(name, np.ones(self._count, dtype=np.bool_)).column(self._gatherer(), order)

    def _asked(self, kinds: Coded) -> dict[str, pa.Array]:
        """What AssumeRole calls ask for; nothing for all other calls."""
        asking = np.array(pc.starts_with(kinds.values["event_name"], "AssumeRole").to_pylist())[values_of(kinds.codes)]
        names, roles = (self._where("requested_session_name", asking), self._where("target_role_arn", asking))
        parameters, resources = self._pieces("request_parameters"), self._pieces("resources")
        messages = self._where("error_message", asking)
        for place in np.flatnonzero(asking & (roles.lengths == 0)).tolist():
            message = messages.value(place).decode() or None
            found = asked_of(parameters.value(place), resources.value(place), message)
            roles.put(place, (found.roleArn or "").encode())
        every = np.arange(self._count)
        return {
            "requested_session_name": names.column(self._gatherer(), every),
            "target_role_arn": roles.column(self._gatherer(), every),
        }

    def _where(self, name: str, given: npt.NDArray[np.bool_]) -> Pieces:
        """A column that says something where something is given."""
        pieces = self._pieces(name)
        pieces.lengths[~given] = 0
        for place in self._marked(name):
            if given[place]:
                pieces.put(place, _as_column(name, pieces.value(place)))
        return pieces

    def _gatherer(self) -> WholeWalker:
        if self._walker is None:
            raise NotPlainError
        return self._walker


def _actor(identity: str) -> Actor | None:
    try:
        return actors([identity])[0]
    except NOT_PLAIN:
        return None


def _as_column(name: str, value: bytes) -> bytes:
    """A value with escapes, or a free-form part that is to be written otherwise, as it stands in its column."""
    if name == "response_elements":
        return (without_credentials(value) or "").encode()
    if name in FREE:
        return (free_text(value) or "").encode()
    return unescaped(value.decode()).encode()


def _codes(numbers: _Numbers) -> pa.Array:
    return whole_numbers(numbers.astype(np.int64))


def _coded(numbers: _Numbers, names: Sequence[str], values: Sequence[Value]) -> Coded:
    columns = {
        name: words(name, [_FLAGS[one] for one in some] if name in ("read_only", "management_event") else some)
        for name, some in zip(names, zip(*values, strict=True), strict=True)
    }
    return Coded(_codes(numbers), columns)
