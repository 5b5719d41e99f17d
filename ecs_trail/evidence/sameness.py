"""When two records say the same: their content as text, whatever the order of keys, and a digest of it."""

import hashlib
import json
from datetime import datetime
from typing import Any

from ecs_trail.evidence.moments import moment_of
from ecs_trail.evidence.texts import lenient


def canonical(raw: str) -> str:
    """A record's content as text, for comparison: keys in order, nulls dropped, what log shippers add taken out.

    Shippers replace `eventTime` by `@timestamp`, so times are compared as moments, to the second.
    """
    try:
        record = lenient(raw)
    except ValueError:
        return raw
    if not isinstance(record, dict):
        return raw
    moment = time_of(record)
    kept = {name: value for name, value in record.items() if not name.startswith(("@", "p_")) and name != "eventTime"}
    kept["eventTime"] = None if moment is None else int(moment.timestamp())
    try:
        return json.dumps(_without_nulls(kept), sort_keys=True, separators=(",", ":"))
    except RecursionError:  # nested beyond any API; the text itself is compared
        return raw


def digest_id(raw: str) -> str:
    """The id of a record that has none: a digest of its content, the same for every copy."""
    return "sha256:" + hashlib.sha256(canonical(raw).encode("utf-8", errors="replace")).hexdigest()


def time_of(record: dict[str, Any]) -> datetime | None:
    """When an event was, in CloudTrail's spelling or a log shipper's; None where it does not say."""
    for name in ("eventTime", "@timestamp", "utctimestamp"):
        moment = moment_of(record.get(name))
        if moment is not None:
            return moment
    return None


def _without_nulls(value: Any) -> Any:
    """Nulls dropped, booleans as text: exports write both either way."""
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return str(value).lower() if isinstance(value, bool) else value
