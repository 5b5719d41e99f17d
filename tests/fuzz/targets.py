"""The doors an attacker's bytes come in by. A target takes bytes and raises only where something is wrong.

Each says what must hold whatever the bytes are: the errors a door may give are the ones it documents, and where there
are two roads to one answer, one is the oracle of the other.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from roads import PROBES as WALKED
from roads import Roads

from ecs_trail.analysis.policies import parse_policy
from ecs_trail.analysis.policies.evaluation import Request, can_grant, decide, resource_verdict, trust_verdict
from ecs_trail.arns import last_part, parse_arn, role_key, task_cluster
from ecs_trail.errors import UsageError
from ecs_trail.evidence import ocsf
from ecs_trail.evidence import walk as compiled
from ecs_trail.evidence.compression import Bounds
from ecs_trail.evidence.containers import unwrap
from ecs_trail.evidence.integrity.digests import (
    DigestFormatError,
    digest_name,
    is_hex,
    parse_digest,
    plain_bytes,
)
from ecs_trail.evidence.moments import moment_of, parse_moment, stamp_of
from ecs_trail.evidence.probes import Probe
from ecs_trail.evidence.records import RejectedError, row_of
from ecs_trail.evidence.scanning import scan_bytes
from ecs_trail.evidence.shapes import Haul, gather_ocsf
from ecs_trail.evidence.sources import open_source
from ecs_trail.evidence.sources.base import probe_of
from ecs_trail.evidence.sources.queries import parse_size
from ecs_trail.schema import EVENT_COLUMNS
from ecs_trail.selection import Clause, Selection, default_selection, everything, session
from ecs_trail.times import format_time, parse_duration, parse_time
from ecs_trail.views.secrets import scrub
from ecs_trail.views.text import clean

#: Small, so that an input cannot spend the fuzzer's time on unpacking.
BOUNDS: Final = Bounds(1 << 20, 1 << 20)
#: Kept from input to input, as a scan keeps them from file to file. Without a compiled walk the others are compared.
ROADS: Final = Roads(compiled._LOADED)
NOW: Final = datetime(2026, 3, 2, 15, tzinfo=UTC)
PROBES: Final[tuple[Probe, ...]] = tuple(
    probe_of(selection)
    for selection in (
        everything(),
        default_selection(),
        session("ECSTaskVolumesForEBS"),
        Selection((Clause(failed=True),)),
        Selection(()),
    )
)
REQUESTS: Final = (
    Request("ec2:DeleteVolume", "arn:aws:ec2:eu-west-1:111122223333:volume/vol-0a", absent=frozenset({"aws:mfa*"})),
    Request(
        "sts:AssumeRole",
        "arn:aws:iam::111122223333:role/infra",
        context=(("aws:sourceaccount", ("111122223333",)), ("aws:sourcearn", ("arn:aws:ecs:eu-west-1:*",))),
        principal_service="ecs.amazonaws.com",
        account="111122223333",
    ),
)


def containers(data: bytes) -> None:
    """Any bytes are records, left out, or a problem with a place; never an exception, never nothing."""
    found = unwrap(data, "log.json", bounds=BOUNDS)
    assert found.records or found.task_texts or found.left_out or found.problems or found.is_log
    for one in found.problems:
        assert one.source.startswith("log.json")
        assert one.kind
        assert one.detail


def records(data: bytes) -> None:
    """A record is a row of the schema's types with a time, or is refused in words."""
    for rebuilt in (False, True):
        try:
            row = row_of(data, "log.json", 0, is_rebuilt=rebuilt)
        except RejectedError as refused:
            assert str(refused)
            continue
        assert len(row) == len(EVENT_COLUMNS)
        named = dict(zip(EVENT_COLUMNS, row, strict=True))
        assert named["event_time"].tzinfo is not None
        assert named["event_id"]
        for (name, (kind, _)), value in zip(EVENT_COLUMNS.items(), row, strict=True):
            wanted = {"string": str, "bool": bool, "int64": int}.get(str(kind), datetime)
            assert value is None or isinstance(value, wanted), (name, value)


def scan(data: bytes) -> None:
    """The fast road and the full road give one reading. The first byte picks the selection."""
    if not data:
        return
    probe = PROBES[data[0] % len(PROBES)]
    fast = scan_bytes(data[1:], "log.json", probe, bounds=BOUNDS)
    full = scan_bytes(data[1:], "log.json", probe, bounds=BOUNDS, is_fast=False)
    assert fast == full


def walk(data: bytes) -> None:
    """What the compiled walk takes, the typed decoding takes, and the full road reads alike."""
    if data:
        ROADS.compare(data[1:], data[0] % len(WALKED))


def policies(data: bytes) -> None:
    """A policy document is read or has its problem named; an unread one never gives a certain answer."""
    policy = parse_policy(data.decode("utf-8", errors="replace"), "fuzz")
    again = parse_policy(policy.document, "fuzz")
    assert (again.problem is None) == (policy.problem is None)
    for request in REQUESTS:
        found = [decide(request, identity=[policy]), trust_verdict(request, policy), resource_verdict(request, policy)]
        if policy.problem is not None:
            assert {one.verdict.value for one in found} <= {"unknown"}, found
        can_grant(policy, request.action.lower())


def ocsf_rows(data: bytes) -> None:
    """An OCSF event becomes a record that is itself a row, or is refused in words; it is JSON either way."""
    try:
        event: Any = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(event, dict):
        return
    ocsf.is_ocsf(event)
    haul = Haul("log.json")
    if gather_ocsf(event, haul):
        for found in haul.drain():
            json.loads(found.text)
            records(found.text)


def digests(data: bytes) -> None:
    """A digest is read or refused in words; its times are aware and its hash is that of its bytes."""
    for may_be_plain in (True, False):
        try:
            digest = parse_digest(plain_bytes(data, may_be_plain=may_be_plain))
        except DigestFormatError as refused:
            assert str(refused)
            continue
        assert digest.start.tzinfo is not None
        assert is_hex(digest.sha256)
        digest_name(digest.key)
        for log in digest.log_files:
            stamp_of(log.key)


def times(data: bytes) -> None:
    """Times and durations are aware and printable again, or refused with a hint."""
    text = data.decode("utf-8", errors="replace")
    moment = parse_moment(text)
    if moment is not None:
        assert parse_moment(format_time(moment)) == moment.replace(microsecond=0)
    for read in (parse_duration, parse_size, lambda given: parse_time(given, now=NOW)):
        try:
            found = read(text)
        except UsageError as refused:
            assert refused.hint
            continue
        assert not isinstance(found, datetime) or found.tzinfo is not None
    for value in (text, len(text) * 1e17, float("nan"), float("inf"), None):
        moment_of(value)


def places(data: bytes) -> None:
    """What a user names is a source, or is refused with a hint; nothing of it is obeyed. Names of files hold too."""
    text = data.decode("utf-8", errors="replace")
    try:
        source = open_source(text.replace("\0", ""))
    except UsageError as refused:
        assert refused.message
    else:
        assert str(source.name)
    stamp_of(text)
    digest_name(text)
    arn = parse_arn(text)
    assert (arn is None) or text.startswith("arn:")
    role_key(text)
    task_cluster(text)
    last_part(text)


def texts(data: bytes) -> None:
    """What is shown has no acting character left, and scrubbing is done once and for all."""
    text = data.decode("utf-8", errors="replace")
    assert clean(text).isprintable()
    once = scrub(text)
    assert scrub(once) == once


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "containers": containers,
    "records": records,
    "scan": scan,
    "walk": walk,
    "policies": policies,
    "ocsf": ocsf_rows,
    "digests": digests,
    "times": times,
    "places": places,
    "texts": texts,
}
