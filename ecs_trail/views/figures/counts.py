"""Figures that count: denied calls, time to recover, what leaked, when sessions were active, who called."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import pandas as pd

from ecs_trail.frames import Row, rows
from ecs_trail.views import words
from ecs_trail.views.denials import POLICY_WORDS, denials
from ecs_trail.views.figures.theme import bin_width, empty, figure, go, hatch, iso, lines, palette_of, series, text
from ecs_trail.views.palette import state_word
from ecs_trail.views.scene import moment_words
from ecs_trail.views.text import count, duration, listed
from ecs_trail.vocabulary import SESSION_NAMES

_BINS: Final = 72
_SERIES: Final = 7
_BARS: Final = 40
_SESSIONS: Final = 30
_CALLERS: Final = 50
#: Upper ends of the spans in which recoveries are counted; each is about twice the one before.
_SPANS: Final = tuple(timedelta(minutes=one) for one in (1, 5, 15, 30, 60, 120, 240, 480, 1440, 4320, 10080))
#: USD a month for one GiB of gp3 in us-east-1 (*Amazon EBS pricing*); other Regions and types cost something else.
USD_PER_GIB_MONTH: Final = 0.08
_MONTH: Final = timedelta(days=30)
_LEFT: Final = ("blocked", "leaked")


def denied_calls(events: pd.DataFrame, *, theme: str = "light") -> Any:
    """The calls ECS was denied over time, by action and kind of policy. `events` has the columns of `EVENT_SCHEMA`.

    At most seven pairs of action and kind of policy have a colour of their own; the others are counted as one.
    """
    palette, title = palette_of(theme), "Denied calls of ECS"
    found = denials(events)
    if not found:
        return empty(title, "No call of ECS was denied in this evidence.", palette)
    times = [row["event_time"] for row in found]
    start, width = _grid(min(times), max(times))
    kinds = Counter((row["action"], row["policy_type"]) for row in found)
    shown = [kind for kind, _ in sorted(kinds.items(), key=lambda one: (-one[1], one[0]))[:_SERIES]]
    tally = Counter(
        (kind if (kind := (row["action"], row["policy_type"])) in shown else None, (row["event_time"] - start) // width)
        for row in found
    )
    traces = [
        _denied_bars(kind, {at: n for (one, at), n in tally.items() if one == kind}, start, width, colour)
        for kind, colour in zip([*shown, None], series(palette), strict=False)
        if any(one == kind for one, _ in tally)
    ]
    said = f"{count(len(found), 'call')}, counted by {duration(width)}; UTC"
    made = figure(title, palette, traces=traces)
    made.update_layout(barmode="stack", title={"subtitle": {"text": said, "font": {"color": palette.soft}}})
    made.update_xaxes(type="date", range=[iso(start), iso(max(times) + width)])
    made.update_yaxes(title="calls", rangemode="tozero", showgrid=True)
    return made


def _grid(first: datetime, last: datetime) -> tuple[datetime, timedelta]:
    width = bin_width(first, last, _BINS)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + width * ((first - midnight) // width), width


def _denied_bars(kind: Any, tally: dict[int, int], start: datetime, width: timedelta, colour: str) -> Any:
    name = "other" if kind is None else f"{text(kind[0], 60)}, {POLICY_WORDS.get(kind[1], text(kind[1]))}"
    places = sorted(tally)
    return go.Bar(
        x=[iso(start + width * at) for at in places],
        y=[tally[at] for at in places],
        width=[width.total_seconds() * 900] * len(places),
        offset=0,
        marker={"color": colour},
        name=name,
        hovertext=[f"{tally[at]:,} × {name}<br>from {moment_words(start + width * at)}" for at in places],
        hoverinfo="text",
    )


def time_to_recover(tasks: pd.DataFrame, *, theme: str = "light") -> Any:
    """How long blocked tasks took until they were resolved, by ECS or by hand, and how many still wait.

    `tasks` is a frame of a case.
    """
    palette, title = palette_of(theme), "Time to recover"
    columns = ("blocked_since", "resolved_at", "resolved_by", "state")
    blocked = [] if tasks.empty else rows(tasks[tasks["blocked_since"].notna()], columns)
    blocked = [row for row in blocked if row["state"] != "failed_to_start"]
    if not blocked:
        return empty(title, "No task was blocked.", palette)
    over = [row for row in blocked if row["resolved_at"] is not None]
    lengths = sorted(row["resolved_at"] - row["blocked_since"] for row in over)
    labels = _span_labels()
    traces = []
    for name, by_hand, colour in (("by ECS", False, palette.good), ("by hand", True, palette.violet)):
        tally = Counter(
            _slot(row["resolved_at"] - row["blocked_since"])
            for row in over
            if (row["resolved_by"] is not None) is by_hand
        )
        if tally:
            hover = [f"{count(tally[at], 'task')} resolved {name}<br>after {one}" for at, one in enumerate(labels)]
            numbers = [tally[at] for at in range(len(labels))]
            traces.append(
                go.Bar(x=labels, y=numbers, name=name, marker={"color": colour}, hovertext=hover, hoverinfo="text")
            )
    waiting = len(blocked) - len(over)
    if waiting:
        hover = [f"{count(waiting, 'task')} not resolved at the end of the evidence"]
        bar = {"color": palette.bad, "pattern": hatch(palette)}
        traces.append(
            go.Bar(x=["still waiting"], y=[waiting], name="waiting", marker=bar, hovertext=hover, hoverinfo="text")
        )
    middle = f"; half of them within {duration(lengths[len(lengths) // 2])}" if lengths else ""
    said = f"{count(len(over), 'task')} recovered{middle}; {count(waiting, 'task')} still waiting"
    made = figure(title, palette, traces=traces)
    made.update_layout(barmode="stack", title={"subtitle": {"text": said, "font": {"color": palette.soft}}})
    made.update_xaxes(type="category", categoryorder="array", categoryarray=[*labels, "still waiting"], tickangle=0)
    made.update_yaxes(title="tasks", rangemode="tozero", showgrid=True)
    return made


def _span_labels() -> list[str]:
    ends = [duration(one) for one in _SPANS]
    between = (f"{a.partition(' ')[0] if a.split()[1] == b.split()[1] else a}–{b}" for a, b in pairwise(ends))
    return [f"up to {ends[0]}", *between, f"over {ends[-1]}"]


def _slot(length: timedelta) -> int:
    return next((at for at, end in enumerate(_SPANS) if length <= end), len(_SPANS))


def leak_inventory(
    volumes: pd.DataFrame,
    tasks: pd.DataFrame | None = None,
    *,
    as_of: datetime,
    theme: str = "light",
    usd_per_gib_month: float = USD_PER_GIB_MONTH,
) -> Any:
    """The volumes that should be gone and are not: GiB each, and what they cost.

    `volumes` and `tasks` are frames of a case; `tasks` tells since when each is left. Above forty volumes they are
    gathered by service. Costs are storage alone: GiB x `usd_per_gib_month`, months of thirty days.
    """
    palette, title = palette_of(theme), "Volumes left behind"
    left = [] if volumes.empty else rows(volumes[volumes["state"].isin(_LEFT)])
    if not left:
        return empty(title, "No volume is left behind.", palette)
    since = _hung_since(tasks, {row["task_arn"] for row in left})
    sizes = [row["size_gib"] or 0 for row in left]
    costs = [_cost(row, since, as_of, usd_per_gib_month) for row in left]
    unknown = sum(row["size_gib"] is None for row in left)
    bars = _each_volume(left, costs, since, as_of) if len(left) <= _BARS else _each_service(left, costs)
    bars.sort(key=lambda bar: (bar[1], bar[0]))
    said = (
        f"{count(len(left), 'volume')}, {sum(sizes):,} GiB: {sum(sizes) * usd_per_gib_month:,.2f} USD a month, "
        f"{sum(costs):,.2f} USD so far at {usd_per_gib_month:g} USD per GiB and month"
        f"{f'; size of {unknown:,} not known' if unknown else ''}"
    )
    trace = go.Bar(
        orientation="h",
        x=[size for _, size, _ in bars],
        y=list(range(len(bars))),
        marker={"color": palette.bad, "pattern": hatch(palette)},
        text=[f"{size:,} GiB" for _, size, _ in bars],
        textposition="outside",
        cliponaxis=False,
        hovertext=[hover for _, _, hover in bars],
        hoverinfo="text",
        name="left behind",
        showlegend=False,
    )
    made = figure(title, palette, height=130 + 24 * len(bars), traces=[trace])
    made.update_layout(title={"subtitle": {"text": said, "font": {"color": palette.soft}}})
    made.update_xaxes(title="GiB", rangemode="tozero")
    made.update_yaxes(tickmode="array", tickvals=list(range(len(bars))), ticktext=[name for name, _, _ in bars])
    return made


def _hung_since(tasks: pd.DataFrame | None, wanted: set[str | None]) -> dict[str, datetime]:
    if tasks is None or tasks.empty:
        return {}
    mine = tasks[tasks["task_arn"].isin(sorted(filter(None, wanted))) & tasks["blocked_since"].notna()]
    return {row["task_arn"]: row["blocked_since"] for row in rows(mine, ("task_arn", "blocked_since"))}


def _left_since(row: Row, since: dict[str, datetime]) -> datetime | None:
    return since.get(row["task_arn"] or "") or row["detached_at"]


def _cost(row: Row, since: dict[str, datetime], as_of: datetime, usd: float) -> float:
    began = _left_since(row, since)
    months = max((as_of - began) / _MONTH, 0.0) if began else 0.0
    return (row["size_gib"] or 0) * usd * months


def _each_volume(
    left: list[Row], costs: Sequence[float], since: dict[str, datetime], as_of: datetime
) -> list[tuple[str, int, str]]:
    found = []
    for row, cost in zip(left, costs, strict=True):
        began = _left_since(row, since)
        told = [
            f"{row['volume_id']}: {state_word(row['state'])}",
            f"{row['size_gib']} GiB" if row["size_gib"] else "size not known",
            f"left for {duration(as_of - began)}, {cost:,.2f} USD so far" if began else "",
            f"task {words.task_name(row['task_arn'])}" if row["task_arn"] else "",
            f"service {words.tail(row['service'])}" if row["service"] else "",
        ]
        found.append((text(row["volume_id"], 40), row["size_gib"] or 0, lines(told)))
    return found


def _each_service(left: list[Row], costs: Sequence[float]) -> list[tuple[str, int, str]]:
    numbers: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    spent: dict[str, float] = defaultdict(float)
    for row, cost in zip(left, costs, strict=True):
        name = words.tail(row["service"]) or words.tail(row["cluster"]) or "no service"
        numbers[name] += 1
        sizes[name] += row["size_gib"] or 0
        spent[name] += cost
    shown = [name for name, _ in sizes.most_common(_BARS)]
    found = [
        (text(name, 40), sizes[name], lines([name, count(numbers[name], "volume"), f"{spent[name]:,.2f} USD so far"]))
        for name in shown
    ]
    rest = [name for name in sizes if name not in set(shown)]
    if rest:
        told = f"{count(len(rest), 'more service')}, {count(sum(numbers[name] for name in rest), 'volume')}"
        found.append((told, sum(sizes[name] for name in rest), told))
    return found


def session_heatmap(events: pd.DataFrame, *, theme: str = "light") -> Any:
    """How busy each session name was over time: the sessions of ECS first, then the busiest thirty of all.

    `events` has the columns of `EVENT_SCHEMA`.
    """
    palette, title = palette_of(theme), "Activity of sessions"
    seen = events if events.empty else events[events["session_name"].notna() & events["event_time"].notna()]
    if seen.empty:
        return empty(title, "No session was seen.", palette)
    names = seen["session_name"].value_counts()
    order = sorted(names.items(), key=lambda one: (one[0] not in SESSION_NAMES, -one[1], one[0]))
    shown = [str(name) for name, _ in order[:_SESSIONS]]
    first, last = (moment.to_pydatetime() for moment in (seen["event_time"].min(), seen["event_time"].max()))
    start, width = _grid(first, last)
    bins = (last - start) // width + 1
    place = ((seen["event_time"] - pd.Timestamp(start)).dt.total_seconds() // width.total_seconds()).astype("int64")
    table = pd.crosstab(seen["session_name"].astype(object), place.astype(object))
    table = table.reindex(index=shown, columns=range(bins), fill_value=0)
    moments = [start + width * at for at in range(bins)]
    numbers = table.to_numpy().tolist()
    hover = [
        [f"{text(name, 80)}<br>{n:,} from {moment_words(at)}" for n, at in zip(row, moments, strict=True)]
        for name, row in zip(shown, numbers, strict=True)
    ]
    trace = go.Heatmap(
        z=[[n or None for n in row] for row in numbers],
        x=[iso(at) for at in moments],
        y=list(range(len(shown))),
        colorscale=[[0, palette.calm], [1, palette.deep]],
        xgap=1,
        ygap=2,
        hovertext=hover,
        hoverinfo="text",
        colorbar={"title": {"text": "events"}, "thickness": 12, "outlinewidth": 0},
    )
    more = f"; {count(len(order) - len(shown), 'more session')} not shown" if len(order) > len(shown) else ""
    made = figure(title, palette, height=150 + 24 * len(shown), traces=[trace])
    said = f"{count(len(seen), 'event')}, counted by {duration(width)}; UTC{more}"
    made.update_layout(title={"subtitle": {"text": said, "font": {"color": palette.soft}}})
    made.update_yaxes(
        tickmode="array",
        tickvals=list(range(len(shown))),
        ticktext=[text(name, 44) for name in shown],
        autorange="reversed",
    )
    return made


def caller_table(actors: pd.DataFrame, *, theme: str = "light", most: int = _CALLERS) -> Any:
    """Who wrote to the roles, through what, from where, how often, and who broke something. `actors` of a case."""
    palette, title = palette_of(theme), "Who changed the roles"
    if actors.empty:
        return empty(title, "Nobody changed an infrastructure role in this evidence.", palette)
    ordered = actors.sort_values(["breaking", "changes"], ascending=False, kind="stable")
    shown = rows(ordered.iloc[:most])
    columns: dict[str, list[str]] = {
        "Who": [text(words.actor(row["actor"]), 60) for row in shown],
        "With": [text(words.tool(row["user_agents"][0]) if row["user_agents"] else row["via"], 40) for row in shown],
        "From": [text(row["source_ip"], 48) for row in shown],
        "Changes": [f"{row['changes']:,}" for row in shown],
        "Breaking": [f"{row['breaking']:,}" for row in shown],
        "Refused": [f"{row['refused']:,}" for row in shown],
        "Roles": [text(listed([words.tail(arn) for arn in row["role_arns"]], most=2), 60) for row in shown],
        "First": [moment_words(row["first_at"]) if row["first_at"] else "" for row in shown],
        "Last": [moment_words(row["last_at"]) if row["last_at"] else "" for row in shown],
    }
    broke = [palette.bad if row["breaking"] else palette.ink for row in shown]
    trace = go.Table(
        columnwidth=[3, 2, 2, 1, 1, 1, 3, 2, 2],
        header={
            "values": [f"<b>{name}</b>" for name in columns],
            "align": "left",
            "fill": {"color": palette.panel},
            "line": {"color": palette.line},
            "font": {"color": palette.soft, "size": 12},
        },
        cells={
            "values": list(columns.values()),
            "align": "left",
            "height": 26,
            "fill": {"color": palette.paper},
            "line": {"color": palette.line},
            "font": {"size": 12, "color": [broke if name == "Breaking" else palette.ink for name in columns]},
        },
    )
    made = figure(title, palette, height=140 + 46 * len(shown), traces=[trace])
    rest = len(actors) - len(shown)
    said = f"{count(len(actors), 'caller')}{f'; {rest:,} of them not shown' if rest else ''}"
    made.update_layout(title={"subtitle": {"text": said, "font": {"color": palette.soft}}})
    return made
