"""The investigation as Markdown for a ticket: verdict, cause, impact, repair, what was not seen.

Names in the evidence are chosen by strangers, and a ticket system obeys more than Markdown: it mentions people, links
issues and addresses, draws smileys. No entity or backslash stops those (they are found in the rendered text), a code
span does. So every word that is more than letters and harmless punctuation stands in a code span, and there is no
table, whose cells have rules of their own. Grammar: CommonMark 0.31 and GitHub Flavored Markdown, read on 2026-11-24.
"""

import re
from collections.abc import Iterator
from typing import Final

from ecs_trail.views.plain import Document
from ecs_trail.views.story import Cause, Item, Story, tell
from ecs_trail.views.text import clean, count

_PLAIN: Final = re.compile(r"[^\W_]*(?:[.,;:()/%'’…·–—-]+[^\W_]+)*[.,;:)%…]*", re.UNICODE)
_OPENING: Final = re.compile(r"\(?")
_CLOCK: Final = re.compile(r"\d\d:\d\d:\d\d[.,;)]*")
#: Plain words that a ticket system would act on all the same: addresses, `:smile:`, `GH-12`, ordered lists.
_ACTIVE: Final = re.compile(r"www\.|//|:\w+:|\bGH-\d|\A\d+[.)]\Z|\A[-–—]+\Z", re.IGNORECASE)
#: A hash that a host of code would link to a commit.
_HASH: Final = re.compile(r"\b[0-9a-f]{7,64}\b")
_TICKS: Final = re.compile("`+")
_ITEMS: Final = 20


def ticket(document: Document) -> bytes:
    """The ticket as UTF-8; the same document gives the same bytes."""
    return ("\n".join(_lines(tell(document))) + "\n").encode("utf-8", errors="backslashreplace")


def safe(text: str) -> str:
    """A sentence as Markdown that shows exactly its characters, on one line, and does nothing else."""
    return " ".join(_word(word) for word in clean(text).split(" ") if word)


def code(text: str) -> str:
    """A text as a code span: its fence is longer than any run of backticks inside."""
    shown = clean(text)
    fence = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown[:1] in ("`", " ", "") or shown[-1:] in ("`", " ") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def block(lines: tuple[str, ...]) -> str:
    """Commands as a fenced block that no line of theirs can close."""
    shown = [clean(line) for line in lines]
    longest = max((len(run) for line in shown for run in _TICKS.findall(line)), default=0)
    fence = "`" * max(longest + 1, 3)
    return "\n".join([f"{fence}sh", *shown, fence])


def _word(word: str) -> str:
    opened = _OPENING.match(word)
    head = opened[0] if opened else ""
    rest = word[len(head) :]
    if _CLOCK.fullmatch(rest):
        return word
    if _PLAIN.fullmatch(rest) and not _ACTIVE.search(word) and not _HASH.search(word):
        return word
    return code(word)


def _lines(story: Story) -> Iterator[str]:
    yield f"# {safe(story.headline)}"
    yield ""
    yield f"As of {safe(story.as_of)}."
    if story.details:
        yield from ("", *(f"- {safe(line)}" for line in story.details))
    if story.causes or story.causes_note:
        yield from ("", "## Cause", "")
        yield from (f"- {_cause(cause)}" for cause in story.causes)
        yield from ([f"- {safe(story.causes_note)}"] if story.causes_note else [])
        yield from ([f"- {safe(story.certainty)}"] if story.certainty else [])
    if story.items or story.others:
        yield from ("", "## Impact", "")
        yield from (f"- {_item(item)}" for item in story.items[:_ITEMS])
        if len(story.items) > _ITEMS:
            yield f"- … and {count(len(story.items) - _ITEMS, 'more')}"
        yield from (f"- {safe(f'{one.severity}, {one.status}: {one.title}')}" for one in story.others)
    if story.repairs:
        yield from ("", "## Repair")
        for number, step in enumerate(story.repairs, start=1):
            yield from ("", f"**Step {number}.** {safe(step.title)}", "")
            yield from ([block(step.commands)] if step.commands else [])
    yield from ("", "## Looked at", "")
    yield from (f"- {safe(line)}" for line in story.looked_at)
    yield from ("", "## Not seen", "")
    yield from (f"- {safe(line)}" for line in story.unseen or ("Everything that was found could be read.",))


def _cause(cause: Cause) -> str:
    parts = [safe(cause.time), code(cause.call) if cause.call else ""]
    parts += [f"{word} {safe(value)}" for word, value in _told(cause) if value]
    return " ".join([*(part for part in parts if part), f"(event {code(cause.event_id)})"])


def _told(cause: Cause) -> tuple[tuple[str, str], ...]:
    return ("by", cause.who), ("with", cause.tool), ("from", cause.address), ("took", cause.took)


def _item(item: Item) -> str:
    about = f" of {code(item.owner)}" if item.owner else ""
    more = ", ".join(safe(one) for one in (item.volume, item.since) if one)
    return f"{safe(item.state)}: {code(item.name)}{about}{f', {more}' if more else ''}"
