"""The tables of the report: rows of the document as cells ready to set, every text cleaned."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ecs_trail.frames import Row
from ecs_trail.views import words
from ecs_trail.views.denials import POLICY_WORDS
from ecs_trail.views.palette import MEANINGS, urgency
from ecs_trail.views.report.records import anchor
from ecs_trail.views.scene import moment_words
from ecs_trail.views.text import clean, count, listed, shown_time, span

Document = Mapping[str, Any]
#: Rows of one table; what is over is said, and stands in the JSON answer and the frames.
MOST_ROWS: Final = 400
_LINKS: Final = 2


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a text, how it is set (`tag`, `code` or plain), where it leads, and a softer second line."""

    text: str
    kind: str = ""
    tone: str = ""
    href: str = ""
    soft: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """A cell of addresses of records: pairs of address (or nothing) and id, and how many more there are."""

    pairs: tuple[tuple[str, str], ...]
    more: int
    kind: str = "links"


@dataclass(frozen=True, slots=True)
class Line:
    """One row with its address in the page."""

    anchor: str
    cells: tuple[Cell | Links, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Heads and rows; `more` says what has no room, `none` what an empty table means."""

    heads: tuple[str, ...]
    lines: tuple[Line, ...]
    more: str
    none: str


Cite = Callable[[Iterable[str]], Links]


def citer(kept: Mapping[str, str], most: int = _LINKS) -> Cite:
    """How event ids become addresses: `kept` maps those with a record in the page to theirs; `most` are shown."""

    def cite(event_ids: Iterable[str]) -> Links:
        ids = list(dict.fromkeys(event_ids))
        pairs = tuple((kept.get(clean(one), ""), clean(one)) for one in ids[:most])
        return Links(pairs, max(len(ids) - most, 0))

    return cite


def state_tag(state: str | None, *, at_risk: bool = False) -> Cell:
    """A state as a coloured word."""
    name = "at_risk" if at_risk else clean(state) or "unknown"
    return Cell("at risk" if at_risk else name.replace("_", " "), "tag", MEANINGS.get(name, "unknown"))


def _urgency(row: Row) -> int:
    return urgency("at_risk" if row.get("at_risk") else row.get("state"))


def _time(text: str | None) -> str:
    return shown_time(text).removesuffix(" UTC") if text else ""


def _table(heads: Sequence[str], rows: Sequence[Row], make: Callable[[Row], Line], nouns: tuple[str, str]) -> Table:
    noun, none = nouns
    rest = len(rows) - MOST_ROWS
    more = f"… and {count(rest, f'more {noun}')}: they stand in the JSON answer." if rest > 0 else ""
    return Table(tuple(heads), tuple(make(row) for row in rows[:MOST_ROWS]), more, none)


def tasks(document: Document, cite: Cite) -> Table:
    """The tasks that depend on an infrastructure role, the most urgent first."""

    def line(row: Row) -> Line:
        blocked, ended = row.get("blocked_since"), row.get("resolved_at")
        length = span(blocked, ended or document["as_of"])
        stopped = _time(row.get("stop_started_at"))
        by = words.actor(row["resolved_by"]) if row.get("resolved_by") else ""
        volumes = listed([clean(one) for one in row["volume_ids"]], most=2)
        return Line(
            anchor("task", row["task_arn"]),
            (
                state_tag(row["state"], at_risk=bool(row.get("at_risk"))),
                Cell(words.task_name(row["task_arn"]), "code", soft=words.tail(row.get("service"))),
                Cell(volumes, "code", soft=words.tail(row.get("role_arn"))),
                Cell(_time(row.get("launched_at")), soft=f"stop {stopped}" if stopped else ""),
                Cell(_time(blocked), soft=f"for {length}" if length else ""),
                Cell(_time(ended or row.get("cleaned_up_at")), soft=f"by {by}" if ended and by else ""),
                Cell(clean(row.get("confidence")) if row.get("cause_event_ids") else ""),
                cite(row["cause_event_ids"] or row["evidence"]),
            ),
        )

    heads = ("State", "Task", "Volumes", "Launched", "Blocked since", "Over", "Sure", "Because of")
    ordered = sorted(document["tasks"], key=_urgency)
    return _table(heads, ordered, line, ("task", "No task that depends on an infrastructure role was seen."))


def volumes(document: Document, cite: Cite) -> Table:
    """The EBS volumes that ECS manages, the most urgent first."""

    def line(row: Row) -> Line:
        size = f"{row['size_gib']:g} GiB" if row.get("size_gib") else ""
        error = clean(row.get("last_error"), 60)
        detached = _time(row.get("detached_at"))
        gone = row.get("gone_at") or row.get("deleted_at")
        return Line(
            anchor("volume", row["volume_id"]),
            (
                state_tag(row["state"]),
                Cell(clean(row["volume_id"]), "code", soft=size),
                Cell(words.task_name(row.get("task_arn")), "code", soft=words.tail(row.get("service"))),
                Cell(_time(row.get("created_at"))),
                Cell(_time(row.get("attached_at")), soft=f"detached {detached}" if detached else ""),
                Cell(_time(gone), soft=f"by {words.actor(row['deleted_by'])}" if row.get("deleted_by") else ""),
                Cell(f"{row.get('failures') or 0:,} of {row.get('attempts') or 0:,}", soft=error),
                cite(reversed(row["evidence"])),
            ),
        )

    heads = ("State", "Volume", "Task", "Created", "Attached", "Deleted", "Calls failed", "Newest records")
    ordered = sorted(document["volumes"], key=_urgency)
    return _table(heads, ordered, line, ("volume", "No volume managed by ECS was seen."))


def tls(document: Document, cite: Cite) -> Table:
    """The Service Connect secrets, the most urgent first."""

    def line(row: Row) -> Line:
        arn = row.get("secret_arn") or row.get("secret_name") or ""
        rotated, gone = _time(row.get("last_rotation_at")), _time(row.get("deleted_at"))
        return Line(
            anchor("secret", arn),
            (
                state_tag(row["state"]),
                Cell(clean(arn.rpartition(":secret:")[2], 80), "code", soft=words.tail(row.get("service_arn"))),
                Cell(words.tail(row.get("certificate_authority_arn")), "code"),
                Cell(_time(row.get("issued_at")), soft=f"last rotation {rotated}" if rotated else ""),
                Cell(gone),
                Cell(_time(row.get("blocked_since")), soft=clean(row.get("last_error"), 80)),
                cite(row["cause_event_ids"] or reversed(row["evidence"])),
            ),
        )

    heads = ("State", "Secret", "Certificate authority", "Issued", "Deleted", "Blocked since")
    ordered = sorted(document["tls"], key=_urgency)
    none = "No Service Connect secret was seen."
    return _table((*heads, "Records"), ordered, line, ("secret", none))


def denied(denials: Sequence[Row], cite: Cite) -> Table:
    """The calls ECS was denied, by role, action and kind of policy, the most frequent first."""
    tally = Counter((row["role"], row["action"], row["policy_type"]) for row in denials)
    firsts: dict[Any, Row] = {}
    lasts: dict[Any, Row] = {}
    for row in denials:
        key = row["role"], row["action"], row["policy_type"]
        firsts.setdefault(key, row)
        lasts[key] = row

    def line(row: Row) -> Line:
        key = row["key"]
        first, last = firsts[key], lasts[key]
        return Line(
            "",
            (
                Cell(f"{tally[key]:,}"),
                Cell(clean(key[1]), "code"),
                Cell(POLICY_WORDS.get(key[2], clean(key[2]))),
                Cell(clean(key[0][1]) if key[0] else "not told", "code"),
                Cell(moment_words(first["event_time"])),
                Cell(moment_words(last["event_time"])),
                cite([first["event_id"], last["event_id"]]),
            ),
        )

    heads = ("Calls", "Action", "Denied by", "Role", "First", "Last", "First and last record")
    ordered = [{"key": key} for key, _ in sorted(tally.items(), key=lambda one: (-one[1], str(one[0])))]
    return _table(heads, ordered, line, ("kind", "No call of ECS was denied in this evidence."))


def passing(document: Document, cite: Cite) -> Table:
    """Launches refused because the caller may not pass the role."""

    def line(row: Row) -> Line:
        return Line(
            "",
            (
                Cell(_time(row["event_time"])),
                Cell(clean(row["event_name"]), "code"),
                Cell(words.actor(row.get("principal_arn"))),
                Cell(words.tail(row.get("role_arn")), "code"),
                Cell(words.tail(row.get("cluster")), soft=words.tail(row.get("service"))),
                cite([row["event_id"]]),
            ),
        )

    heads = ("Time", "Call", "Caller", "Role", "Cluster and service", "Record")
    return _table(heads, document["pass_role_denials"], line, ("launch", "No launch was refused for iam:PassRole."))


def work(rows: Sequence[Row], cite: Cite) -> Table:
    """What ECS was refused, or did only in part, for targets, listeners and Managed Instances."""

    def line(row: Row) -> Line:
        over = row["resolved_at"]
        partly = f", {count(row['targets_failed'], 'target')} failed" if row["targets_failed"] else ""
        return Line(
            "",
            (
                Cell("recovered" if over else "blocked", "tag", MEANINGS["recovered" if over else "blocked"]),
                Cell(clean(row["action"]), "code", soft=clean(row["purpose"]).replace("_", " ")),
                Cell(words.tail(row["resource"]), "code", soft=words.tail(row["role_arn"])),
                Cell(moment_words(row["started_at"]), soft=f"last {moment_words(row['last_at'])}"),
                Cell(moment_words(over) if over else ""),
                Cell(f"{count(row['failures'], 'call')}{partly}", soft=clean(row["error_code"], 60)),
                cite(row["cause_event_ids"] or row["denied_event_ids"]),
            ),
        )

    heads = ("State", "Action", "Resource and role", "Since", "Over", "Failed", "Because of")
    return _table(heads, rows, line, ("action", "Nothing was refused for these purposes."))


def callers(rows: Sequence[Row], cite: Cite) -> Table:
    """Who changed the roles, those who broke something first."""

    def line(row: Row) -> Line:
        agent = row["user_agents"][0] if row["user_agents"] else row["via"]
        first, last = (moment_words(row[name]) if row[name] else "" for name in ("first_at", "last_at"))
        behind = row["principal"] if row["principal"] != row["actor"] else None
        return Line(
            "",
            (
                Cell(words.actor(row["actor"]), "words", soft=f"behind it {words.actor(behind)}" if behind else ""),
                Cell(words.tool(agent), "words", soft=clean(row["source_ip"], 48)),
                Cell(f"{row['changes']:,}", soft=f"{row['refused']:,} refused" if row["refused"] else ""),
                Cell(f"{row['breaking']:,} breaking", "tag", "bad") if row["breaking"] else Cell(""),
                Cell(listed([words.tail(arn) for arn in row["role_arns"]], most=2), "words"),
                Cell(first, soft=f"last {last}" if last != first else ""),
                cite(row["event_ids"]),
            ),
        )

    heads = ("Who", "With, from", "Changes", "", "Roles", "First", "Records")
    ordered = sorted(rows, key=lambda row: (-row["breaking"], -row["changes"]))
    return _table(heads, ordered, line, ("caller", "Nobody changed a role in this evidence."))


def coverage(document: Document) -> Table:
    """What was looked at, by account and Region."""

    def line(row: Row) -> Line:
        complete = row.get("complete") is not False
        kinds = [clean(kind).removesuffix(".amazonaws.com") for kind in row.get("kinds") or ()]
        return Line(
            "",
            (
                Cell(clean(row.get("account")), "code"),
                Cell(clean(row.get("region")), "code"),
                Cell(_time(row.get("start"))),
                Cell(_time(row.get("end"))),
                Cell(listed(kinds, most=12), "words"),
                Cell("all of it" if complete else "in part", "tag", "good" if complete else "warn"),
            ),
        )

    heads = ("Account", "Region", "From", "To", "Services seen", "Read")
    return _table(heads, document["evidence"]["coverage"], line, ("place", "No account or Region is named."))


def tiles(document: Document) -> list[tuple[str, str, str]]:
    """The impact in a few numbers: number, words, tone; only what is not zero."""
    counted = Counter("at_risk" if row.get("at_risk") else row["state"] for row in document["tasks"])
    left = [row for row in document["volumes"] if row["state"] in {"blocked", "leaked"}]
    secrets = Counter(row["state"] for row in document["tls"])
    size = sum(row.get("size_gib") or 0 for row in left)
    found = [
        (counted["stuck"], "stuck {}", ("task", "tasks"), "bad"),
        (counted["failed_to_start"], "{} failed to start", ("task", "tasks"), "bad"),
        (counted["at_risk"], "running {} at risk", ("task", "tasks"), "warn"),
        (len(left), f"{{}} left{f', {size:,.0f} GiB' if size else ''}", ("volume", "volumes"), "bad"),
        (secrets["blocked"], "{} blocked", ("TLS secret", "TLS secrets"), "bad"),
        (len(document["pass_role_denials"]), "refused {}", ("launch", "launches"), "warn"),
        (counted["recovered"], "recovered {}", ("task", "tasks"), "good"),
    ]
    return [(f"{n:,}", said.format(nouns[n != 1]), tone) for n, said, nouns, tone in found if n]
