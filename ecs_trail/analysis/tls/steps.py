"""Steps of TLS work: the calls of one issue, rotation or deletion, gathered.

Calls to AWS Private CA, Secrets Manager and AWS KMS of one step share no id; they lie seconds apart, in one session,
for one secret (the KMS encryption context and Secrets Manager's own events name it). The order of the calls is
documented nowhere, so only nearness in time gathers them.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from ecs_trail.analysis.tls.calls import secret_name
from ecs_trail.analysis.tls.lives import NEAR, Life, is_failure, tls_lives
from ecs_trail.arns import parse_arn
from ecs_trail.calls import Outcome
from ecs_trail.frames import COUNT, TEXT, TEXTS, TIME, Frame, FrameSpec, Row, Sheet, as_sheet, rows
from ecs_trail.vocabulary import Phase

TLS_STEPS: Final = FrameSpec(
    name="tls_steps",
    doc="One row per issue, rotation or deletion that ECS made or tried for a Service Connect secret.",
    key=("secret_arn", "secret_name", "service_arn", "step", "started_at"),
    columns={
        "secret_arn": TEXT,
        "secret_name": TEXT,
        "service_arn": TEXT,
        "role_arn": TEXT,
        "step": TEXT,
        "outcome": TEXT,
        "started_at": TIME,
        "ended_at": TIME,
        "calls": COUNT,
        "failed_action": TEXT,
        "error_code": TEXT,
        "event_ids": TEXTS,
    },
)
_ISSUES: Final = frozenset({"CreateSecret", "TagResource", "DescribeCertificateAuthority"})
_DONE: Final = {
    Phase.ISSUE: frozenset({"CreateSecret"}),
    Phase.ROTATE: frozenset({"PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "RotationSucceeded"}),
    Phase.DELETE: frozenset({"DeleteSecret"}),
}


def tls_steps(events: Frame, calls: Frame, *, as_of: datetime) -> Sheet:
    """All steps up to `as_of` (aware UTC), as `TLS_STEPS`, oldest first. `calls` is of `TLS_CALLS`.

    `outcome` is `done`, `failed`, or `unknown` where the call that would have ended the step is not in the evidence.
    """
    seen = as_sheet(events).where(event_time=lambda moment: moment <= as_of)
    listed = sorted((call for call in rows(calls) if call["event_time"] <= as_of), key=lambda one: one["event_time"])
    found = [_step(life, group) for life in tls_lives(seen, listed) for group in _groups(life.calls) if _is_work(group)]
    return TLS_STEPS.sheet(sorted(found, key=lambda row: (row["started_at"], row["event_ids"])))


def _groups(calls: Sequence[Row]) -> Iterator[list[Row]]:
    """Calls of ECS and events about them, split where nothing happened for longer than one attempt takes."""
    group: list[Row] = []
    for call in sorted(calls, key=lambda one: one["event_time"]):
        if not (call["by_ecs"] or call["event_name"].startswith("Rotation")):
            continue
        if group and call["event_time"] - group[-1]["event_time"] > NEAR:
            yield group
            group = []
        group.append(call)
    if group:
        yield group


def _is_work(group: Sequence[Row]) -> bool:
    """More than a look: a lone read says nothing of a step."""
    return any(call["step"] not in {"read", "key", "other"} or is_failure(call) for call in group)


def _step(life: Life, group: Sequence[Row]) -> Row:
    names = {call["event_name"] for call in group}
    kind = Phase.DELETE if "DeleteSecret" in names else Phase.ISSUE if names & _ISSUES else Phase.ROTATE
    failed = [call for call in group if is_failure(call) or call["event_name"] == "RotationFailed"]
    told = next((call for call in failed if call["error_code"]), failed[0] if failed else None)
    done = any(call["event_name"] in _DONE[kind] and call["outcome"] == Outcome.OK for call in group)
    return {
        "secret_arn": life.secret if parse_arn(life.secret) else None,
        "secret_name": secret_name(life.secret),
        "service_arn": life.service_arn,
        "role_arn": life.role_arn,
        "step": kind.value,
        "outcome": "failed" if failed else "done" if done else "unknown",
        "started_at": group[0]["event_time"],
        "ended_at": group[-1]["event_time"],
        "calls": len(group),
        "failed_action": told and told["action"],
        "error_code": told and told["error_code"],
        "event_ids": [call["event_id"] for call in group],
    }
