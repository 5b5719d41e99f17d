"""Digests collected from a shelf: read, parsed, their signatures checked, predecessors elsewhere followed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ecs_trail.evidence.integrity.chain import Found
from ecs_trail.evidence.integrity.digests import (
    Digest,
    DigestFormatError,
    Location,
    digest_name,
    parse_digest,
    plain_bytes,
)
from ecs_trail.evidence.integrity.shelves import Item, Piece, Shelf
from ecs_trail.evidence.integrity.signatures import PublicKeys, fits
from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.moments import parse_moment
from ecs_trail.times import Window

#: Asks for the public keys of a Region and span: (region, start, end, where to put them).
KeySource = Callable[[str, datetime, datetime, PublicKeys], None]

#: Keys are asked for so much more than the digests span; for a backfill digest, around the time it was made.
_KEYS_AFTER: Final = timedelta(hours=2)
_KEYS_AROUND: Final = timedelta(hours=1)

_NOT_SET: Final = "no signature in its metadata, where CloudTrail always puts one"
_NOT_SAVED: Final = "its signature was not saved: it stands in the metadata of the S3 object"
_NO_FIT: Final = "its signature does not fit: the digest, or its metadata, was changed"


@dataclass(slots=True)
class _Opened:
    """A digest that was read, before its signature is judged."""

    found: Found
    signature: str = ""
    made_at: datetime | None = None
    problem: Problem | None = None


@dataclass(slots=True)
class Collected:
    """The digests found; `unread` are locations that may hold one and could not be read."""

    found: list[Found] = field(default_factory=list)
    unread: list[Location] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def collect(
    shelf: Shelf, items: Sequence[Item], window: Window, keys: PublicKeys, *, ask: KeySource | None, workers: int
) -> Collected:
    """Read digests and check their signatures. `ask` gives further public keys; then an unknown key is no key of AWS.

    Digests that a newer one names and that the listing lacks (the trail had another bucket then) are read as well.
    """
    made = Collected()
    opened = _read_all(shelf, items, made, workers)
    _follow(shelf, opened, window, made)
    if ask is not None:
        _ask_for_keys(opened, keys, ask)
    made.problems.extend(one.problem for one in opened if one.problem is not None)
    stated = _stated_signatures(opened)
    for one in opened:
        made.found.append(_signed(one, stated, keys, is_original=shelf.is_original, is_asked=ask is not None))
    return made


def _read_all(shelf: Shelf, items: Iterable[Item], made: Collected, workers: int) -> list[_Opened]:
    with ThreadPoolExecutor(workers) as pool:
        opened = [one for one in pool.map(lambda item: _open(shelf, item, shelf.read(item)), items) if one is not None]
    for one in (one for one in opened if one.found.is_unreadable):
        made.unread.append(one.found.location)
    return opened


def _open(shelf: Shelf, item: Item, piece: Piece) -> _Opened | None:
    """A digest from what was read; None where nothing is, or its name is no digest's."""
    name = digest_name(item.key)
    if piece.is_absent or name is None:
        return None
    place = (item.bucket, item.key)
    if piece.problem is not None:
        found = Found(item, name, None, place, fault=piece.problem.detail, is_unreadable=True)
        return _Opened(found, problem=piece.problem)
    try:
        digest = parse_digest(plain_bytes(piece.data, may_be_plain=shelf.may_be_plain))
    except DigestFormatError as error:
        return _Opened(Found(item, name, None, place, fault=str(error)))
    is_at_home = shelf.is_at(item, digest.location)
    return _Opened(
        Found(item, name, digest, digest.location if is_at_home else place, is_at_home=is_at_home),
        piece.metadata.get("signature", "").strip(),
        parse_moment(piece.metadata.get("backfill-generation-timestamp", "")),
    )


def _follow(shelf: Shelf, opened: list[_Opened], window: Window, made: Collected) -> None:
    """Read predecessors that were not listed, and theirs, as far as the window reaches."""
    known = {one.found.location for one in opened}
    by_name = {one.found.item.name: one for one in opened}
    waiting = [one.found.digest for one in opened if one.found.digest is not None]
    while waiting:
        previous = waiting.pop().previous
        if previous is None or previous.location in known:
            continue
        known.add(previous.location)
        name = digest_name(previous.key)
        if name is None or (window.start is not None and name.stamp < window.start):
            continue
        for item in shelf.find(previous.location):
            listed = by_name.get(item.name)
            if listed is not None:  # it lies there, though its content does not say so
                listed.found = replace(listed.found, location=previous.location)
                continue
            one = _open(shelf, item, shelf.read(item))
            if one is not None:
                opened.append(one)
                made.unread.extend([previous.location] if one.found.is_unreadable else [])
                waiting.extend([one.found.digest] if one.found.digest is not None else [])


def _ask_for_keys(opened: Sequence[_Opened], keys: PublicKeys, ask: KeySource) -> None:
    """The keys of every Region for the span of its digests; a key is one Region's own."""
    spans: dict[str, list[datetime]] = defaultdict(list)
    for one in opened:
        digest, chain = one.found.digest, one.found.name.chain
        if digest is None or (chain.is_backfill and one.made_at is not None):
            continue
        spans[chain.region] += [digest.start, digest.end + _KEYS_AFTER]
    for region in sorted(spans):
        ask(region, min(spans[region]), max(spans[region]), keys)
    for one in opened:
        if one.made_at is not None and one.found.digest is not None and not keys.get(one.found.digest.fingerprint):
            ask(one.found.name.chain.region, one.made_at - _KEYS_AROUND, one.made_at + _KEYS_AROUND, keys)


def _stated_signatures(opened: Iterable[_Opened]) -> Mapping[Location, list[str]]:
    """What newer digests say is the signature of the one before them."""
    found: dict[Location, list[str]] = defaultdict(list)
    for one in opened:
        digest = one.found.digest
        if digest is not None and digest.previous is not None and digest.previous.signature:
            found[digest.previous.location].append(digest.previous.signature)
    return found


def _signed(
    one: _Opened, stated: Mapping[Location, list[str]], keys: PublicKeys, *, is_original: bool, is_asked: bool
) -> Found:
    digest = one.found.digest
    if digest is None:
        return one.found
    if not keys.get(digest.fingerprint):
        return _without_key(one.found, digest, is_asked=is_asked)
    if one.signature:
        verdict = fits(digest, one.signature, keys)
        if verdict is None:
            return replace(one.found, why=f"the public key {digest.fingerprint[:64]} is no RSA key")
        return replace(one.found, is_signed=verdict, why="" if verdict else _NO_FIT)
    tried = [fits(digest, signature, keys) for signature in stated.get(digest.location, ())]
    if True in tried:
        return replace(one.found, is_signed=True)
    if is_original:
        return replace(one.found, is_signed=False, why=_NOT_SET)
    return replace(one.found, why=_NOT_SAVED)


def _without_key(found: Found, digest: Digest, *, is_asked: bool) -> Found:
    fingerprint = digest.fingerprint[:64]
    if is_asked:
        words = f"signed with the key {fingerprint}, which CloudTrail does not know in {found.name.chain.region}"
        return replace(found, is_signed=False, why=words)
    return replace(found, why=f"the public key {fingerprint} is not among those given")
