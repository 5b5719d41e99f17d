"""Rows of a Parquet table that cannot match, counted by whole columns; only the others are made records one by one.

To make a record of columns costs a hundred times what it costs to compare columns. A row is set aside here only where
its columns say beyond doubt where and when it was and that no clause of the probe can hold; a row with anything unusual
(no account, a time that is none, an escape that may spell a session name) is left to the slow way.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ecs_trail.evidence.ledger import Span, Spans
from ecs_trail.evidence.moments import parse_moment
from ecs_trail.evidence.normal import canonical_key
from ecs_trail.evidence.probes import ClauseProbe, Probe

Mask = npt.NDArray[np.bool_]

_NEEDED: Final = ("eventTime", "eventSource", "eventName", "awsRegion", "recipientAccountId")
#: The columns of this package's own tables that say all a probe asks.
OWN_KEYS: Final = {
    "eventTime": "event_time", "eventSource": "event_source", "eventName": "event_name", "errorCode": "error_code",
    "awsRegion": "aws_region", "recipientAccountId": "account_id",
}  # fmt: skip
OWN_SESSIONS: Final = ("session_name", "requested_session_name")
#: Columns that tell no session: searching them would cost most of the time.
_TELL_NO_SESSION: Final = frozenset({*_NEEDED, "errorCode", "errorMessage", "resources", "tlsDetails", "eventID"})
#: Brackets in one text from which on its nesting may be too deep to read, which only the slow way finds out.
_DEEP: Final = 400
#: Spellings of plain letters that JSON text may use instead of the letters.
_ESCAPES: Final = r"\\u00[2-7]|\\/"
_STAMP: Final = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Sifter:
    """Where a table says what a probe asks. `keys` are columns by CloudTrail's names, `fixed` what the path says for
    all rows, `sessions` the columns with session names, where the table has them.
    """

    keys: Mapping[str, str]
    fixed: Mapping[str, str]
    sessions: tuple[str, ...] = ()

    def sift(self, batch: pa.RecordBatch, probe: Probe) -> tuple[Mask, Spans]:
        """Which rows need the slow way, and what the others say of accounts, Regions, times and event sources."""
        columns = {name: self._text(batch, name) for name in _NEEDED if name != "eventTime"}
        when = _times(batch.column(self.keys["eventTime"]))
        is_plain = pc.is_valid(when)
        for column in columns.values():
            is_plain = pc.and_(is_plain, pc.fill_null(pc.not_equal(column, ""), False))
        wanted = ~_mask(is_plain)
        if not self.sessions:
            wanted |= _deep(batch)
        failed = self._failed(batch)
        for clause in probe:
            parts = _parts(clause, columns, when, failed)
            if clause.session_names is not None:
                parts.append(self._sessions(batch, clause.session_names))
            wanted |= reduce(np.logical_and, parts, np.ones(len(wanted), dtype=bool))
        return wanted, _spans(columns, when, ~wanted)

    def _text(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        if name not in self.keys:
            return pa.array([self.fixed[name]] * batch.num_rows, type=pa.string())
        column = batch.column(self.keys[name])
        return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column

    def _failed(self, batch: pa.RecordBatch) -> Mask:
        if "errorCode" not in self.keys:
            return np.zeros(batch.num_rows, dtype=bool)
        return _mask(pc.fill_null(pc.not_equal(self._text(batch, "errorCode"), ""), False))

    def _sessions(self, batch: pa.RecordBatch, names: frozenset[str]) -> Mask:
        """Rows that may be of one of the sessions, or ask for one."""
        found = np.zeros(batch.num_rows, dtype=bool)
        if self.sessions:
            values = pa.array(sorted(names), type=pa.string())
            for name in self.sessions:
                found |= _mask(pc.is_in(batch.column(name), value_set=values))
            return found
        pattern = "|".join([*map(re.escape, sorted(names)), _ESCAPES])
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if canonical_key(name) not in _TELL_NO_SESSION:
                for texts, rows in _texts(column):
                    hits = _mask(pc.fill_null(pc.match_substring_regex(texts, pattern), False))
                    found[hits if rows is None else rows[hits]] = True
        return found


def sifter_of(schema: pa.Schema, by_path: Mapping[str, str]) -> Sifter | None:
    """How to sift a table with columns named as CloudTrail names its fields; None where it cannot be done."""
    keys: dict[str, str] = {}
    for name in schema.names:
        known = canonical_key(name)
        if known in keys:
            return None  # two columns for one field
        if known in _NEEDED or known == "errorCode":
            keys[known] = name
    fixed = {name: value for name, value in by_path.items() if name in _NEEDED and name not in keys}
    if not all(name in keys or (name in fixed and name != "eventTime") for name in _NEEDED):
        return None
    for known, name in keys.items():
        kind = schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not (is_text or (known == "eventTime" and pa.types.is_timestamp(kind))):
            return None
    return Sifter(keys, fixed)


def _parts(clause: ClauseProbe, columns: Mapping[str, pa.Array], when: pa.Array, failed: Mask) -> list[Mask]:
    parts = [
        _mask(pc.is_in(columns[name], value_set=pa.array(sorted(values), type=columns[name].type)))
        for name, values in (
            ("eventSource", clause.event_sources),
            ("eventName", clause.event_names),
            ("awsRegion", clause.regions),
            ("recipientAccountId", clause.accounts),
        )
        if values is not None
    ]
    if clause.failed is not None:
        parts.append(failed if clause.failed else ~failed)
    if clause.start is not None:
        parts.append(_mask(pc.fill_null(pc.greater_equal(when, pa.scalar(clause.start, type=_STAMP)), False)))
    if clause.end is not None:
        parts.append(_mask(pc.fill_null(pc.less(when, pa.scalar(clause.end, type=_STAMP)), False)))
    return parts


def _times(column: pa.Array) -> pa.Array:
    """The times of a column; null where it says none that is understood. Each different text is read once."""
    if pa.types.is_timestamp(column.type):
        exact = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
        return exact.cast(_STAMP)  # a time without a zone is UTC
    texts = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    moments = [None if text is None else parse_moment(text) for text in texts.dictionary.to_pylist()]
    return pa.array(moments, type=_STAMP).take(texts.indices)


def _spans(columns: Mapping[str, pa.Array], when: pa.Array, rows: Mask) -> Spans:
    """What the rows set aside say, as each of them would have been counted."""
    spans: Spans = {}
    if not rows.any():
        return spans
    names = ("recipientAccountId", "awsRegion", "eventSource")
    coded = [columns[name].filter(pa.array(rows)).dictionary_encode() for name in names]
    codes = np.stack([one.indices.to_numpy(zero_copy_only=False) for one in coded])
    times = when.filter(pa.array(rows))
    kinds, which = np.unique(codes, axis=1, return_inverse=True)
    for number in range(kinds.shape[1]):
        account, region, source = (
            one.dictionary[int(code)].as_py() for one, code in zip(coded, kinds[:, number], strict=True)
        )
        ends = pc.min_max(times.filter(pa.array(which.reshape(-1) == number)))
        span = spans.setdefault((account, region), Span())
        span.merge(Span(_moment(ends["min"]), _moment(ends["max"]), event_sources={source}))
    return spans


def _moment(scalar: pa.Scalar) -> Any:
    return scalar.as_py()


def _texts(column: pa.Array) -> Iterator[tuple[pa.Array, npt.NDArray[np.int64] | None]]:
    """Every text of a column, also inside objects and lists, with the row of each (None: one a row)."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _texts(column.dictionary_decode())
    elif pa.types.is_map(kind):
        pairs = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
        yield from _texts(column.cast(pa.list_(pairs)))
    elif pa.types.is_struct(kind):
        for child in column.flatten():
            yield from _texts(child)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        parents = pc.list_parent_indices(column).to_numpy()
        for texts, rows in _texts(column.flatten()):
            yield texts, parents if rows is None else parents[rows]
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        yield column, None


def _deep(batch: pa.RecordBatch) -> Mask:
    """Rows with a text that may be nested too deeply to read."""
    found = np.zeros(batch.num_rows, dtype=bool)
    for column in batch.columns:
        for texts, rows in _texts(column):
            long = _mask(pc.fill_null(pc.greater(pc.binary_length(texts), _DEEP), False))
            if not long.any():
                continue
            some = texts.filter(pa.array(long))
            brackets = pc.add(pc.count_substring(some, "["), pc.count_substring(some, "{"))
            places = np.flatnonzero(long)[_mask(pc.greater(brackets, _DEEP))]
            found[places if rows is None else rows[places]] = True
    return found


def _mask(column: pa.Array) -> Mask:
    found: Mask = column.to_numpy(zero_copy_only=False).astype(bool)
    return found
