"""What the simulation knows about an incident: everything the answer is made from."""

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ecs_trail.practice.purposes import Work
from ecs_trail.practice.things import Key, Secret, Task
from ecs_trail.practice.world import Role, World
from ecs_trail.vocabulary import FindingKind

Json: TypeAlias = dict[str, Any]

#: What a trail for writes only does not record.
READS: Final = "reads"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something a person did that is a finding by itself. `ongoing` None: the contract does not say when it is over.

    `beside`: events that show it as well, but need not be named.
    """

    kind: FindingKind
    event_ids: tuple[str, ...]
    role: Role | None = None
    secrets: tuple[Secret, ...] = ()
    ongoing: bool | None = None
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch (seconds UTC) in which a trail did not record something: events of a source, reads, or (`""`) all."""

    start: int
    end: int
    only: str = ""

    def hides(self, record: Json) -> bool:
        """True for what is not recorded inside the stretch."""
        if self.only == READS:
            return bool(record["readOnly"])
        return self.only in {"", record["eventSource"]}


@dataclass(slots=True)
class Truth:
    """Everything the answer is made from. `visible`: ids of the events that are part of the evidence."""

    world: World
    tasks: list[Task]
    secrets: list[Secret]
    visible: set[str]
    as_of: int
    pass_role_denials: list[str]
    harmless: list[str]
    keys: list[Key] = field(default_factory=list)
    #: roles of which the evidence knows too little to be sure without denied calls (made before it begins, say)
    older: list[Role] = field(default_factory=list)
    #: every secret that was asked for, issued or not
    wanted: list[Secret] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    blind: list[Gap] = field(default_factory=list)

    def unseen(self, at: int | None) -> bool:
        """True when nothing at all was recorded at that moment."""
        return at is not None and any(gap.start < at < gap.end and not gap.only for gap in self.blind)


def finding(kind: FindingKind, *, ongoing: bool, tasks: list[str], causes: list[str], **more: object) -> Json:
    """One expected finding. `unsure` among `more`: fields that the contract leaves open."""
    status = "ongoing" if ongoing else "resolved"
    return {"kind": kind.value, "status": status, "task_arns": sorted(tasks), "cause_event_ids": causes, **more}
