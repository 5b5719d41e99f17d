"""What can still be read of broken JSON text, without ever taking a part of a record for a record.

An attacker may write whole records *inside* a record (request parameters are free text and free objects). Behind a
break we do not know how deep we are, so a run of values found there counts only when it closes the way a list of
records at the top closes: by brackets up to the end of the text, the next value, or the next break. A run followed by
`"key":` was inside an object and is dropped.
"""

import json
import re
from typing import Final

Break = tuple[str, str]

#: Keys that open a record, an envelope or an item of an API page. A resumption point is an object that opens with one.
_OPENERS: Final = (
    "eventVersion|userIdentity|eventTime|eventSource|eventName|awsRegion|sourceIPAddress|userAgent|requestParameters|"
    "responseElements|additionalEventData|requestID|eventID|eventId|eventType|recipientAccountId|readOnly|"
    "managementEvent|eventCategory|resources|errorCode|errorMessage|apiVersion|tlsDetails|sharedEventID|"
    "EventId|EventName|EventTime|Records|aws|detail|version|id|account|source|timestamp|@timestamp|_source|message"
)
_OPENING: Final = re.compile(rf'\{{\s*"(?:{_OPENERS})"\s*:')
_RECORD_OPENING: Final = re.compile(
    r'\{\s*"(?:eventVersion|userIdentity|eventTime|eventSource|eventName|awsRegion|eventID|EventId|EventName)"\s*:'
)
_BETWEEN: Final = re.compile(r"[\s,\]}]*", re.ASCII)
#: Keys that may follow the list of records in its own wrapper.
_TRAILER: Final = re.compile(r'"(?:NextToken|nextToken|ResponseMetadata|RetryAttempts)"\s*:')
#: Breaks of one text that are described one by one; a text can be broken in many thousand places.
MAX_NAMED: Final = 20
#: Characters tried at first; nearly every record is shorter than the first of them.
_WINDOWS: Final = (1 << 16, 1 << 21)
_DECODER: Final = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)


def salvage(text: str) -> tuple[list[str], list[Break]]:
    """The readable values of a text of one character a byte, and its breaks as (problem kind, place and reason).

    A text of whole values one after the other (Firehose) has no breaks. Work is bounded: parsing stops after reading
    some multiple of the text, which only hostile nesting can reach.
    """
    return _Salvage(text).run()


class _Salvage:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.values: list[str] = []
        self.breaks: list[tuple[int, str]] = []
        self.budget = 16 * len(text) + 65536
        self.first_failure: tuple[int, str] | None = None

    def run(self) -> tuple[list[str], list[Break]]:
        place: int | None = self._top(0)
        while place is not None and self.budget > 0:
            place = self._resume(place)
        if not self.breaks and self.first_failure is not None:
            self.breaks.append(self.first_failure)
        described = [self._describe(place, reason) for place, reason in self.breaks[:MAX_NAMED]]
        more = len(self.breaks) - MAX_NAMED
        if self.budget <= 0:
            described.append(("broken_json", "too much is broken to go on; what follows is not read."))
        elif more > 0:
            described.append(("broken_json", f"{more} more breaks follow; what can be read around them counts."))
        return self.values, described

    def _value(self, place: int) -> int | None:
        """The end of the value at `place`, or None; a failure is remembered for the caller.

        A window of the text is tried before the whole: an error object of `json` counts lines from the beginning of
        its text, so many errors in a large text would cost the square of it.
        """
        for size in (*_WINDOWS, len(self.text)):
            window = self.text[place : place + size]
            try:
                _, end = _DECODER.raw_decode(window)
            except json.JSONDecodeError as error:
                self.budget -= max(error.pos, 64)
                self._failed = (place + error.pos, error.msg)
                if place + size >= len(self.text) or not _may_be_cut(error, len(window)):
                    return None
                self.budget -= len(window)
            except RecursionError:
                self.budget -= len(self.text)
                self._failed = (place, "nested too deeply")
                return None
            else:
                self.budget -= end
                return place + end
        return None

    _failed: tuple[int, str] = (0, "")

    def _top(self, place: int) -> int | None:
        """Read values from the start, also inside a wrapper that does not close; where to resume, None at the end."""
        text = self.text
        inside = False
        while self.budget > 0:
            between = _BETWEEN.match(text, place)
            place = between.end() if between else place
            if place >= len(text):
                return None
            if inside and _TRAILER.match(text, place):
                return None
            end = self._value(place)
            if end is not None:
                if text[place] in "{[":
                    self.values.append(text[place:end])
                elif not inside:
                    self.breaks.append((place, "text that is no JSON object or list"))
                    return place + 1
                place = end
                continue
            if self.first_failure is None:
                self.first_failure = self._failed
            step = self._into(place)
            if step is None:
                self.breaks.append(self._failed)
                return self._behind(place)
            place, inside = step, True
        return None

    def _into(self, place: int) -> int | None:
        """The first record inside a wrapper that opens at `place` and does not close; None when it is no wrapper."""
        if self.text[place] not in "{[" or _RECORD_OPENING.match(self.text, place):
            return None
        following = _OPENING.search(self.text, place + 1)
        return None if following is None else following.start()

    def _resume(self, place: int) -> int | None:
        """Read one run behind a break. Returns where to look next, None when there is nothing more."""
        opening = _OPENING.search(self.text, place)
        if opening is None:
            return None
        run: list[str] = []
        place = opening.start()
        while True:
            end = self._value(place)
            if end is None:
                break
            run.append(self.text[place:end])
            between = _BETWEEN.match(self.text, end)
            place = between.end() if between else end
            if place >= len(self.text) or _TRAILER.match(self.text, place):
                self.values.extend(run)
                return None
            if self.text[place] not in "{[":
                return place  # `"key":` or the like: this run stood inside an object
        if run:
            self.values.extend(run)
            self.breaks.append(self._failed)
        return self._behind(place)

    def _behind(self, place: int) -> int:
        """Where to go on after the failed value at `place`: behind its damage, as all before that is inside it."""
        return max(place + 1, self._failed[0])

    def _describe(self, place: int, reason: str) -> Break:
        end = len(self.text.rstrip())
        if reason.startswith("Unterminated string") or (end - place <= 6 and self.text[end - 1 : end] not in "}]"):
            return "truncated_file", (
                f"the text ends at byte {len(self.text)} in the middle of a record or its wrapper, "
                f"after {len(self.values)} readable values."
            )
        line = self.text.count("\n", 0, place) + 1
        return (
            "broken_json",
            f"line {line}, byte {place}: {reason}; what can be read around it counts.",
        )


def _may_be_cut(error: json.JSONDecodeError, length: int) -> bool:
    """True when an error may come from the end of the window and not from the text."""
    return error.pos > length - 16 or error.msg.startswith("Unterminated")
