"""Redaction: accounts, names, addresses and mail replaced by stable pseudonyms, so that an answer can be shown around.

Pure: document and frames in, the same shapes out. One text has one pseudonym everywhere, numbered in sorted order, so
links hold (a task still names its cluster, a cause its change) and equal evidence gives equal bytes. What is AWS's own
stays (`ecs_trail.views.owned`). A column nobody thought of is treated as a name: a new one gives nothing away.
"""

import ipaddress
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Final

import pandas as pd

from ecs_trail.frames import rows
from ecs_trail.views.columns import AGENTS, CALLS, FIXED, KEPT, KNOWN_CALLS, NAMED, PROSE, VOCABULARY, WORDS
from ecs_trail.views.owned import PROTECTED, is_owned, shown_tool

#: Kinds of name in the order that decides when one text is of several kinds.
_KINDS: Final = (
    *("account", "address", "mail", "key", "role", "user", "session", "cluster", "service", "secret", "policy", "name"),
    *("path", "text"),
)
#: Kinds whose plain words are no names by themselves: in running text only distinctive ones are replaced.
_COMMON: Final = frozenset({"path", "text"})
#: First word of an ARN's resource -> kinds of the parts that follow; the last kind repeats.
_RESOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "role": ("path", "role"),
    "assumed-role": ("role", "session"),
    "user": ("path", "user"),
    "policy": ("path", "policy"),
    "cluster": ("cluster",),
    "task": ("cluster", "name"),
    "service": ("cluster", "service"),
    "secret": ("secret",),
    "task-definition": ("name",),
    "task-set": ("cluster", "service", "name"),
    "container-instance": ("cluster", "name"),
    **dict.fromkeys(
        ("key", "alias", "volume", "snapshot", "instance", "certificate-authority", "certificate"), ("name",)
    ),
    **dict.fromkeys(
        ("targetgroup", "loadbalancer", "trail", "group", "instance-profile", "federated-user", "stack"), ("name",)
    ),
    **dict.fromkeys(
        ("capacity-provider", "ou", "account", "service-control-policy", "organization", "log-group"), ("name",)
    ),
}
_LAST_IS_NAME: Final = frozenset({"role", "user", "policy"})
_ARN: Final = r"arn:aws[a-z-]{0,10}:[a-z0-9-]{0,40}:[a-z0-9-]{0,25}:(?:\d{12}|aws)?:[^\s\"'<>\[\](){},;|\\]+"
_MAIL: Final = r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
_IPV4: Final = r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\w)"
_IPV6: Final = r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])"
_KEY: Final = r"(?<!\w)(?:AKIA|ASIA|AROA|AIDA|ANPA|AGPA|AIPA|ABIA|ACCA)[A-Z0-9]{12,32}(?!\w)"
_ACCOUNT: Final = r"(?<!\d)\d{12}(?!\d)"
#: AWS's encoded reason of a refusal names caller and resource to whoever may decode it.
_ENCODED: Final = r"[A-Za-z0-9_+/=-]{100,}"
_TEXT: Final = re.compile(
    rf"(?P<owned>{PROTECTED})|(?P<arn>{_ARN})|(?P<mail>{_MAIL})|(?P<ip>{_IPV4}|{_IPV6})|(?P<key>{_KEY})"
    rf"|(?P<account>{_ACCOUNT})|(?P<encoded>{_ENCODED})"
)
_ACCOUNTS: Final = re.compile(_ACCOUNT)
_SPLIT: Final = re.compile(r"(\W+)")
_DISTINCT: Final = re.compile(r".*(?:[\d_.@-]|[a-z][A-Z]|[^\x00-\x7f])", re.DOTALL)
_PLAIN_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}Z)?")
_PARAMETER: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9]{0,63}|[a-z0-9-]{1,30}:[\w*-]{1,60}|(?:[A-Za-z]+:)?[A-Z][A-Za-z]{3,40}"
)
_DEEPEST: Final = 40

Frames = Mapping[str, pd.DataFrame]


def redact(document: Mapping[str, Any], frames: Frames | None = None) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Document and frames with pseudonyms, the same ones in both. The raw records are emptied: they are all names."""
    given = {name: _without_raw(frame) for name, frame in (frames or {}).items()}
    names = _Names()
    seen = _Walk(names.collect)
    seen.value("", document)
    for frame in given.values():
        for row in rows(frame):
            seen.value("", row)
    names.number()
    shown = _Walk(names.shown)
    made = {name: _frame(shown, frame) for name, frame in given.items()}
    return dict(shown.value("", document)), made


def _without_raw(frame: pd.DataFrame) -> pd.DataFrame:
    if "raw" not in frame.columns:
        return frame
    return frame.assign(raw=pd.Series([None] * len(frame), index=frame.index, dtype=frame["raw"].dtype))


def _frame(walk: "_Walk", frame: pd.DataFrame) -> pd.DataFrame:
    changed = frame.copy(deep=False)
    for position, name in enumerate(frame.columns):
        values = [row[name] for row in rows(frame, [name])]
        new = [walk.value(str(name), value) for value in values]
        if new != values:
            changed.isetitem(position, pd.Series(new, dtype=frame[name].dtype).array)
    return changed


class _Walk:
    """Goes through plain values; every text is given to `text` with its kind: what it is by its column or shape."""

    def __init__(self, text: Callable[[str, str], str]) -> None:
        self.text = text
        # Names repeat from event to event without end; what a text becomes depends on it and its column alone.
        self._done: dict[tuple[str, str], str] = {}

    def value(self, column: str, value: Any, depth: int = _DEEPEST) -> Any:
        """The value with every text replaced by what `text` says."""
        if isinstance(value, str):
            done = self._done.get((column, value))
            if done is None:
                done = self._done[column, value] = self._string(column, value)
            return done
        if isinstance(value, Mapping):
            inside = column in ("trust", "policies", "document", "*")
            return {
                self._key(str(key), inside): self.value("*" if inside else str(key), inner, depth - 1)
                if depth
                else None
                for key, inner in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.value(column, inner, depth - 1) if depth else None for inner in value]
        return value

    def _key(self, key: str, inside: bool) -> str:  # noqa: FBT001
        if not inside:
            return key
        done = self._done.get(("", key))
        if done is None:
            done = self._done["", key] = key if _PARAMETER.fullmatch(key) else self.text("prose", key)
        return done

    def _string(self, column: str, value: str) -> str:
        kept = KEPT.get(column)
        if _PLAIN_TIME.fullmatch(value):
            return value
        if kept is not None and kept.fullmatch(value) and not _ACCOUNTS.search(value):
            return self.text("vocabulary", value) if column in CALLS and value not in KNOWN_CALLS else value
        if column in VOCABULARY and (value in WORDS or (column != "known" and FIXED.fullmatch(value))):
            return value if value in WORDS else self.text("vocabulary", value)
        if column in AGENTS:
            return shown_tool(value)
        if column in PROSE:
            return self.text("prose", value)
        if value[:1] in ("{", "[") and column != "*":
            return self._json(value)
        return self.text(NAMED.get(column, "text" if column == "*" else "name"), value)

    def _json(self, value: str) -> str:
        """JSON text, walked as what it holds; broken JSON is one name."""
        try:
            return json.dumps(self.value("*", json.loads(value)), ensure_ascii=False)
        except (ValueError, RecursionError):
            return self.text("name", value)


class _Names:
    """Texts by kind, and later their pseudonyms."""

    _session: Final = re.compile(rf"{_KEY}:.+", re.DOTALL)

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.pseudonyms: dict[str, str] = {}

    def collect(self, kind: str, value: str) -> str:
        """Note what a text gives away; the text comes back as it is."""
        if kind == "vocabulary":
            return value
        self._scan(kind, value, self._note)
        return value

    def number(self) -> None:
        """Give each collected text its pseudonym: kinds in order, texts sorted."""
        counts: dict[str, int] = defaultdict(int)
        for text, kind in sorted(self.found.items(), key=lambda item: (_KINDS.index(item[1]), item[0])):
            counts[kind] += 1
            self.pseudonyms[text] = _pseudonym(kind, counts[kind], text)

    def shown(self, kind: str, value: str) -> str:
        """The text with every pseudonym put in."""
        if kind == "vocabulary":  # a name may look like a word of ours; only a known name is taken for one
            return self.pseudonyms.get(value, value) if self.found.get(value, "text") not in _COMMON else value
        return self._scan(kind, value, lambda _, text: self.pseudonyms.get(text, text))

    def _note(self, kind: str, text: str) -> str:
        before = self.found.get(text)
        if before is None or _KINDS.index(kind) < _KINDS.index(before):
            self.found[text] = kind
        return text

    def _scan(self, kind: str, value: str, give: Callable[[str, str], str]) -> str:
        if kind == "prose":
            return self._prose(value, give)
        if is_owned(value):
            return value
        if kind == "path":
            return re.sub(r"[^/\\:?&]+", lambda match: self._whole("path", match[0], give), value)
        return self._whole(kind, value, give)

    def _whole(self, kind: str, value: str, give: Callable[[str, str], str]) -> str:
        """A text that is one thing: an ARN, an address, an account, a key, or a name."""
        if is_owned(value) or value in _PATH_WORDS:
            return value
        if re.fullmatch(_ARN, value) or (value.startswith("arn:") and value.count(":") >= 5):
            return _arn(value, give)
        if self._session.fullmatch(value):  # principalId: a role's unique id and the session
            unique, _, session = value.partition(":")
            return f"{give('key', unique)}:{session if is_owned(session) else give('session', session)}"
        exact = next((name for name, form in _FORMS if form.fullmatch(value)), None)
        if exact == "address" or (kind == "address" and exact is None):
            return give("address" if _is_address(value) else "name", value)
        if exact is not None:
            return give(exact, value)
        return give("name" if kind == "account" else kind, value)

    def _prose(self, value: str, give: Callable[[str, str], str]) -> str:
        """Running text: what is AWS's stays, forms are replaced as such, then every name known from elsewhere."""
        parts, at = [], 0
        for match in _TEXT.finditer(value):
            parts.append(self._known(value[at : match.start()]))
            parts.append(self._formed(match, give))
            at = match.end()
        return "".join([*parts, self._known(value[at:])])

    def _formed(self, match: re.Match[str], give: Callable[[str, str], str]) -> str:
        text, form = match[0], match.lastgroup
        if form == "owned":
            return text
        if form == "arn":
            bare = text.rstrip(".:*/") or text
            return _arn(bare, give) + text[len(bare) :]
        if form == "encoded":
            return "[removed]"
        if form == "ip" and not _is_address(text):
            return text
        return give({"ip": "address"}.get(str(form), str(form)), text)

    @cached_property
    def _by_first(self) -> dict[str, list[tuple[list[str], str]]]:
        """First word of a name, in small letters -> the names that begin with it, longest first."""
        found: dict[str, list[tuple[list[str], str]]] = defaultdict(list)
        for text, kind in self.found.items():
            if kind in _COMMON and not _DISTINCT.match(text):
                continue
            pieces = _SPLIT.split(text.casefold())
            found[next((piece for piece in pieces if piece), "")].append((pieces, text))
        return {first: sorted(names, key=lambda one: (-len(one[1]), one[1])) for first, names in found.items()}

    def _known(self, text: str) -> str:
        """Names known from elsewhere, put in where they stand as words; nothing while names are being collected."""
        if not self.pseudonyms or not text:
            return text
        pieces = _SPLIT.split(text)
        folded = [piece.casefold() for piece in pieces]
        made: list[str] = []
        at = 0
        while at < len(pieces):
            length, name = self._at(pieces, folded, at)
            made.append(self.pseudonyms[name] if name is not None else pieces[at])
            at += length
        return "".join(made)

    def _at(self, pieces: list[str], folded: list[str], at: int) -> tuple[int, str | None]:
        for wanted, name in self._by_first.get(folded[at], ()):
            if folded[at : at + len(wanted)] == wanted:
                exact = "".join(pieces[at : at + len(wanted)])
                if exact in self.pseudonyms or self.found[name] not in _COMMON:
                    return len(wanted), exact if exact in self.pseudonyms else name
        return 1, None


_FORMS: Final = tuple(
    (name, re.compile(form))
    for name, form in (("account", r"\d{12}"), ("mail", _MAIL), ("key", _KEY), ("address", f"{_IPV4}|{_IPV6}"))
)
_PATH_WORDS: Final = frozenset(
    {
        "AWSLogs",
        "CloudTrail",
        "CloudTrail-Digest",
        "s3",
        "api",
        "store",
        "athena",
        "lake",
        "spark",
        "file",
        "aws",
        "AWS Internal",
    }
)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _pseudonym(kind: str, number: int, text: str) -> str:
    if kind == "account":
        return f"{number:012d}"
    if kind == "address":  # 198.18.0.0/15 and 2001:db8::/32 are set aside (RFC 2544, RFC 3849)
        base = "2001:db8::" if ":" in text else "198.18.0.0"
        return str(ipaddress.ip_address(base) + number)
    return f"person-{number}@example.com" if kind == "mail" else f"{kind}-{number}"


def _arn(text: str, give: Callable[[str, str], str]) -> str:
    """An ARN part by part: partition, service, Region and type stay."""
    head, resource = text.split(":", 5)[:5], text.split(":", 5)[5]
    head[4] = give("account", head[4]) if re.fullmatch(r"\d{12}", head[4]) else head[4]
    pieces = re.split(r"([/:])", resource)
    kinds = _RESOURCES.get(pieces[0]) if len(pieces) > 1 else None
    parts = list(range(2, len(pieces), 2)) if kinds else list(range(0, len(pieces), 2))
    named = list(_part_kinds(pieces[0], kinds, len(parts)))
    for at, kind in zip(parts, named, strict=True):
        if pieces[at] and not is_owned(pieces[at]):
            pieces[at] = give("account" if re.fullmatch(r"\d{12}", pieces[at]) else kind, pieces[at])
    return ":".join([*head, "".join(pieces)])


def _part_kinds(first: str, kinds: tuple[str, ...] | None, count: int) -> Iterable[str]:
    if kinds is None:
        return ["name"] * count
    if first in _LAST_IS_NAME:
        return [kinds[0]] * (count - 1) + [kinds[-1]]
    return [kinds[min(at, len(kinds) - 1)] for at in range(count)]
