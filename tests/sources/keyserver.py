"""ListPublicKeys on the loopback, as documented: the keys of a Region that were in use in a span of time."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import JsonHandler, serve

TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.ListPublicKeys"
_REGION = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/")


@dataclass
class Keys:
    """What the server knows: Region -> keys as `list-public-keys` prints them; and what it saw."""

    by_region: dict[str, list[dict[str, Any]]]
    is_denied: bool = False
    page: int = 100
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        """One request."""
        self.asked.append((region, asked))
        start, end = asked.get("StartTime", 0), asked.get("EndTime", 9e9)
        known = self.by_region.get(region, [])
        found = [one for one in known if one["ValidityStartTime"] <= end and one["ValidityEndTime"] >= start]
        first = int(asked.get("NextToken", 0))
        answer: dict[str, Any] = {"PublicKeyList": found[first : first + self.page]}
        if first + self.page < len(found):
            answer["NextToken"] = str(first + self.page)
        return answer


class _Handler(JsonHandler):
    keys: Keys

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        match = _REGION.search(self.headers.get("Authorization", ""))
        if self.headers.get("X-Amz-Target") != TARGET or match is None:
            self._send(400, {"__type": "UnknownOperationException"})
        elif self.keys.is_denied:
            words = "User: arn:aws:iam::111122223333:user/me is not authorized to perform: cloudtrail:ListPublicKeys"
            self._send(400, {"__type": "AccessDeniedException", "message": words})
        else:
            self._send(200, self.keys.answer(match.group(1), asked))


@contextmanager
def serving_keys(keys: Keys) -> Iterator[str]:
    """Run the server; gives its address."""
    with serve(_Handler, keys=keys) as address:
        yield address
