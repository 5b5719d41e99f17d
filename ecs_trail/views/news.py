"""What is new, still open and resolved since the last report, as Markdown: the message of a scheduled run."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ecs_trail.views.text import count, shown_time
from ecs_trail.views.ticket import code, safe

_MOST: Final = 25
_PARTS: Final = (("new", "New"), ("open", "Still open"), ("resolved", "Resolved"))
_THINGS: Final = {"task_arns": "task", "volume_ids": "volume", "secret_arns": "secret"}


def news(difference: Mapping[str, Any]) -> str:
    """The message; every name in it is inert Markdown. `difference` as `ecs_trail.analysis.difference` gives it."""
    return "\n".join(_lines(difference)) + "\n"


def headline(difference: Mapping[str, Any]) -> str:
    """The message in one short line of our own words: counts only, no name of the evidence."""
    parts = [f"{len(difference[key])} {words.lower()}" for key, words in _PARTS]
    return f"ecs-trail: {', '.join(parts)}"


def _lines(difference: Mapping[str, Any]) -> Iterator[str]:
    since = difference.get("since")
    yield f"# {headline(difference)}"
    yield ""
    began = f"Since {safe(shown_time(since))}" if since else "First report"
    yield f"{began}; as of {safe(shown_time(difference.get('as_of')))}."
    for key, words in _PARTS:
        entries = difference[key]
        if entries:
            yield from ("", f"## {words}", "")
            yield from (f"- {_entry(entry)}" for entry in entries[:_MOST])
            if len(entries) > _MOST:
                yield f"- … and {count(len(entries) - _MOST, 'more')}"


def _entry(entry: Mapping[str, Any]) -> str:
    again = "broke again: " if entry.get("again") else ""
    head = f"{safe(str(entry.get('severity')))}: {again}{safe(str(entry.get('title')))}"
    grown = [count(len(values), f"more {_THINGS[name]}") for name, values in (entry.get("added") or {}).items()]
    gone = [
        count(len(values), f"{_THINGS[name]} less", f"{_THINGS[name]}s less")
        for name, values in (entry.get("removed") or {}).items()
    ]
    said = [*grown, *gone, *([safe(str(entry["reason"]))] if entry.get("reason") else [])]
    more = f" ({'; '.join(said)})" if said else ""
    return f"{head}{more} {code(str(entry.get('identity')))}"
