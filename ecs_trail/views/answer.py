"""The text answer: one screen that a tired person understands. Coloured on a terminal, plain when piped."""

import shlex
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from ecs_trail.views.story import BROKEN, HEALTHY, NOTHING, OVER, Cause, Item, Story, tell

_VERDICTS: Final = {BROKEN: "bold red", OVER: "bold yellow", HEALTHY: "bold green", NOTHING: "bold yellow"}
_STATES: Final = {
    "stuck": "bold red",
    "blocked": "bold red",
    "leaked": "bold red",
    "failed to start": "bold red",
    "at risk": "bold yellow",
    "stopping": "yellow",
    "recovered": "green",
}
_SEVERITIES: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
_ITEMS_SHOWN: Final = 6
_CAUSES_SHOWN: Final = 4
_OTHERS_SHOWN: Final = 6


def print_answer(document: Mapping[str, Any], console: Console) -> None:
    """Print the answer of an investigation document (contract, section 2).

    About 40 lines of 100 columns for an incident of ordinary size. Commands are printed on one line each, without
    markup and never wrapped, so that they can be copied.
    """
    story = tell(document)
    console.print(Text(f"ecs-trail, as of {story.as_of}", style="dim"))
    console.print()
    console.print(Text(story.headline, style=_VERDICTS[story.verdict]))
    if story.detail:
        console.print(Text(story.detail))
    _print_causes(story, console)
    _print_items(story, console)
    _print_repair(story, console)
    _print_others(story, console)
    _lines("LOOKED AT", story.looked_at, console)
    _lines("NOT SEEN", story.unseen or ("Nothing is known to be missing from this evidence.",), console)


def _title(words: str, console: Console) -> None:
    console.print()
    console.print(Text(words, style="bold"))


def _print_causes(story: Story, console: Console) -> None:
    if not story.causes and not story.causes_note:
        return
    _title("CAUSE", console)
    for cause in story.causes[:_CAUSES_SHOWN]:
        console.print(_cause_line(cause))
        took = f"took {cause.took}; " if cause.took else ""
        console.print(Text(f"    {took}event {cause.event_id}", style="dim"))
    if len(story.causes) > _CAUSES_SHOWN:
        console.print(Text(f"  … and {len(story.causes) - _CAUSES_SHOWN:,} more: {_command(story, 'roles')}"))
    if story.causes_note:
        console.print(Text(f"  {story.causes_note}"))
    if story.certainty:
        console.print(Text(f"  {story.certainty}"))


def _cause_line(cause: Cause) -> Text:
    line = Text(f"  {cause.time}  ")
    line.append(cause.call, style="bold")
    line.append(f" by {cause.who}")
    extras = [part for part in (cause.tool and f"with {cause.tool}", cause.address and f"from {cause.address}") if part]
    line.append(f" {' '.join(extras)}" if extras else "")
    return line


def _print_items(story: Story, console: Console) -> None:
    if not story.items:
        return
    _title(story.items_title, console)
    for item in story.items[:_ITEMS_SHOWN]:
        console.print(_item_line(item))
    rest = len(story.items) - _ITEMS_SHOWN
    if rest > 0:
        kind = {"TASKS AND VOLUMES": "tasks", "VOLUMES": "volumes"}.get(story.items_title, "tls")
        console.print(Text(f"  … and {rest:,} more: {_command(story, kind)}"), soft_wrap=True)


def _item_line(item: Item) -> Text:
    line = Text("  ")
    line.append(f"{item.state:<9}", style=_STATES.get(item.state, ""))
    line.append(f" {item.name}")
    details = [part for part in (item.owner and f"service {item.owner}", item.volume, item.since) if part]
    line.append(f"\n            {', '.join(details)}" if details else "", style="dim")
    return line


def _print_repair(story: Story, console: Console) -> None:
    if not story.repairs:
        return
    _title("REPAIR", console)
    for repair in story.repairs:
        console.print(Text(f"  {repair.title}"))
        for command in repair.commands:
            # `out` neither wraps nor reads markup: the command arrives on one line, ready to copy.
            console.out(command, highlight=False, style="cyan")


def _print_others(story: Story, console: Console) -> None:
    if not story.others:
        return
    _title("ALSO FOUND", console)
    for other in story.others[:_OTHERS_SHOWN]:
        line = Text("  ")
        line.append(f"{other.severity:<8}", style=_SEVERITIES.get(other.severity, ""))
        line.append(f" {other.status:<8} {other.title}")
        line.truncate(max(console.width, 20), overflow="ellipsis")
        console.print(line)
    rest = len(story.others) - _OTHERS_SHOWN
    if rest > 0:
        console.print(Text(f"  … and {rest:,} more: {_command(story, '')}"), soft_wrap=True)


def _lines(title: str, lines: tuple[str, ...], console: Console) -> None:
    _title(title, console)
    for line in lines:
        console.print(Text(f"  {line}"))


def _command(story: Story, timeline: str) -> str:
    where = " ".join(shlex.quote(source) for source in story.sources) or "SOURCE"
    return f"ecs-trail timeline {timeline} {where}" if timeline else f"ecs-trail investigate {where} --format json"
