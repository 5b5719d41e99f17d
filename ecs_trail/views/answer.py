"""The text answer: one screen that a tired person understands. Coloured on a terminal, plain when piped."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ecs_trail.views.story import BROKEN, HEALTHY, NOTHING, OVER, Cause, Item, Other, Story, tell

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
#: Columns that an indented row of two cells takes for itself.
_MARGINS: Final = 4
_CAUSES_SHOWN: Final = 4
_OTHERS_SHOWN: Final = 6


def print_answer(document: Mapping[str, Any], console: Console) -> None:
    """Print the answer of an investigation document (contract, section 2).

    About 40 lines of 100 columns for an incident of ordinary size. Commands are printed on one line each, without
    markup and never wrapped, so that they can be copied.
    """
    story = tell(document)
    console.print(Text(f"ecs-trail, as of {story.as_of}; all times are UTC", style="dim"))
    console.print()
    console.print(Text(story.headline, style=_VERDICTS[story.verdict]))
    for sentence in story.details:
        console.print(Text(sentence))
    _print_causes(story, console)
    _print_items(story, console)
    _print_repair(story, console)
    _print_others(story, console)
    _print_lines("LOOKED AT", story.looked_at, console)
    _print_lines("NOT SEEN", story.unseen or ("Nothing is known to be missing from this evidence.",), console)


def _section(title: str, rows: Iterable[tuple[Text, ...]], console: Console) -> None:
    """A title and rows of cells; a long cell wraps below itself, not below its neighbours."""
    console.print()
    console.print(Text(title, style="bold"))
    listed = list(rows)
    if not listed:
        return
    grid = Table.grid(padding=(0, 1, 0, 0))
    for row in listed:
        grid.add_row(*row)
    console.print(Padding(grid, (0, 0, 0, 2)))


def _print_causes(story: Story, console: Console) -> None:
    if not story.causes and not story.causes_note:
        return
    _section("CAUSE", (_cause_cells(cause) for cause in story.causes[:_CAUSES_SHOWN]), console)
    rest = len(story.causes) - _CAUSES_SHOWN
    if rest > 0:
        console.print(Text(f"  … and {rest:,} more: {_command(story, 'roles')}"), soft_wrap=True)
    for note in filter(None, (story.causes_note, story.certainty, *story.rivals)):
        console.print(Padding(Text(note), (0, 0, 0, 2)))


def _cause_cells(cause: Cause) -> tuple[Text, ...]:
    if not cause.call:
        return Text("event", no_wrap=True), Text(cause.event_id)
    line = Text(cause.call, style="bold")
    line.append(f" by {cause.who}{f' with {cause.tool}' if cause.tool else ''}", style="not bold")
    took = f"took {cause.took}\n" if cause.took else ""
    place = f"from {cause.address}, " if cause.address else ""
    line.append(f"\n{took}{place}event {cause.event_id}", style="not bold dim")
    return Text(cause.time, no_wrap=True), line


def _print_items(story: Story, console: Console) -> None:
    if not story.items:
        return
    shown = story.items[:_ITEMS_SHOWN]
    room = console.width - _MARGINS - max(len(item.state) for item in shown)
    brief = all(_brief(item).cell_len <= room for item in shown)
    _section(story.items_title, (_item_cells(item, brief=brief) for item in shown), console)
    rest = len(story.items) - _ITEMS_SHOWN
    if rest > 0:
        kind = {"TASKS AND VOLUMES": "tasks", "VOLUMES": "volumes"}.get(story.items_title, "tls")
        console.print(Text(f"  … and {rest:,} more: {_command(story, kind)}"), soft_wrap=True)


def _item_cells(item: Item, *, brief: bool) -> tuple[Text, ...]:
    """One line for each item where all of them fit, two lines otherwise: an id is never cut."""
    state = Text(item.state, style=_STATES.get(item.state, ""), no_wrap=True)
    if brief:
        return state, _brief(item)
    details = [part for part in (item.owner and f"service {item.owner}", item.since) if part]
    line = Text(f"{item.name}{f'  {item.volume}' if item.volume else ''}")
    line.append(f"\n{', '.join(details)}" if details else "", style="dim")
    return state, line


def _brief(item: Item) -> Text:
    line = Text("  ".join(filter(None, (item.name, item.volume))))
    details = ", ".join(filter(None, (item.owner, item.length or item.since)))
    return line.append(f"  {details}" if details else "", style="dim")


def _print_repair(story: Story, console: Console) -> None:
    if not story.repairs:
        return
    console.print()
    console.print(Text("REPAIR", style="bold"))
    for repair in story.repairs:
        console.print(Padding(Text(repair.title), (0, 0, 0, 2)))
        for command in repair.commands:
            # `out` neither wraps nor reads markup: the command arrives on one line, ready to copy.
            console.out(command, highlight=False, style="cyan")


def _print_others(story: Story, console: Console) -> None:
    if not story.others:
        return
    _section("ALSO FOUND", (_other_cells(other) for other in story.others[:_OTHERS_SHOWN]), console)
    rest = len(story.others) - _OTHERS_SHOWN
    more = f"… and {rest:,} more" if rest > 0 else ""
    repairs = "commands to repair these" if any(other.repairable for other in story.others) else ""
    if more or repairs:
        words = " and ".join(filter(None, (more, repairs)))
        words = words if more else words.capitalize()
        console.print(Text(f"  {words}: {_command(story, '')}"), soft_wrap=True)


def _other_cells(other: Other) -> tuple[Text, ...]:
    severity = Text(other.severity, style=_SEVERITIES.get(other.severity, ""), no_wrap=True)
    return severity, Text(other.status, no_wrap=True), Text(other.title)


def _print_lines(title: str, lines: tuple[str, ...], console: Console) -> None:
    _section(title, ((Text(line),) for line in lines), console)


def _command(story: Story, timeline: str) -> str:
    where = " ".join(shlex.quote(source) for source in story.sources) or "SOURCE"
    return f"ecs-trail timeline {timeline} {where}" if timeline else f"ecs-trail investigate {where} --format json"
