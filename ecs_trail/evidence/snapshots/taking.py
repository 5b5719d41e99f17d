"""Take a snapshot of AWS, reads only, and save it as dated files in the shapes that everything else here reads."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ecs_trail.arns import last_part, partition_of_region, role_key
from ecs_trail.errors import AccessError, UsageError
from ecs_trail.evidence.aws import make_client
from ecs_trail.evidence.ledger import ROLE_STATE, SERVICE_STATE, TASK_STATE, VOLUME_STATE, Problem
from ecs_trail.evidence.snapshots.asking import Asker, Ledger, chunks, plain
from ecs_trail.evidence.snapshots.ecs import EcsState, ask_for, read_ecs
from ecs_trail.evidence.snapshots.iam import read_role
from ecs_trail.evidence.writing import write_whole
from ecs_trail.times import format_time
from ecs_trail.vocabulary import TAG_CREATED, TAG_MANAGED

#: Every action a snapshot may call; `ecs-trail permissions` prints them.
ECS_ACTIONS: Final = tuple(
    f"ecs:{call}"
    for call in (
        *("ListClusters", "ListTasks", "DescribeTasks", "ListServices", "DescribeServices"),
        "DescribeCapacityProviders",
    )
)
EC2_ACTIONS: Final = ("ec2:DescribeVolumes",)
IAM_ACTIONS: Final = tuple(
    f"iam:{call}"
    for call in (
        *("GetRole", "ListAttachedRolePolicies", "ListRolePolicies", "GetRolePolicy"),
        *("GetPolicy", "GetPolicyVersion"),
    )
)
_REGION: Final = re.compile(r"[a-z]{2,8}(?:-[a-z]+)+-\d{1,2}")
_ROLE_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_VOLUMES_A_PAGE: Final = 500
#: Values a filter may have (*Amazon EC2 API Reference*, DescribeVolumes).
_IDS_A_FILTER: Final = 200

ClientMaker = Callable[[str, str], Any]


@dataclass(frozen=True, slots=True)
class SavedFile:
    """One file of a snapshot: what it holds, and how many of it."""

    path: Path
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot: when it was taken (UTC), the files, and what could not be read."""

    captured_at: datetime
    files: tuple[SavedFile, ...]
    problems: tuple[Problem, ...]

    @property
    def is_partial(self) -> bool:
        """True when something was refused (exit code 3)."""
        return any(problem.is_partial for problem in self.problems)


def take_snapshot(
    folder: Path,
    regions: Sequence[str],
    *,
    clusters: Sequence[str] = (),
    roles: Sequence[str] = (),
    client: ClientMaker = make_client,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Taken:
    """Read ECS, EC2 and IAM, and save what they say into `folder`, which is made where it is not there.

    `clusters` (names or ARNs) narrow the tasks and services, never the volumes. `roles` (names or ARNs) are read beside
    the infrastructure roles that tasks and services name. What is refused is a problem that names the missing action.
    Raises `AccessError` when nothing at all could be read, and `UsageError` for what is no Region or role.
    """
    checked, named = _checked_regions(regions), [_checked_role(one) for one in roles]
    began = now().astimezone(UTC).replace(microsecond=0)
    taking = _Taking(folder, began, Ledger(), client)
    files: list[SavedFile] = []
    found: set[str] = set()
    _make(folder)
    for region in checked:
        state = taking.region(region, clusters)
        files += taking.saved
        found |= {last_part(arn) for arn in state.role_arns if _is_own(arn, state.account)}
    files += taking.roles(sorted({*named, *found}), checked[0])
    if not taking.ledger.answered:
        first = taking.ledger.problems[0].detail if taking.ledger.problems else "no call was answered."
        raise AccessError(
            f"nothing could be read: {first}",
            hint="ecs-trail permissions --source snapshot prints the policy this command needs.",
        )
    return Taken(began, tuple(files), tuple(sorted(taking.ledger.problems)))


class _Taking:
    """One snapshot under way."""

    def __init__(self, folder: Path, began: datetime, ledger: Ledger, client: ClientMaker) -> None:
        self.folder = folder
        self.began = began
        self.ledger = ledger
        self.saved: list[SavedFile] = []
        self._client = client

    def region(self, region: str, clusters: Sequence[str]) -> EcsState:
        """Read one Region and save it; `saved` holds its files afterwards."""
        self.saved = []
        ecs = self._asker("ecs", region)
        state = read_ecs(ecs, clusters)
        ec2 = self._asker("ec2", region)
        volumes = _volumes(ec2, "tag-key", [TAG_CREATED, TAG_MANAGED])
        # Somebody may have taken the tags off; the tasks still name their volumes.
        rest = sorted(set(state.volume_ids) - {one["VolumeId"] for one in volumes})
        volumes += [one for some in chunks(rest, _IDS_A_FILTER) for one in _volumes(ec2, "volume-id", some)]
        ask_for(ecs, state, _tasks_of(volumes, region))
        stamp = format_time(self.began)
        if state.clusters or state.tasks or state.failures:
            tasks = {"tasks": state.tasks, "failures": state.failures, "capturedAt": stamp}
            self._save(f"tasks-{region}", TASK_STATE, tasks, len(state.tasks))
        if state.services or state.service_failures:
            services = {"services": state.services, "failures": state.service_failures, "capturedAt": stamp}
            self._save(f"services-{region}", SERVICE_STATE, services, len(state.services))
        if state.providers:
            providers = {"capacityProviders": state.providers, "capturedAt": stamp}
            self._save(f"capacity-providers-{region}", SERVICE_STATE, providers, len(state.providers))
        if volumes or not ec2.refused:
            account = state.account or next((arn.split(":")[4] for arn in _tasks_of(volumes, region)), None)
            place = {"CapturedAt": stamp, "Region": region, "Account": account, "Complete": not ec2.refused}
            self._save(f"volumes-{region}", VOLUME_STATE, {**place, "Volumes": volumes}, len(volumes))
        return state

    def roles(self, names: Sequence[str], region: str) -> list[SavedFile]:
        """Read and save roles; IAM is the same from every Region."""
        self.saved = []
        asker = self._asker("iam", region) if names else None
        for name in names if asker else ():
            before = len(asker.refused) if asker else 0
            state = read_role(asker, name) if asker else None
            if state is not None:
                key = role_key(state["Role"]["Arn"])
                label = f"role-{key[0] if key else 'unknown'}-{name}"
                self._save(label, ROLE_STATE, {"CapturedAt": format_time(self.began), **state}, 1)
            elif asker is not None and len(asker.refused) == before:
                self.ledger.tell(f"role {name}", "not_found", "there is no such role in the account.")
        return self.saved

    def _asker(self, service: str, region: str) -> Asker:
        name = {"ecs": "Amazon ECS", "ec2": "Amazon EC2", "iam": "IAM"}[service]
        where = name if service == "iam" else f"{name} in {region}"
        return Asker(self._client(service, region), service, where, self.ledger)

    def _save(self, name: str, kind: str, document: dict[str, Any], count: int) -> None:
        path = self.folder / f"{name}-{self.began:%Y%m%dT%H%M%SZ}.json"
        text = json.dumps(document, indent=1, ensure_ascii=False, default=str)
        write_whole(path, f"{text}\n".encode("utf-8", "surrogatepass"))
        self.saved.append(SavedFile(path, kind, count))


def _volumes(asker: Asker, name: str, values: list[str]) -> list[dict[str, Any]]:
    """Every volume that a filter finds."""
    how = {"Filters": [{"Name": name, "Values": values}], "PaginationConfig": {"PageSize": _VOLUMES_A_PAGE}}
    found: list[dict[str, Any]] = plain(asker.list_all("DescribeVolumes", "Volumes", **how))
    return found


def _tasks_of(volumes: Sequence[dict[str, Any]], region: str) -> Iterator[str]:
    """The tasks of this Region that the reserved tags of volumes name. A tag may say anything: its shape is checked."""
    shape = re.compile(rf"arn:[\w-]+:ecs:{region}:\d{{12}}:task/[\w-]{{1,255}}/[0-9a-f]{{32}}")
    for volume in volumes:
        for tag in volume.get("Tags", ()):
            if tag.get("Key") == TAG_CREATED and shape.fullmatch(str(tag.get("Value"))):
                yield tag["Value"]


def _is_own(role_arn: str, account: str | None) -> bool:
    """Whether a role that a task names can be asked for: of this account, and a name that IAM allows."""
    key = role_key(role_arn)
    return key is not None and key[0] == account and _ROLE_NAME.fullmatch(key[1]) is not None


def _checked_regions(regions: Sequence[str]) -> list[str]:
    listed = list(dict.fromkeys(part.strip() for one in regions for part in one.split(",") if part.strip()))
    wrong = [one for one in listed if _REGION.fullmatch(one) is None]
    if not listed or wrong:
        raise UsageError(
            f"'{wrong[0]}' is no AWS Region." if wrong else "no Region was given.", hint="--region eu-west-1,us-east-1."
        )
    if len({partition_of_region(one) for one in listed}) > 1:
        raise UsageError("these Regions belong to different partitions.", hint="one snapshot for each partition.")
    return listed


def _checked_role(role: str) -> str:
    name = last_part(role) if role_key(role) else role
    if _ROLE_NAME.fullmatch(name) is None:
        raise UsageError(f"'{role}' is no role.", hint="give the ARN or the name of an IAM role.")
    return name


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the folder '{folder}' cannot be made: {error.strerror or error}.", hint="--output names a folder."
        ) from error
