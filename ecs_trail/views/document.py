"""The investigation document as bytes."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

#: Characters that act instead of being seen, and lone surrogates, which UTF-8 cannot carry. JSON may write any of
#: them as `\uXXXX`: the value stays the same, and a terminal that shows the document is not steered by it.
_ACTING: Final = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)


def to_json(document: Mapping[str, Any]) -> bytes:
    """The document as UTF-8 JSON, keys in their given order; the same document gives the same bytes."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    return (_ACTING.sub(_escaped, text) + "\n").encode("utf-8")


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]
