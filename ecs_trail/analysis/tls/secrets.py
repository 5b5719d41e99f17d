"""Service Connect TLS: every secret from issue to deletion, its state, and what blocked it (contract, section 2).

*Amazon ECS Developer Guide*, "Encrypt Service Connect traffic" (rotation every five days, seven at the most), read on
2026-11-24. Frames in, frames out.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ecs_trail.analysis.tls.calls import secret_name
from ecs_trail.analysis.tls.links import ABSENT, OVERDUE, TlsBlock, TlsCase, basis, blocks, causes, confidence, failures
from ecs_trail.analysis.tls.lives import ROTATION, tls_lives
from ecs_trail.analysis.tls.locks import LockKind, locks
from ecs_trail.arns import parse_arn, role_key
from ecs_trail.calls import Outcome
from ecs_trail.frames import COUNT, TEXT, TEXTS, TIME, Frame, FrameSpec, Row, Sheet, as_sheet, rows
from ecs_trail.vocabulary import Basis, Confidence, Purpose, TlsState

TLS: Final = FrameSpec(
    name="tls",
    doc="One row per Service Connect secret (or per issue that made none): its life, state, and what blocked it.",
    key=("secret_arn", "secret_name", "service_arn", "certificate_authority_arn", "role_arn", "region"),
    columns={
        "secret_arn": TEXT,
        "secret_name": TEXT,
        "service_arn": TEXT,
        "certificate_authority_arn": TEXT,
        "role_arn": TEXT,
        "issued_at": TIME,
        "last_rotation_at": TIME,
        "deleted_at": TIME,
        "state": TEXT,
        "failures": COUNT,
        "last_error": TEXT,
        "outage_id": TEXT,
        "cause_event_ids": TEXTS,
        "evidence": TEXTS,
        "account": TEXT,
        "region": TEXT,
        "confidence": TEXT,
        "basis": TEXTS,
        "blocked_since": TIME,
        "resolved_at": TIME,
        "deleted_by": TEXT,
        "phase": TEXT,
        "denied_event_ids": TEXTS,
        "kms_key_id": TEXT,
        "next_rotation_due_at": TIME,
        "certificate_valid_until": TIME,
    },
)
_WORRIES: Final = frozenset({TlsState.BLOCKED, TlsState.RECOVERED, TlsState.DELETED, TlsState.UNKNOWN})


def tls(
    events: Frame,
    calls: Frame,
    losses: Frame,
    key_outages: Frame,
    *,
    as_of: datetime,
    grace: timedelta,
    absent_after: timedelta = ABSENT,
) -> Sheet:
    """Judge every Service Connect secret, as `TLS`, by ARN.

    `events` is of `EVENT_SCHEMA`, `calls` of `TLS_CALLS`, `losses` of `LOSSES`, `key_outages` of `KEY_OUTAGES`. What
    happened after `as_of` (aware UTC) is left out. `grace` is how long IAM may take to spread a change. An issue that
    failed before any secret was made has a row without secret, with the service where it is known. A rotation that
    left no failed call counts as absent, and under a loss of its role as blocked, once the last one is more than
    `absent_after` back: the usual five days and an hour. Without such a loss it is overdue after seven days.
    """
    seen = as_sheet(events).where(event_time=lambda moment: moment <= as_of)
    listed = sorted((call for call in rows(calls) if call["event_time"] <= as_of), key=lambda one: one["event_time"])
    held = locks(seen, listed, key_outages)
    lost: dict[tuple[str, str] | None, list[Row]] = defaultdict(list)
    for loss in rows(losses):
        if loss["purpose"] == Purpose.TLS and loss["lost_at"] <= as_of:
            lost[role_key(loss["role_arn"])].append(loss)
    judged = []
    for life in tls_lives(seen, listed):
        mine = lost[role_key(life.role_arn)] if life.role_arn else []
        row = _judge(TlsCase(life, mine, held, as_of, grace, absent_after))
        if row is not None:
            judged.append(row)
    return TLS.sheet(judged)


def _judge(case: TlsCase) -> Row | None:
    life = case.life
    found = blocks(case)
    if not life.secret and not found:
        return None  # a passing failure of an issue: nothing hangs
    open_blocks = [block for block in found if block.until is None]
    shown = open_blocks or found[-1:]
    state = _state(case, open_blocks, found)
    row = _base(case) | {"state": state.value} | _plain(case, state) | _ahead(case, state)
    if shown and state in _WORRIES:
        row |= _blocked(case, shown)
    elif state is TlsState.REMOVED_BY_OTHER and shown:
        row |= {"blocked_since": shown[0].since, "phase": shown[0].phase.value}
    ids = (*row["cause_event_ids"], *(call["event_id"] for call in life.calls))
    return row | {"evidence": list(dict.fromkeys(ids))}


def _ahead(case: TlsCase, state: TlsState) -> Row:
    """What comes next: when the next rotation is due, and how long the last certificate ordered is valid."""
    if state in {TlsState.DELETED, TlsState.REMOVED_BY_OTHER}:
        return {}
    renewed = case.life.renewed_before(case.as_of)
    ends = [call["valid_until"] for call in case.life.calls if call["by_ecs"] and call["valid_until"] is not None]
    return {
        "next_rotation_due_at": renewed + ROTATION if renewed is not None else None,
        "certificate_valid_until": max(ends, default=None),
    }


def _state(case: TlsCase, open_blocks: Sequence[TlsBlock], found: Sequence[TlsBlock]) -> TlsState:
    life = case.life
    if life.deleted is not None:
        if life.deleted["by_ecs"]:
            return TlsState.DELETED
        missed = [lock for block in open_blocks for _, lock in block.outside if lock.kind is LockKind.SECRET_DELETED]
        return TlsState.BLOCKED if missed else TlsState.REMOVED_BY_OTHER
    if not life.secret and life.service_ended_at is not None:
        return TlsState.UNKNOWN  # nobody waits for the certificate any more
    if open_blocks:
        return TlsState.BLOCKED
    if found:
        return TlsState.RECOVERED
    own = [call for call in life.calls if call["by_ecs"] and call["outcome"] == Outcome.OK]
    first = own[0]["event_time"] if own else None
    # A secret older than the evidence was last renewed before the first call seen of it, if no rotation was seen.
    renewed = life.renewed_before(case.as_of) or first
    if renewed is None:
        return TlsState.UNKNOWN
    if life.service_ended_at is not None and life.service_ended_at - renewed <= OVERDUE:
        return TlsState.HEALTHY  # its service is gone; no rotation is due
    return TlsState.ROTATION_OVERDUE if case.as_of - renewed > OVERDUE else TlsState.HEALTHY


def _base(case: TlsCase) -> Row:
    life = case.life
    failed = failures(life)
    arn = life.secret if parse_arn(life.secret) else None
    return {
        "secret_arn": arn,
        "secret_name": secret_name(life.secret),
        "service_arn": life.service_arn,
        "certificate_authority_arn": life.authority,
        "role_arn": life.role_arn,
        "issued_at": life.issued_at,
        "last_rotation_at": max(life.rotations, default=None),
        "deleted_at": life.deleted and life.deleted["event_time"],
        "deleted_by": life.deleted and life.deleted["actor"],
        "failures": len(failed),
        "last_error": (failed[-1]["error_code"] or failed[-1]["event_name"]) if failed else None,
        "cause_event_ids": [],
        "denied_event_ids": [],
        "account": life.account,
        "region": life.region,
        "kms_key_id": min(life.keys, default=None),
    }


def _plain(case: TlsCase, state: TlsState) -> Row:
    """Confidence and basis of a state that rests on what was seen, or on what was not."""
    if state in {TlsState.DELETED, TlsState.REMOVED_BY_OTHER}:
        return {"confidence": Confidence.CERTAIN.value, "basis": []}
    if state is TlsState.ROTATION_OVERDUE:
        return {"confidence": Confidence.POSSIBLE.value, "basis": [Basis.SILENCE.value]}
    known = state is TlsState.HEALTHY and case.life.renewed_before(case.as_of) is not None
    return {"confidence": (Confidence.LIKELY if known else Confidence.POSSIBLE).value, "basis": []}


def _blocked(case: TlsCase, shown: Sequence[TlsBlock]) -> Row:
    """What blocked a secret: the outage that did first, and every change while it stayed so."""
    first = next((block for block in shown if causes(block, case.as_of)), shown[0])
    ids = dict.fromkeys(one for _, one in sorted(pair for block in shown for pair in causes(block, case.as_of)))
    stands_on = {one for block in shown for one in basis(block)}
    ended = case.life.deleted["event_time"] if case.life.deleted is not None else None
    return {
        "blocked_since": shown[0].since,
        "resolved_at": shown[0].until or ended,
        "phase": first.phase.value,
        "outage_id": first.outage_id,
        "cause_event_ids": list(ids),
        "denied_event_ids": [call["event_id"] for block in shown for call in block.failed],
        "confidence": confidence(first, caused=bool(ids)).value,
        "basis": [one.value for one in Basis if one.value in stands_on],
    }
