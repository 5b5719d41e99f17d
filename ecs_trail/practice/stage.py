"""The stage on which a kind plays its plot: an account, a role, a cluster, people, healthy tasks, and a clock.

A plot says what happens when; who does it, under which names, with how many tasks and in which wording is thrown by
the dice. The stage then lets the world run and hands over records and truth.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from ecs_trail.practice.agent import Agent
from ecs_trail.practice.delivery import closing_stamp
from ecs_trail.practice.dice import Dice, epoch, iso
from ecs_trail.practice.fleet import Fleet
from ecs_trail.practice.iam import Iam, aws_managed
from ecs_trail.practice.noise import Noise
from ecs_trail.practice.papers import Paper, Scope, full_volumes, managed_volumes, trust
from ecs_trail.practice.people import People
from ecs_trail.practice.purposes import PurposeWork
from ecs_trail.practice.records import Caller, Json
from ecs_trail.practice.saved import describe_tasks, state_change
from ecs_trail.practice.things import Key, Service, Task
from ecs_trail.practice.tls import TlsWork
from ecs_trail.practice.tls_hands import TlsHands
from ecs_trail.practice.truth import Deed, Gap, Truth
from ecs_trail.practice.volumes import VolumeWork
from ecs_trail.practice.world import Account, Policy, Role, World

How: TypeAlias = Literal["stop_task", "exit", "delete", "zero", "scale_in"]
Mode: TypeAlias = Literal["managed", "inline", "customer"]

_MODES: Final[tuple[Mode, ...]] = ("managed", "inline", "customer")
MINUTE: Final = 60
HOUR: Final = 3600
_REGIONS: Final = ("eu-west-1", "us-east-1", "us-west-2", "eu-central-1", "ap-southeast-2")
_CHINA: Final = ("cn-north-1", "cn-northwest-1")
_PATHS: Final = ("/", "/", "/platform/", "/ecs/infra/", "/service-role/")
_ROLES: Final = ("ecsInfrastructureRole", "prod-ecs-infra", "EcsVolumes", "ecs-ebs-role", "platform-ecs-infrastructure")
_CLUSTERS: Final = ("prod", "staging", "data", "batch", "core-eu")
_SERVICES: Final = ("checkout", "ledger-db", "search", "orders", "inventory", "mailer", "feature-store")


@dataclass(slots=True, eq=False)
class Crew:
    """Tasks launched together; they come to life when the world runs."""

    service: Service | None = None
    tasks: list[Task] = field(default_factory=list)


class Stage:
    """One incident in the making. Times are seconds UTC: `dawn` (roles are made), `strike`, `repair`, `end`."""

    def __init__(self, kind: str, seed: int, *, anywhere: bool = False) -> None:
        """Throw the whole scenery from kind and seed; `anywhere`: now and then in the China partition."""
        self.kind, self.seed = kind, seed
        self.dice = dice = Dice(f"{kind}/{seed}")
        china = kind == "china_partition" or (anywhere and dice.chance(0.2))
        day = epoch("2026-01-05T00:00:00+00:00") + dice.randrange(300) * 24 * HOUR
        self.dawn = day + dice.randrange(24 * HOUR)
        self.strike = self.dawn + dice.randint(2 * HOUR, 5 * HOUR)
        self.repair: int | None = None
        self.world = World(dice, partition="aws-cn" if china else "aws", start=self.dawn, lag=dice.randint(0, 20))
        regions = list(_CHINA if china else _REGIONS)
        dice.shuffle(regions)
        self.region, self.other_region = regions[0], regions[1]
        clusters = dice.sample(_CLUSTERS, 2)
        self.scope, self.other_scope = Scope(self.region, clusters[0]), Scope(self.region, clusters[1])
        host = dice.choice(("ecs.amazonaws.com", "ecs.amazonaws.com.cn")) if china else "ecs.amazonaws.com"
        self.home: Account = self.world.account()
        self.iam = Iam(self.home)
        self.people = People(dice, self.world.partition, self.home.id, self.dawn - dice.randint(60, HOUR))
        self.agent = Agent(self.world, host=host)
        self.work = VolumeWork(self.agent)
        self.fleet = Fleet(self.work)
        self.tls = TlsWork(self.agent)
        self.hands = TlsHands(self.tls)
        self.purposes = PurposeWork(self.agent)
        self.names = dice.sample(_ROLES, 3)
        self.service_names = dice.sample(_SERVICES, len(_SERVICES))
        self.role: Role = self.iam.new_role(self.names[0], dice.choice(_PATHS))
        self.policies: list[Policy] = []
        self.inline_name = dice.choice(("volumes", "ecs-ebs", "EBSLifecycle"))
        self.end = self.strike + HOUR
        self.cautious = False
        self.evidence_from = self.dawn
        self.harmless: list[str] = []
        self.pass_role_denials: list[str] = []
        self.task_files: dict[str, Json] = {}
        self.saved_times: list[int] = []
        self.saves: list[tuple[int, Callable[[], None]]] = []
        self.keys: list[Key] = []
        self.hidden: list[Account] = []
        self.deeds: list[Deed] = []
        #: stretches of which the home account's trail tells nothing, or not everything
        self.blind: list[Gap] = []
        self.fresh = False
        self.tls_role = self.role
        self.tls_policies: list[Policy] = []

    # --- people and changes -----------------------------------------------------------------------------------------

    def anyone(self) -> Caller:
        """A random principal of the home account."""
        return self.people.anyone()

    def change(
        self, at: int, make: Callable[[Caller], object], *, by: Caller | None = None, harmless: bool = False
    ) -> None:
        """Let somebody change something at a moment; `harmless` changes must never be blamed."""
        caller = by or self.anyone()

        def act() -> None:
            event_id = make(caller)
            if harmless and isinstance(event_id, str):
                self.harmless.append(event_id)

        self.world.at(at, act)

    # --- roles ------------------------------------------------------------------------------------------------------

    def cast(self, mode: Mode | None = None, *, scopes: tuple[Scope, ...] = (), paper: Paper | None = None) -> None:
        """The main role is made at dawn, with its rights in one of three forms, and the first services come up."""
        chosen = mode if mode is not None else self.dice.choice(_MODES)
        self.found(self.role, chosen, at=self.dawn, scopes=scopes or (self.scope,), paper=paper)

    def found(
        self, role: Role, mode: Mode, *, at: int, scopes: tuple[Scope, ...], paper: Paper | None = None,
        by: Caller | None = None, boundary: Policy | None = None,
    ) -> None:  # fmt: skip
        """Make a role and give it its rights within a minute."""
        dice, world = self.dice, self.world
        iam, maker = Iam(role.account), by or self.anyone()
        role.scopes = list(scopes)
        world.at(at, lambda: iam.create_role(maker, role, trust(dice), boundary=boundary))
        later = at + dice.randint(1, 40)
        if mode == "managed":
            policy = self.managed()
            world.at(later, lambda: iam.attach(maker, role, policy))
        elif mode == "inline":
            text = paper or full_volumes(dice, world.partition)
            world.at(later, lambda: iam.put_inline(maker, role, self.inline_name, text))
        else:
            text = paper or full_volumes(dice, world.partition)
            policy = Policy(iam.policy_arn(f"{role.name}-volumes"), {})

            def create() -> None:
                made = iam.create_policy(maker, f"{role.name}-volumes", text)
                policy.versions.update(made.versions)
                iam.attach(maker, role, policy)

            world.at(later, create)
        if role is self.role and mode != "inline":
            self.policies.append(policy)
        self.mode = mode if role is self.role else self.mode

    mode: Mode = "managed"

    def boundary(self, paper: Paper) -> Policy:
        """A customer's policy, made at dawn, to be used as a boundary."""
        caller = self.anyone()
        return self.iam.create_policy(caller, "ecs-boundary", paper)

    def managed(self) -> Policy:
        """AWS's policy for volumes."""
        return aws_managed(self.world, "AmazonECSInfrastructureRolePolicyForVolumes", managed_volumes())

    def revoke(self, caller: Caller) -> str:
        """Take the main role's rights away, in whatever form it has them."""
        if self.mode == "inline":
            return self.iam.delete_inline(caller, self.role, self.inline_name)
        return self.iam.detach(caller, self.role, self.policies[0])

    def grant(self, caller: Caller) -> str:
        """Give the main role all rights again."""
        if self.mode == "inline":
            return self.iam.put_inline(
                caller, self.role, self.inline_name, full_volumes(self.dice, self.world.partition)
            )
        return self.iam.attach(caller, self.role, self.policies[0])

    # --- tasks ------------------------------------------------------------------------------------------------------

    def crew(
        self, launch: int, stop: int | None = None, *, count: int = 1, how: How | None = None, visible: bool = False,
        place: tuple[Role, Scope] | None = None, keep: bool = False, key: Key | None = None,
    ) -> Crew:  # fmt: skip
        """Launch tasks at a moment and, if asked, stop them at another. `visible` stops leave a record."""
        dice, crew = self.dice, Crew()
        owner, scope = place or (self.role, self.scope)
        alone = keep or key is not None or how == "stop_task" or (how is None and dice.chance(0.45))
        caller = self.people.user() if owner.account is self.home else self._visitor(owner.account)
        if alone:
            self.world.at(
                launch,
                lambda: crew.tasks.extend(self.fleet.run_task(caller, owner, scope, count=count, keep=keep, key=key)),
            )
        else:
            name, tagged = self.service_name(), visible or dice.chance(0.8)

            def create() -> None:
                crew.service = self.fleet.create_service(caller, owner, scope, name=name, count=count, tagged=tagged)
                crew.tasks = crew.service.tasks

            self.world.at(launch, create)
        if stop is not None:
            means = how or self._means(alone=alone, visible=visible)
            self.world.at(stop, lambda: self.stop(crew, means, caller))
        return crew

    def stop(self, crew: Crew, how: How, caller: Caller) -> None:
        """Stop all tasks of a crew now."""
        service = crew.service
        if service is not None and how == "delete":
            self.fleet.delete_service(caller, service)
        elif service is not None and how == "zero":
            self.fleet.scale(caller, service, 0)
        elif service is not None and how == "scale_in" and len(crew.tasks) > 1:
            self.fleet.scale(caller, service, 1)
        else:
            for task in crew.tasks:
                if task.failed_at is not None:
                    continue
                if how in {"exit", "scale_in"}:
                    self.fleet.let_exit(task)
                else:
                    self.fleet.stop_task(caller, task)

    def _means(self, *, alone: bool, visible: bool) -> How:
        if alone:
            return "stop_task" if visible or self.dice.chance(0.6) else "exit"
        means: tuple[How, ...] = ("delete", "zero", "stop_task") if visible else ("delete", "zero", "scale_in", "exit")
        return self.dice.choice(means)

    def service_name(self) -> str:
        """A name for a service that no other has."""
        return self.service_names.pop() if self.service_names else f"svc-{self.dice.hex(4)}"

    def _visitor(self, account: Account) -> Caller:
        return People(self.dice, self.world.partition, account.id, self.dawn - 60).user()

    def save(self, at: int, crews: list[Crew]) -> None:
        """Somebody saves the state of these tasks: one `DescribeTasks` output, or one event for each task.

        A state saved after the end of the trail carries the evidence further.
        """

        def act() -> None:
            tasks = [task for crew in crews for task in crew.tasks]
            if self.dice.chance(0.6):
                self.task_files["describe-tasks.json"], latest = describe_tasks(tasks, at, self.dice)
                self.saved_times.append(latest)
                return
            for number, task in enumerate(tasks):
                self.task_files[f"task-state-change-{number}.json"] = state_change(task, at, self.dice)
            self.saved_times.append(at)

        self.saves.append((at, act))

    # --- common parts of a plot -------------------------------------------------------------------------------------

    def past(self) -> None:
        """Healthy tasks of the same role that were gone before the strike."""
        for _ in range(self.dice.randint(1, 2)):
            launch = self.dawn + self.dice.randint(11, 40) * MINUTE
            stop = self.dice.randint(launch + 10 * MINUTE, self.strike - 8 * MINUTE)
            self.crew(launch, stop, count=self.dice.randint(1, 2))

    def before_strike(self) -> int:
        """A launch time some while before the strike, when the slowest IAM has spread the roles of dawn."""
        return self.dice.randint(self.dawn + 11 * MINUTE, self.strike - 10 * MINUTE)

    def victims(self, *, visible: bool = False, crews: int = 0, keep: bool = False) -> list[Crew]:
        """Tasks that stop soon after the strike."""
        found = []
        for _ in range(crews or self.dice.randint(1, 3)):
            stop = self.strike + self.world.lag + self.dice.randint(30, 12 * MINUTE)
            count = 1 if keep else self.dice.randint(1, 3)
            found.append(self.crew(self.before_strike(), stop, count=count, visible=visible, keep=keep))
        self.reach(self.strike + self.dice.randint(35, 100) * MINUTE)
        return found

    def runners(self, share: float = 0.5) -> None:
        """Tasks that run to the end."""
        if self.dice.chance(share):
            self.crew(self.before_strike(), count=self.dice.randint(1, 2))

    def later(self, share: float = 0.6) -> None:
        """Tasks that stop well after the repair."""
        if self.repair is not None and self.dice.chance(share):
            self.crew(self.before_strike(), self.repair + self.world.lag + self.dice.randint(7, 15) * MINUTE)

    def bystander(self, share: float = 0.6) -> None:
        """A second role of the account that stays healthy."""
        if not self.dice.chance(share):
            return
        role = self.iam.new_role(self.names[1], "/")
        mode = self.dice.choice(_MODES)
        self.found(role, mode, at=self.dawn + self.dice.randint(60, 300), scopes=(self.scope,))
        self.crew(self.before_strike(), self.strike + self.dice.randint(2, 20) * MINUTE, place=(role, self.scope))
        if self.dice.chance(0.5):
            self.crew(self.before_strike(), place=(role, self.scope))

    def decoys(self, share: float = 0.4) -> None:
        """Innocent changes of the role within minutes of the strike."""
        name, near = self.role.name, self.strike - self.dice.randint(40, 400)
        if self.dice.chance(share):
            tags = [{"key": "owner", "value": "platform"}]
            request: Json = {"roleName": name, "tags": tags}
            self.change(near, lambda who: self.iam.harmless(who, "TagRole", request), harmless=True)
        if self.dice.chance(share):
            refused = ("DeleteConflictException", "Cannot delete entity, must detach all policies first.")
            self.change(
                near - 30, lambda who: self.iam.refused(who, "DeleteRole", {"roleName": name}, refused), harmless=True
            )

    def mend(self, make: Callable[[Caller], object], *, share: float = 0.6) -> None:
        """Perhaps somebody repairs it, forty minutes or more after the strike."""
        if self.dice.chance(share):
            self.repair_at(make)

    def repair_at(self, make: Callable[[Caller], object]) -> None:
        """Somebody repairs it; the evidence reaches far enough to see ECS finish."""
        self.repair = self.strike + self.dice.randint(30, 90) * MINUTE
        self.change(self.repair, make)
        self.reach(self.repair + self.dice.randint(40, 60) * MINUTE)

    def reach(self, at: int) -> None:
        """Let the evidence reach at least to this moment."""
        self.end = max(self.end, at)

    def usual(self, *, visible: bool = False) -> None:
        """Past, victims, runners, tasks after the repair, a bystander, and changes that only look guilty."""
        self.decoys()
        self.past()
        self.victims(visible=visible)
        self.runners()
        self.later()
        self.bystander()
        self.fresh = self.dice.chance(0.3)

    # --- the end ----------------------------------------------------------------------------------------------------

    def finish(self) -> tuple[list[Json], Truth]:
        """Run the world to the end, add daily noise, cut the evidence; returns its records and the truth."""
        if self.fresh:
            # A stop so young that nothing may have come of it yet.
            self.crew(self.before_strike(), self.end - self.dice.randint(120, 420), visible=True)
        for at, save in self.saves:
            if at <= self.end:
                self.world.at(at, save)
        self.world.run(self.end)
        for at, save in self.saves:
            if at > self.end:
                save()
        self._make_noise()
        start, hidden = iso(self.evidence_from), {account.id for account in self.hidden}
        records = [
            record
            for record in self.world.ledger.records
            # ISO texts of one form sort as their times do.
            if record["eventTime"] >= start and record["recipientAccountId"] not in hidden and not self._unseen(record)
        ]
        roles = [role for account in self.world.accounts for role in account.roles]
        older = [role for role in roles if role.moments and role.moments[0].at < self.evidence_from]
        as_of = max([closing_stamp(self.end), *self.saved_times])
        visible = {record["eventID"] for record in records}
        self.harmless = [event_id for event_id in self.harmless if event_id in visible]
        truth = Truth(
            self.world, self.fleet.tasks, self.tls.secrets, visible, as_of, self.pass_role_denials, self.harmless,
            self.keys, roles if self.cautious else older, self.tls.wanted, self.purposes.works, self.deeds, self.blind,
        )  # fmt: skip
        return records, truth

    def _unseen(self, record: Json) -> bool:
        """True for what happened while the trail did not record it; what opened or closed the gap is seen."""
        return record["recipientAccountId"] == self.home.id and any(
            iso(gap.start) < record["eventTime"] < iso(gap.end) and gap.hides(record) for gap in self.blind
        )

    def _make_noise(self) -> None:
        makers = [Noise(self.world, self.home.id, self.region, self.dawn - 60)]
        makers.append(Noise(self.world, self.home.id, self.other_region, self.dawn - 60))
        for _ in range(self.dice.randint(25, 60)):
            self.dice.choice(makers).one(self.dice.randint(self.dawn, self.end))
        last = makers[0]
        if any(gap.end > self.end for gap in self.blind):
            # Only another account still records.
            last = Noise(self.world, self.world.account().id, self.region, self.dawn - 60)
        # The newest record of all fixes the time the evidence ends.
        last.describe(self.end)
