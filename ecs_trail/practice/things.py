"""What ECS looks after: clusters by name, services, tasks, volumes, keys. They carry the truth of what befell them."""

from dataclasses import dataclass, field

from ecs_trail.practice.papers import Scope
from ecs_trail.practice.records import Json
from ecs_trail.practice.world import Role
from ecs_trail.vocabulary import TAG_CLUSTER, TAG_CREATED, TAG_MANAGED, TAG_SERVICE


@dataclass(slots=True, eq=False)
class Key:
    """A customer-managed KMS key and the changes that made it unusable for ECS."""

    arn: str
    usable: bool = True
    doomed: bool = False
    #: True while the key itself is fine and only its policy shuts the role out
    closed: bool = False
    broken_by: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Authority:
    """A private certificate authority and the changes that keep ECS from using it, oldest first."""

    arn: str
    tagged: bool = True
    status: str = "ACTIVE"
    broken_by: list[str] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """True while ECS can have certificates from it."""
        return self.tagged and self.status == "ACTIVE"


@dataclass(slots=True, eq=False)
class Service:
    """An ECS service with managed volumes. `tagged`: ECS managed tags are enabled, so volumes name their service."""

    name: str
    role: Role
    scope: Scope
    tagged: bool
    size: int = 20
    tasks: list["Task"] = field(default_factory=list)
    gone: bool = False


@dataclass(slots=True, eq=False)
class Volume:
    """An ECS-managed EBS volume. Times are seconds UTC; `deleted_by` is the ARN of who deleted it."""

    id: str
    size: int
    zone: str
    tags: dict[str, str]
    created_at: int
    attached_at: int | None = None
    detached_at: int | None = None
    deleted_at: int | None = None
    deleted_by: str = ""
    instance: str = ""
    device: str = "/dev/xvdcy"

    @property
    def gone(self) -> bool:
        """True once it is deleted."""
        return self.deleted_at is not None

    @property
    def reserved(self) -> bool:
        """True while both reserved tags stand as ECS wrote them."""
        return self.tags.get(TAG_MANAGED) == "true" and ":task/" in self.tags.get(TAG_CREATED, "")


@dataclass(frozen=True, slots=True)
class Block:
    """One refused attempt of ECS. `recorded`: a denied call is in the trail; otherwise there was only silence.

    `tag_event`: the tag change of the one volume that made it, if no role is to blame; `outside`: changes of an
    authority, key or secret that made it.
    """

    at: int
    action: str
    recorded: bool
    tag_event: str = ""
    outside: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Task:
    """A task with one managed volume."""

    arn: str
    role: Role
    scope: Scope
    service: Service | None
    size: int
    keep: bool
    key: Key | None
    ec2: bool
    launched_at: int
    volume: Volume | None = None
    token: str = ""
    instance: str = ""
    zone: str = ""
    volume_type: str = "gp3"
    encrypted: bool = False
    started: bool = False
    stopping_at: int | None = None
    failed_at: int | None = None
    failed_by_key: bool = False
    #: when ECS gave up a cleanup that was refused: the task is gone, its volume is not
    given_up_at: int | None = None
    #: visible signs of a stop, seconds UTC
    stop_signs: list[int] = field(default_factory=list)
    start_blocks: list[Block] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    resolved_at: int | None = None
    #: errors that heal by themselves, each as (call name, error code, message)
    hiccups: list[tuple[str, str, str]] = field(default_factory=list)
    tag_event: str = ""
    unsure: list[str] = field(default_factory=list)

    @property
    def tags(self) -> Json:
        """The tags ECS puts on the volume."""
        tags = {TAG_CREATED: self.arn, TAG_MANAGED: "true"}
        if self.service is not None and self.service.tagged:
            tags[TAG_CLUSTER] = self.scope.cluster
            tags[TAG_SERVICE] = self.service.name
        return tags

    @property
    def stopping(self) -> bool:
        """True once its stop has begun, whether or not anything shows it."""
        return self.stopping_at is not None

    def needs(self, action: str) -> bool:
        """True when the cleanup still needs this action at this point of the simulation."""
        if action == "ec2:DeleteVolume":
            return not self.keep
        if action == "ec2:DetachVolume":
            return self.volume is None or self.volume.detached_at is None
        return True


@dataclass(slots=True, eq=False)
class Secret:
    """A Service Connect TLS secret and what befell it. `state` is one of `ecs_trail.vocabulary.TlsState`."""

    arn: str
    name: str
    service_arn: str
    authority_arn: str
    role: Role
    scope: Scope
    issued_at: int
    last_rotation_at: int | None = None
    deleted_at: int | None = None
    deleted_by: str = ""
    blocks: list[Block] = field(default_factory=list)
    freed_at: int | None = None
    ending: bool = False
    #: the customer's key; None: the account's default one
    key: Key | None = None
    issued: bool = False
    #: how a person removed it ("marked" for deletion, or "gone"), and the changes a person made to it
    removed: str = ""
    replicated: bool = False
    harmed_by: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
