"""The part of the answer about Service Connect TLS: a row for every secret, and who or what blocked it."""

from ecs_trail.practice.dice import iso
from ecs_trail.practice.outages import Outage
from ecs_trail.practice.things import Secret
from ecs_trail.practice.truth import Json, Truth, finding
from ecs_trail.vocabulary import FindingKind, Phase, Purpose, TlsState


def tls(truth: Truth, outages: list[Outage]) -> tuple[Json, list[Json]]:
    """Rows by secret ARN, and one `tls_blocked` finding for every cause."""
    rows: Json = {}
    #: first cause -> (all causes, secrets, ongoing)
    blocked: dict[str, tuple[list[str], list[str], bool]] = {}
    for secret in truth.secrets:
        if secret.removed and not secret.blocks:
            # Nothing has failed yet: whether the deletion is a cause before it blocks anything is left open.
            secret.unsure.append("cause_event_ids")
        state, causes = _state(secret, truth.as_of), _causes(secret, outages, truth.world.lag)
        rows[secret.arn] = _row(secret, state, causes)
        if causes:
            _, arns, ongoing = blocked.get(causes[0], ([], [], False))
            blocked[causes[0]] = (causes, [*arns, secret.arn], ongoing or state is TlsState.BLOCKED)
    findings = [
        finding(FindingKind.TLS_BLOCKED, ongoing=ongoing, tasks=[], causes=causes, secret_arns=sorted(arns))
        for causes, arns, ongoing in blocked.values()
    ]
    return rows, findings + _never_issued(truth, outages)


def _row(secret: Secret, state: TlsState, causes: list[str]) -> Json:
    return {
        "state": state.value,
        "role_arn": secret.role.arn,
        "service_arn": secret.service_arn,
        "certificate_authority_arn": secret.authority_arn,
        "issued_at": iso(secret.issued_at),
        "last_rotation_at": None if secret.last_rotation_at is None else iso(secret.last_rotation_at),
        "deleted_at": None if secret.deleted_at is None else iso(secret.deleted_at),
        "cause_event_ids": causes,
        "unsure": secret.unsure,
    }


def _never_issued(truth: Truth, outages: list[Outage]) -> list[Json]:
    """Certificates refused from the first, without a change: provisioning is blocked, and nobody did it."""
    refused = [one for one in truth.wanted if one.blocks and not _causes(one, outages, truth.world.lag)]
    rows: list[Json] = []
    for role_arn in sorted({secret.role.arn for secret in refused}):
        ongoing = any(not secret.issued for secret in refused if secret.role.arn == role_arn)
        kind = FindingKind.PROVISIONING_BLOCKED
        rows.append(finding(kind, ongoing=ongoing, tasks=[], causes=[], role_arn=role_arn, unsure=["secret_arns"]))
    return rows


def _causes(secret: Secret, outages: list[Outage], lag: int) -> list[str]:
    if secret.blocks and secret.blocks[0].outside:
        return list(dict.fromkeys(event_id for block in secret.blocks for event_id in block.outside))
    outage = _outage(secret, outages, lag)
    return [] if outage is None else outage.causes


def _state(secret: Secret, as_of: int) -> TlsState:
    if secret.removed:
        # A rotation that fails for a lost secret is blocked by the contract's words; before that it is removed.
        return TlsState.BLOCKED if secret.blocks else TlsState.REMOVED_BY_OTHER
    if secret.deleted_at is not None:
        return TlsState.DELETED
    if secret.blocks:
        return TlsState.BLOCKED if secret.freed_at is None else TlsState.RECOVERED
    latest = secret.last_rotation_at or secret.issued_at
    return TlsState.ROTATION_OVERDUE if as_of - latest > 7 * 86400 else TlsState.HEALTHY


def _outage(secret: Secret, outages: list[Outage], lag: int) -> Outage | None:
    if not secret.blocks:
        return None
    at = secret.blocks[0].at
    fitting = [
        outage
        for outage in outages
        if outage.role is secret.role and outage.purpose is Purpose.TLS and outage.holds(secret.scope, at, lag)
    ]
    rotating = [outage for outage in fitting if outage.phase is Phase.ROTATE]
    chosen = rotating or fitting
    return chosen[0] if chosen else None
