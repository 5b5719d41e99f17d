"""The kinds of columns a frame may have, as Arrow names them."""

from typing import Any, Final

import pyarrow as pa

Row = dict[str, Any]

TEXT: Final = pa.string()
TEXTS: Final = pa.list_(pa.string())
TIME: Final = pa.timestamp("us", tz="UTC")
TIMES: Final = pa.list_(TIME)
#: Steps for people: a title and commands to copy.
STEPS: Final = pa.list_(pa.struct([("title", pa.string()), ("commands", pa.list_(pa.string()))]))
#: Changes that might have been a cause, and why they are not, or cannot be ruled out.
RIVALS: Final = pa.list_(
    pa.struct(
        [
            ("event_id", pa.string()),
            ("event_time", TIME),
            *((name, pa.string()) for name in ("event_name", "actor", "standing", "reason")),
        ]
    )
)
FLAG: Final = pa.bool_()
COUNT: Final = pa.int64()
COUNTS: Final = pa.list_(COUNT)
NUMBER: Final = pa.float64()
