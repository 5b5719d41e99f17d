"""The verdict on a store: whether its parts are what its manifest says, in the shape of the verdict on log files."""

from typing import Final

from ecs_trail.errors import IntegrityError
from ecs_trail.evidence.integrity.chain import Status
from ecs_trail.evidence.integrity.verdict import STORE_PART, Entry, Integrity
from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.store import Store
from ecs_trail.evidence.store.parts import span_of_part

_STATUSES: Final = {
    "altered_manifest": Status.ALTERED,
    "altered_part": Status.ALTERED,
    "missing_part": Status.MISSING,
}


def verify_store(store: Store) -> Integrity:
    """Read every part of a store again and compare it with the manifest. Raises `UsageError` where there is none.

    What lies beside the parts is no evidence and never counts, so that it is a remark only.
    """
    made = Integrity([store.name])
    wrong = store.verify()
    try:
        parts = {store.disk.where(part["name"]): part for part in store.manifest().parts()}
    except IntegrityError:
        parts = {}
    for one in wrong:
        status = _STATUSES.get(one.kind)
        if status is None:
            made.problems.append(Problem(one.source, "not_read", one.detail))
            continue
        part = parts.get(one.source, {})
        start, end = span_of_part(part) if "span" in part else (None, None)
        made.entries.append(
            Entry(STORE_PART, one.source, status.value, one.detail, "", "", "", start, end, named_by=store.name)
        )
        made.counts[STORE_PART][status.value] += 1
    made.counts[STORE_PART][Status.VALID.value] = len(set(parts) - {one.source for one in wrong})
    made.entries.sort()
    return made
