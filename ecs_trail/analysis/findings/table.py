"""All findings of a case in one frame, the most urgent first."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from ecs_trail.analysis.findings.conduct import blind_spots, impersonated, secrets_read
from ecs_trail.analysis.findings.impact import at_risk, provisioning, stuck
from ecs_trail.analysis.findings.integrity import broken_evidence
from ecs_trail.analysis.findings.known import FINDINGS, RESOLVED, Known, known_from
from ecs_trail.analysis.findings.others import leaked, pass_role, tls_blocked
from ecs_trail.analysis.findings.purposes import not_placed, work_blocked
from ecs_trail.frames import Row, Sheet
from ecs_trail.vocabulary import FindingKind, Severity

_MAKERS: Final[Iterable[Callable[[Known], Iterator[Row]]]] = (
    stuck,
    at_risk,
    provisioning,
    work_blocked,
    not_placed,
    leaked,
    tls_blocked,
    pass_role,
    impersonated,
    secrets_read,
    blind_spots,
    broken_evidence,
)
_SEVERITIES: Final = {one: at for at, one in enumerate(Severity)}
_KINDS: Final = {one: at for at, one in enumerate(FindingKind)}


def findings(frames: Mapping[str, Sheet], as_of: datetime) -> Sheet:
    """All findings, as `FINDINGS`, ongoing and severe ones first. `frames` holds the frames of a case by name."""
    known = known_from(frames, as_of)
    found = [finding for make in _MAKERS for finding in make(known)]
    found.sort(key=_order)
    numbers: dict[str, int] = defaultdict(int)
    for finding in found:
        numbers[finding["kind"]] += 1
        finding["id"] = f"{finding['kind']}-{numbers[finding['kind']]}"
    return FINDINGS.sheet(found)


def _order(finding: Row) -> tuple[Any, ...]:
    begin = finding["started_at"]
    urgency = (finding["status"] == RESOLVED, _SEVERITIES[finding["severity"]], _KINDS[finding["kind"]])
    size = -len(finding["task_arns"]) - len(finding["volume_ids"]) - len(finding["secret_arns"])
    return (*urgency, size, begin is None, begin or 0, finding["role_arn"] or "", finding["title"])
