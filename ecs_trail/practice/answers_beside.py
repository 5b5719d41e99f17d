"""The parts of the answer beside volumes and TLS: other purposes, what people did, volumes left behind."""

from ecs_trail.practice.outages import Outage
from ecs_trail.practice.purposes import Work
from ecs_trail.practice.truth import Deed, Json, Truth, finding
from ecs_trail.vocabulary import FindingKind, Phase


def purposes(truth: Truth, outages: list[Outage]) -> list[Json]:
    """`provisioning_blocked` for load balancers, Lattice, Managed Instances: one for every role, purpose and cause."""
    groups: dict[tuple[str, str, str], tuple[Outage | None, list[Work]]] = {}
    for work in truth.works:
        if work.blocks:
            outage = _outage(work, outages, truth.world.lag)
            first = "" if outage is None else outage.causes[0]
            groups.setdefault((work.role.arn, work.purpose, first), (outage, []))[1].append(work)
    rows: list[Json] = []
    for (role_arn, _, _), (outage, works) in sorted(groups.items()):
        ongoing = outage.end is None if outage is not None else any(work.freed_at is None for work in works)
        causes = [] if outage is None else outage.causes
        kind = FindingKind.PROVISIONING_BLOCKED
        rows.append(finding(kind, ongoing=ongoing, tasks=[], causes=causes, role_arn=role_arn))
    return rows


def _outage(work: Work, outages: list[Outage], lag: int) -> Outage | None:
    fitting = [
        outage
        for outage in outages
        if outage.role is work.role
        and (outage.purpose, outage.phase) == (work.purpose, Phase.PROVISION)
        and outage.holds(work.scope, work.blocks[0], lag)
    ]
    return fitting[0] if fitting else None


def conduct(truth: Truth) -> list[Json]:
    """Findings about what people did, refused launches and volumes that nobody will delete."""
    rows = [_deed(deed) for deed in truth.deeds]
    if truth.pass_role_denials:
        more = {"event_ids": truth.pass_role_denials, "unsure": ["status", "role_arn"]}
        rows.append(finding(FindingKind.PASS_ROLE_DENIED, ongoing=True, tasks=[], causes=[], **more))
    left = [
        task.volume.id
        for task in truth.tasks
        if task.volume is not None
        and task.volume.deleted_at is None
        and not task.keep
        and (task.failed_at is not None or task.given_up_at is not None)
    ]
    if left:
        more = {"volume_ids": sorted(left), "unsure": ["role_arn"]}
        rows.append(finding(FindingKind.LEAKED_VOLUMES, ongoing=True, tasks=[], causes=[], **more))
    return rows


def _deed(deed: Deed) -> Json:
    unsure = [] if deed.ongoing is not None else ["status"]
    more: Json = {"event_ids": sorted(deed.event_ids), "unsure": unsure}
    if deed.beside:
        more["beside_event_ids"] = sorted(deed.beside)
    if deed.role is not None:
        more["role_arn"] = deed.role.arn
    if deed.secrets:
        more["secret_arns"] = sorted(secret.arn for secret in deed.secrets)
    return finding(deed.kind, ongoing=bool(deed.ongoing), tasks=[], causes=[], **more)
