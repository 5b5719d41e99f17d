"""What the simulation knows about an incident: everything the answer is made from."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ecs_trail.practice.purposes import Work
from ecs_trail.practice.things import Key, Secret, Task
from ecs_trail.practice.world import Role, World
from ecs_trail.vocabulary import FindingKind

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Deed:
    """Something a person did that is a finding by itself. `ongoing` None: the contract does not say when it is over."""

    kind: FindingKind
    event_ids: tuple[str, ...]
    role: Role | None = None
    secrets: tuple[Secret, ...] = ()
    ongoing: bool | None = None


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


def finding(kind: FindingKind, *, ongoing: bool, tasks: list[str], causes: list[str], **more: object) -> Json:
    """One expected finding. `unsure` among `more`: fields that the contract leaves open."""
    status = "ongoing" if ongoing else "resolved"
    return {"kind": kind.value, "status": status, "task_arns": sorted(tasks), "cause_event_ids": causes, **more}
