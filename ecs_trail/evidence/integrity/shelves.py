"""What the verification asks of a place where files lie: a bucket or a folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ecs_trail.evidence.integrity.digests import Location
from ecs_trail.evidence.ledger import Problem
from ecs_trail.times import Window


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be verified: a span of time, one account, one Region; None asks for all."""

    window: Window = field(default_factory=Window)
    account: str | None = None
    region: str | None = None

    def has(self, account: str, region: str) -> bool:
        """True when an account and Region are asked for."""
        return self.account in {None, account} and self.region in {None, region}


@dataclass(frozen=True, order=True, slots=True)
class Item:
    """A file or object: `name` for people; `key` the S3 key, or the path below the folder; `bucket` empty on disk."""

    name: str
    bucket: str
    key: str

    @property
    def base(self) -> str:
        """The last part of its name, which is unique among what CloudTrail writes."""
        return self.key.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Piece:
    """What reading an item gave: bytes and metadata, or nothing (`is_absent`), or the problem met."""

    data: bytes = b""
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_absent: bool = False
    problem: Problem | None = None


@dataclass(slots=True)
class Listing:
    """What lies there: digests and log files by name, and what could not be listed."""

    digests: list[Item] = field(default_factory=list)
    logs: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Shelf(Protocol):
    """A place where log files and digests lie."""

    #: Files may have been unpacked when they were saved; in CloudTrail's own bucket they never are.
    may_be_plain: bool
    #: CloudTrail's own bucket: what must be there can be demanded, such as a signature in the metadata.
    is_original: bool
    #: Files that can be read at once without harm.
    readers: int

    @property
    def name(self) -> str:
        """The place as the user wrote it."""
        ...

    def listing(self, scope: Scope) -> Listing:
        """Everything there that bears a name of CloudTrail and may belong to a scope."""
        ...

    def find(self, location: Location) -> list[Item]:
        """Where an object named by a digest must lie, copies too; none when it is known not to be there."""
        ...

    def is_at(self, item: Item, location: Location) -> bool:
        """True when an item lies where CloudTrail put it."""
        ...

    def read(self, item: Item) -> Piece:
        """The bytes of an item, and its metadata. May be called by several threads."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
