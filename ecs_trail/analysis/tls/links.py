"""What blocked a Service Connect secret: refused calls and silence, held against role losses and outer locks.

The rules are the contract's, "Words with one meaning", and those of tasks: a refused call blocks at once, what the
evidence does not explain stays unexplained, and a change is a cause only while the secret needed what it took.
Absence counts once a rotation is due: five days after the last one (*ECS Developer Guide*, "Encrypt Service Connect
traffic", read on 2026-11-24).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ecs_trail.analysis.tls.calls import AUTHORITIES
from ecs_trail.analysis.tls.lives import NEAR, ROTATION, Life, is_failure
from ecs_trail.analysis.tls.locks import (
    GONE_CODES,
    PASSING_CODES,
    Lock,
    LockKind,
    bare_code,
    concerns,
    fits,
    known_kind,
)
from ecs_trail.arns import role_key
from ecs_trail.calls import Outcome, PolicyType
from ecs_trail.frames import Row
from ecs_trail.vocabulary import ASSUME_ROLE, Basis, Confidence, Phase

#: After seven days without rotation the certificates run out.
OVERDUE: Final = timedelta(days=7)
#: A rotation that is an hour late does not come by itself any more while the role cannot do it.
ABSENT: Final = ROTATION + timedelta(hours=1)
#: How long ECS may take to delete a secret after its service before its silence means something.
_DELETION: Final = timedelta(minutes=10)
_ISSUES: Final = frozenset({"CreateSecret", "TagResource", "DescribeCertificateAuthority"})
_PASSING: Final = frozenset({Outcome.BUSY, Outcome.THROTTLED})


@dataclass(frozen=True, slots=True)
class TlsCase:
    """One secret with all that is held against it. `losses` are those of its role for TLS.

    A rotation counts as absent once the last one is longer ago than `absent_after`.
    """

    life: Life
    losses: Sequence[Row]
    locks: Sequence[Lock]
    as_of: datetime
    grace: timedelta
    absent_after: timedelta = ABSENT

    @property
    def keys(self) -> frozenset[str]:
        """The ids of the encryption keys the secret is known to use."""
        return frozenset(self.life.keys)


@dataclass(slots=True)
class TlsBlock:
    """A span in which one phase of a secret's work failed, or was due and absent, and what explains it."""

    phase: Phase
    since: datetime
    until: datetime | None = None
    failed: list[Row] = field(default_factory=list)
    explained: list[tuple[Row, Row]] = field(default_factory=list)
    outside: list[tuple[Row, Lock]] = field(default_factory=list)
    losses: list[Row] = field(default_factory=list)
    silent: bool = False

    @property
    def outage_id(self) -> str | None:
        """The outage that blocked first; None where no loss of the role explains it."""
        first = min(self.losses, key=lambda loss: loss["lost_at"], default=None)
        direct = min(self.explained, key=lambda one: (one[0]["event_time"], one[1]["lost_at"]), default=None)
        chosen: Row | None = direct[1] if direct is not None else first
        return chosen["outage_id"] if chosen is not None else None


def blocks(case: TlsCase) -> list[TlsBlock]:
    """All blocks of a secret, oldest first; `until` is None while nothing resolved it at `as_of`."""
    found = [block for phase in (Phase.ISSUE, Phase.ROTATE, Phase.DELETE) for block in _failed_blocks(case, phase)]
    for block in found:
        _link(case, block)
    found += [block for block in _silences(case) if not any(_covers(one, block) for one in found)]
    return sorted(found, key=lambda block: block.since)


def causes(block: TlsBlock, as_of: datetime) -> list[tuple[datetime, str]]:
    """The changes behind a block with their times, oldest first, none after it was resolved."""
    end = block.until or as_of
    found: dict[str, tuple[datetime, int]] = {}
    for loss in sorted(block.losses, key=lambda one: one["lost_at"]):
        for at, (event_id, moment) in enumerate(zip(loss["cause_event_ids"], loss["cause_times"], strict=True)):
            if moment <= end:
                found.setdefault(event_id, (moment, at))
    for _, lock in block.outside:
        found.setdefault(lock.event_id, (lock.start, 0))
    return [(found[one][0], one) for one in sorted(found, key=lambda one: found[one])]


def confidence(block: TlsBlock, *, caused: bool) -> Confidence:
    """How sure the link from block to causes is: replay and refusals agree, one of them speaks, or timing only."""
    refused = [call for call in block.failed if call["by_ecs"]]
    if not caused:
        return Confidence.LIKELY if refused else Confidence.POSSIBLE
    sure = {loss["certainty"] for loss in block.losses}
    if not refused:
        told = bool(sure & {"replayed", "observed"}) or bool(block.outside)
        return Confidence.LIKELY if told else Confidence.POSSIBLE
    explained = [call for call, _ in (*block.explained, *block.outside)]
    if not any(call is refused[0] for call in explained):
        return Confidence.POSSIBLE  # it was refused before any change that explains it
    if any(loss["certainty"] == "replayed" for _, loss in block.explained):
        return Confidence.CERTAIN
    if any(known_kind(lock, call) for call, lock in block.outside):
        return Confidence.CERTAIN
    return Confidence.LIKELY if block.outside or sure & {"replayed", "observed"} else Confidence.POSSIBLE


def basis(block: TlsBlock) -> list[str]:
    """What a block stands on, in the contract's words."""
    found = {one for loss in block.losses for one in loss["basis"]} - {Basis.DENIED_CALLS.value}
    refused = [call for call in block.failed if call["by_ecs"]]
    if refused:
        found.add(Basis.DENIED_CALLS.value)
        if any(call["policy_type"] for call in refused):
            found.add(Basis.POLICY_TYPE_IN_ERROR.value)
    else:
        found.add(Basis.SILENCE.value)
    return [one.value for one in Basis if one.value in found]


# --- failures -------------------------------------------------------------------------------------------------------


def _failed_blocks(case: TlsCase, phase: Phase) -> Iterator[TlsBlock]:
    done = _completions(case.life, phase)
    current: TlsBlock | None = None
    for call in case.life.calls:
        if not _blocks(case, call) or _phase(case.life, call) is not phase:
            continue
        moment = call["event_time"]
        if current is not None and (current.until is None or moment <= current.until):
            current.failed.append(call)
            continue
        at = bisect_left(done, moment)
        current = TlsBlock(phase, moment, done[at] if at < len(done) else None, [call])
        yield current


def _completions(life: Life, phase: Phase) -> list[datetime]:
    """When the work of a phase was done; the end of the secret by ECS ends everything."""
    done = [] if phase is Phase.DELETE else list(life.rotations)
    if phase is Phase.ISSUE:
        tagged = [call for call in life.calls if call["event_name"] == "TagResource" and call["by_ecs"]]
        done += [call["event_time"] for call in tagged if call["outcome"] == Outcome.OK]
        done += [life.issued_at] if life.issued_at is not None else []
    if life.deleted is not None and life.deleted["by_ecs"]:
        done.append(life.deleted["event_time"])
    return sorted(done)


def _phase(life: Life, call: Row) -> Phase:
    name, moment = call["event_name"], call["event_time"]
    if name in _ISSUES or not life.secret or (life.issued_at is not None and moment <= life.issued_at):
        return Phase.ISSUE
    if name == "DeleteSecret":
        return Phase.DELETE
    if name == "DescribeSecret":
        ended = life.service_ended_at is not None and moment >= life.service_ended_at
        removing = any(
            one["event_name"] == "DeleteSecret" and one["by_ecs"] and abs(one["event_time"] - moment) <= NEAR
            for one in life.calls
        )
        return Phase.DELETE if ended or removing else Phase.ROTATE
    return Phase.ROTATE


def _blocks(case: TlsCase, call: Row) -> bool:
    """Whether a failure blocks: for want of permission, authority, key or secret; never a passing one."""
    if call["event_name"] == "RotationFailed":
        near = _near(case.life, call)
        return not any(one["outcome"] in _PASSING or _blocks(case, one) for one in near)
    if not is_failure(call) or call["outcome"] in _PASSING:
        return False
    if call["outcome"] == Outcome.DENIED:
        return True
    code = bare_code(call["error_code"])
    if _normal_end(case.life, call):
        return False
    if any(_fits(case, lock, call) for lock in case.locks):
        return code not in PASSING_CODES
    # A certificate may not be found at once after it was ordered; an authority, a key or a secret always is.
    return code in GONE_CODES.get(call["event_source"], frozenset()) and call["event_name"] != "GetCertificate"


def _normal_end(life: Life, call: Row) -> bool:
    """ECS looks for a secret that is gone: nothing is left to do."""
    if call["outcome"] != Outcome.NOT_FOUND or call["event_source"] == AUTHORITIES:
        return False
    by_ecs = life.deleted is not None and life.deleted["by_ecs"] and life.deleted["event_time"] <= call["event_time"]
    return by_ecs or _phase(life, call) is Phase.DELETE


def _near(life: Life, call: Row) -> list[Row]:
    moment = call["event_time"]
    times = [one["event_time"] for one in life.calls]
    low, high = bisect_left(times, moment - NEAR), bisect_right(times, moment + NEAR)
    return [one for one in life.calls[low:high] if one["by_ecs"]]


def failures(life: Life) -> list[Row]:
    """ECS's failed calls, and failed rotations of which no failed call is on record."""
    return [
        call
        for call in life.calls
        if is_failure(call)
        or (call["event_name"] == "RotationFailed" and not any(is_failure(one) for one in _near(life, call)))
    ]


# --- causes ---------------------------------------------------------------------------------------------------------


def _fits(case: TlsCase, lock: Lock, call: Row) -> bool:
    mine = lock.role_arn is None or role_key(lock.role_arn) == role_key(case.life.role_arn)
    if not mine or not fits(lock, call, authority=case.life.authority, keys=case.keys, secret=case.life.secret):
        return False
    return not _worked_under(case, lock, call)


def _worked_under(case: TlsCase, lock: Lock, call: Row) -> bool:
    """Whether the same call worked under the lock before: then the lock does not stop it."""
    return any(
        one["event_name"] == call["event_name"]
        and one["outcome"] == Outcome.OK
        and one["by_ecs"]
        and lock.start + case.grace < one["event_time"] < call["event_time"]
        for one in case.life.calls
    )


def _link(case: TlsCase, block: TlsBlock) -> None:
    """Find the losses and locks behind a block's failures, and what else took what the secret needed meanwhile."""
    mine = [loss for loss in case.losses if loss["phase"] == block.phase and _here(case, loss)]
    first: dict[str, datetime] = {}
    for call in block.failed:
        action = call["action"].lower()
        first.setdefault(action, call["event_time"])
        began = first[action]
        if call["event_name"] == "RotationFailed":
            block.explained += [(call, loss) for loss in mine if _in_force(case, loss, call["event_time"])]
            block.outside += [(call, lock) for lock in case.locks if _stops(case, lock, call)]
            continue
        # What was refused already before a change was not lost through it.
        block.explained += [(call, loss) for loss in mine if loss["lost_at"] <= began and _explains(case, loss, call)]
        block.outside += [(call, lock) for lock in case.locks if lock.start <= began and _fits(case, lock, call)]
    direct = [loss for _, loss in block.explained]
    linked = {loss["outage_id"] for loss in direct}
    for loss in mine:
        more = bool(direct) and (loss["outage_id"] in linked or loss["lost_at"] >= block.since)
        if loss in direct or (more and _touches(case, loss, block) and not _done_under(case, loss, block)):
            block.losses.append(loss)


def _here(case: TlsCase, loss: Row) -> bool:
    return loss["region"] in {None, case.life.region}


def _explains(case: TlsCase, loss: Row, call: Row) -> bool:
    """Whether a loss explains a refused call: same action, in force or just repaired, no other policy type named."""
    if call["outcome"] != Outcome.DENIED or loss["action"].lower() != call["action"].lower():
        return False
    if loss["lost_at"] > call["event_time"]:
        return False
    if loss["regained_at"] is not None and call["event_time"] >= loss["regained_at"] + case.grace:
        return False
    kind = call["policy_type"]
    if kind in {PolicyType.SESSION, PolicyType.ENDPOINT, PolicyType.RESOURCE}:
        return False
    return bool(kind in {PolicyType.NONE, PolicyType.TRUST} or kind in loss["policy_types"])


def _in_force(case: TlsCase, loss: Row, moment: datetime) -> bool:
    """Whether a loss held at a moment and nothing was done under it."""
    held = loss["lost_at"] <= moment and (loss["regained_at"] is None or moment < loss["regained_at"])
    return bool(held) and not _contradicted(case, loss, case.life.rotations, moment)


def _contradicted(case: TlsCase, loss: Row, done: Sequence[datetime], moment: datetime) -> bool:
    """Whether work was done under a loss. A session that ECS still held proves nothing about `sts:AssumeRole`."""
    if loss["action"] == ASSUME_ROLE:
        return False
    return any(loss["lost_at"] + case.grace < one < moment for one in done)


def _stops(case: TlsCase, lock: Lock, call: Row) -> bool:
    mine = lock.role_arn is None or role_key(lock.role_arn) == role_key(case.life.role_arn)
    concerned = concerns(lock, authority=case.life.authority, keys=case.keys, secret=case.life.secret)
    moment: datetime = call["event_time"]
    worked = any(lock.start + case.grace < one <= moment for one in case.life.rotations)
    sure = lock.kind is not LockKind.KEY_POLICY  # what a key's policy still allows is not known well enough here
    return mine and sure and concerned and lock.holds_at(moment) and not worked


def _touches(case: TlsCase, loss: Row, block: TlsBlock) -> bool:
    until = block.until or case.as_of
    return bool(loss["lost_at"] <= until and (loss["regained_at"] is None or loss["regained_at"] > block.since))


def _done_under(case: TlsCase, loss: Row, block: TlsBlock) -> bool:
    """Whether the phase was done under the loss before the block: then the secret did not need what it took."""
    return _contradicted(case, loss, _completions(case.life, block.phase), block.since)


# --- silence --------------------------------------------------------------------------------------------------------


def _silences(case: TlsCase) -> Iterator[TlsBlock]:
    """Work that was due under a loss and did not come: rotations `absent_after` the last, deletions with a service."""
    life = case.life
    if not life.secret:
        return
    renewals = sorted({one for one in (life.issued_at, *life.rotations) if one is not None})
    for at, renewed in enumerate(renewals):
        after = renewals[at + 1] if at + 1 < len(renewals) else None
        end = after or (life.deleted["event_time"] if life.deleted is not None else case.as_of)
        by_action = _absences(case, renewed, end)
        if by_action:
            yield from _silence(case, Phase.ROTATE, renewed + ROTATION, by_action, after)
    if life.service_ended_at is not None and (life.deleted is None or life.deleted["by_ecs"]):
        done = life.deleted["event_time"] if life.deleted is not None else None
        due = life.service_ended_at
        if (done or case.as_of) - due > _DELETION:
            yield from _silence(case, Phase.DELETE, due, {ASSUME_ROLE: due + _DELETION}, done)


def _absences(case: TlsCase, renewed: datetime, end: datetime) -> dict[str, datetime]:
    """From when on a rotation counts as absent, by the lost action ("" for any other than `sts:AssumeRole`).

    A role that cannot be assumed leaves no record. Any other lost action would have left a refused call, so that its
    absence means less and must last until the certificates run out.
    """
    waits = {ASSUME_ROLE: case.absent_after, "": max(case.absent_after, OVERDUE)}
    stopped = case.life.service_ended_at
    return {
        action: renewed + wait
        for action, wait in waits.items()
        if end - renewed > wait and (stopped is None or stopped >= renewed + wait)
    }


def _silence(
    case: TlsCase, phase: Phase, due: datetime, absent: dict[str, datetime], done: datetime | None
) -> Iterator[TlsBlock]:
    """A block where a loss held when the work was due: still open, or until the work counted as absent."""
    silent = [
        loss
        for loss in case.losses
        if loss["phase"] == phase
        and _here(case, loss)
        and (late := absent.get(loss["action"], absent.get(""))) is not None
        and (
            loss["lost_at"] <= late
            if loss["regained_at"] is None or loss["regained_at"] > case.as_of
            else loss["lost_at"] <= due and late < loss["regained_at"]
        )
        and (done is None or (loss["regained_at"] is not None and loss["regained_at"] <= done))
        and not _contradicted(case, loss, case.life.rotations, due)
    ]
    if silent:
        since = max(due, min(loss["lost_at"] for loss in silent))
        block = TlsBlock(phase, since, done, losses=silent, silent=True)
        linked = {loss["outage_id"] for loss in silent}
        # What the same outage took besides is a cause too: a policy detached before its role was deleted.
        block.losses = [
            loss
            for loss in case.losses
            if loss in silent
            or (
                loss["phase"] == phase
                and _here(case, loss)
                and loss["outage_id"] in linked
                and _touches(case, loss, block)
                and not _done_under(case, loss, block)
            )
        ]
        yield block


def _covers(block: TlsBlock, other: TlsBlock) -> bool:
    """Whether refused calls already tell of the span in which another block found silence."""
    end = block.until
    return block.phase is other.phase and (end is None or end >= other.since)
