"""The sample story in `sample_logs/`: two accounts, two days, several things that look alike and only some that matter.

Everything is drawn from one seed, so the same bytes come out every time. Names and accounts are made up.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from ecs_trail.practice.agent import Agent
from ecs_trail.practice.answers import answer
from ecs_trail.practice.delivery import closing_stamp, write_files, write_task_files
from ecs_trail.practice.dice import Dice, epoch
from ecs_trail.practice.fleet import Fleet
from ecs_trail.practice.iam import Iam, aws_managed
from ecs_trail.practice.noise import Noise
from ecs_trail.practice.papers import VOLUMES as VOLUME_ACTIONS
from ecs_trail.practice.papers import Scope, allow, managed_tls, managed_volumes, superset_volumes, trust, trust_other
from ecs_trail.practice.people import People
from ecs_trail.practice.records import Json
from ecs_trail.practice.sample_readme import README
from ecs_trail.practice.saved import describe_tasks
from ecs_trail.practice.tls import TlsWork
from ecs_trail.practice.truth import Truth
from ecs_trail.practice.volumes import VolumeWork
from ecs_trail.practice.world import Account, Role, World

PROD: Final = "111122223333"
STAGING: Final = "444455556666"
_SEED: Final = "sample-logs/1"
_FIRST: Final = epoch("2026-02-25T08:55:00+00:00")
_NOISE_FROM: Final = epoch("2026-03-01T06:00:00+00:00")
_END: Final = epoch("2026-03-02T18:04:10+00:00")


def _on(text: str) -> int:
    """A moment of the story: `02 14:21:40` is a day of March, `25 …` of February."""
    day, clock = text.split(" ")
    month = "02" if int(day) > 20 else "03"
    return epoch(f"2026-{month}-{day}T{clock}+00:00")


class _Story:
    """Builds the world of the sample and lets it run."""

    def __init__(self) -> None:
        self.dice = dice = Dice(_SEED)
        self.world = World(dice, partition="aws", start=_FIRST, lag=4)
        self.prod, self.staging = self.world.account(PROD), self.world.account(STAGING)
        agent = Agent(self.world)
        agent.session_seconds = 900
        self.work = VolumeWork(agent)
        self.work.longest_pause = 600
        self.fleet, self.tls = Fleet(self.work), TlsWork(agent)
        self.people = {
            account.id: People(dice, "aws", account.id, _on("02 07:30:00")) for account in (self.prod, self.staging)
        }
        self.task_files: dict[str, Json] = {}
        self.harmless: list[str] = []
        self.managed = aws_managed(self.world, "AmazonECSInfrastructureRolePolicyForVolumes", managed_volumes())

    def tell(self) -> tuple[list[Json], Truth]:
        """The whole story: what happens where is said in the methods below."""
        self._prod()
        self._batch()
        self._service_connect()
        self._legacy()
        self._staging()
        self.world.run(_END)
        self._noise()
        records = self.world.ledger.records
        visible = {record["eventID"] for record in records}
        truth = Truth(
            self.world, self.fleet.tasks, self.tls.secrets, visible, closing_stamp(_END), [], self.harmless
        )  # fmt: skip
        return records, truth

    def _role(self, account: Account, name: str, scope: Scope, path: str = "/") -> Role:
        role = Iam(account).new_role(name, path)
        role.scopes = [scope]
        return role

    def _prod(self) -> None:
        """Production, eu-west-1: Terraform takes the role away before the services that need it."""
        at, iam, fleet = self.world.at, Iam(self.prod), self.fleet
        scope = Scope("eu-west-1", "prod")
        role = self._role(self.prod, "ecsInfrastructureRole", scope)
        people = self.people[PROD]
        terraform, alice, bob = people.terraform("terraform-deploy"), people.sso("alice"), people.user("bob")
        at(_on("25 09:00:04"), lambda: iam.create_role(terraform, role, trust(self.dice)))
        at(_on("25 09:00:06"), lambda: iam.attach(terraform, role, self.managed))
        launches = (("ledger-db", "01 07:30:00", 3), ("search", "01 07:41:00", 2), ("checkout", "01 08:02:00", 3))
        for name, moment, count in launches:
            make = partial(fleet.create_service, terraform, role, scope, name=name, count=count)
            at(_on(moment), make)
        at(_on("02 01:00:00"), lambda: fleet.run_task(bob, role, scope))
        at(_on("02 01:38:20"), lambda: fleet.let_exit(fleet.alone(role)[0]))
        at(_on("02 02:00:00"), lambda: fleet.run_task(bob, role, scope, keep=True))
        at(_on("02 02:31:45"), lambda: fleet.stop_task(bob, fleet.alone(role)[1]))
        tags = [{"key": "cost-center", "value": "4711"}]
        self._harmless("02 14:02:10", lambda: iam.harmless(alice, "TagRole", {"roleName": role.name, "tags": tags}))
        at(_on("02 14:20:07"), lambda: iam.detach(terraform, role, self.managed))
        at(_on("02 14:20:09"), lambda: iam.delete_role(terraform, role))
        at(_on("02 14:21:40"), lambda: fleet.delete_service(terraform, fleet.service("ledger-db", role)))
        at(_on("02 15:05:12"), lambda: fleet.let_exit(fleet.service("search", role).tasks[0]))
        at(_on("02 16:30:00"), lambda: self._save(role))

    def _save(self, role: Role) -> None:
        """Bob saves what `describe-tasks` shows."""
        tasks = self.fleet.service("ledger-db", role).tasks + self.fleet.service("search", role).tasks
        self.task_files["describe-tasks-prod.json"], _ = describe_tasks(tasks, self.world.now, self.dice)

    def _batch(self) -> None:
        """Batch jobs, us-west-2: a policy is exchanged for a better one, in the right order."""
        at, iam, fleet = self.world.at, Iam(self.prod), self.fleet
        scope = Scope("us-west-2", "batch")
        role = self._role(self.prod, "ecs-batch-volumes", scope, "/platform/")
        people = self.people[PROD]
        ci, grace = people.terraform("github-actions-deploy"), people.user("grace")
        old = "batch-ebs-v1"
        policies = {}

        def begin() -> None:
            policies[old] = iam.create_policy(ci, old, allow(self.dice, VOLUME_ACTIONS))
            iam.create_role(ci, role, trust(self.dice))
            iam.attach(ci, role, policies[old])

        def prepare() -> None:
            policies["new"] = iam.create_policy(ci, "batch-ebs-v2", superset_volumes(self.dice))

        at(_on("25 10:12:00"), begin)
        at(_on("02 08:29:58"), prepare)
        self._harmless("02 08:30:02", lambda: iam.attach(ci, role, policies["new"]))
        self._harmless("02 08:30:21", lambda: iam.detach(ci, role, policies[old]))
        for moment, minutes in (("01 09:00:00", 42), ("02 07:50:00", 70), ("02 11:10:00", 35), ("02 14:00:00", 55)):
            launched: list[int] = []

            def launch(launched: list[int] = launched) -> None:
                launched.append(len(fleet.tasks))
                fleet.run_task(grace, role, scope, count=2)

            def end(launched: list[int] = launched) -> None:
                for task in fleet.tasks[launched[0] : launched[0] + 2]:
                    fleet.let_exit(task)

            at(_on(moment), launch)
            at(_on(moment) + minutes * 60, end)

    def _service_connect(self) -> None:
        """Service Connect TLS, eu-west-1: issue, rotation after five days, deletion with the service."""
        at, iam = self.world.at, Iam(self.prod)
        scope = Scope("eu-west-1", "prod")
        role = self._role(self.prod, "ecsServiceConnectTls", scope)
        policy = "AmazonECSInfrastructureRolePolicyForServiceConnectTransportLayerSecurity"
        tls_policy = aws_managed(self.world, policy, managed_tls())
        terraform = self.people[PROD].terraform("terraform-deploy")
        authority: list[str] = []

        def begin() -> None:
            iam.create_role(terraform, role, trust(self.dice))
            iam.attach(terraform, role, tls_policy)
            authority.append(self.tls.authority(terraform, PROD, scope))

        at(_on("25 09:04:00"), begin)
        at(_on("25 09:30:00"), lambda: self.tls.create_service(terraform, role, scope, "gateway", authority[0]))
        at(_on("26 10:00:00"), lambda: self.tls.create_service(terraform, role, scope, "quotes", authority[0]))
        at(_on("02 11:00:30"), lambda: self.tls.delete_service(terraform, self.tls.secrets[1]))

    def _legacy(self) -> None:
        """A role with nearly the same name that never served ECS is tidied up shortly before the incident."""
        at, iam = self.world.at, Iam(self.prod)
        role = self._role(self.prod, "ecsInfrastructureRole-legacy", Scope("eu-west-1", "prod"))
        alice = self.people[PROD].console("alice")
        at(_on("25 11:00:00"), lambda: iam.create_role(alice, role, trust_other("ec2.amazonaws.com")))
        at(_on("25 11:00:30"), lambda: iam.attach(alice, role, self.managed))
        self._harmless("02 14:11:16", lambda: iam.detach(alice, role, self.managed))
        self._harmless("02 14:11:40", lambda: iam.delete_role(alice, role))

    def _staging(self) -> None:
        """Staging, us-west-2: a policy is detached in the console while tasks stop, and attached again later."""
        at, iam, fleet = self.world.at, Iam(self.staging), self.fleet
        scope = Scope("us-west-2", "staging")
        role = self._role(self.staging, "staging-ecs-infrastructure", scope)
        people = self.people[STAGING]
        terraform, carol, dmitri = people.terraform("terraform-staging"), people.console("carol"), people.user("dmitri")
        at(_on("25 09:20:00"), lambda: iam.create_role(terraform, role, trust(self.dice)))
        at(_on("25 09:20:03"), lambda: iam.attach(terraform, role, self.managed))
        for name, moment, count in (("checkout", "01 10:00:00", 3), ("ledger-db", "01 10:20:00", 2)):
            make = partial(fleet.create_service, terraform, role, scope, name=name, count=count)
            at(_on(moment), make)
        at(_on("02 08:40:00"), lambda: fleet.stop_task(dmitri, fleet.service("checkout", role).tasks[0]))
        at(_on("02 09:12:31"), lambda: iam.detach(carol, role, self.managed))
        at(_on("02 09:15:02"), lambda: fleet.stop_task(dmitri, fleet.service("checkout", role).tasks[1]))
        at(_on("02 09:20:44"), lambda: fleet.scale(terraform, fleet.service("ledger-db", role), 0))
        at(_on("02 10:04:30"), lambda: fleet.detach_by_hand(dmitri, fleet.service("checkout", role).tasks[1]))
        at(_on("02 10:05:12"), lambda: fleet.delete_by_hand(dmitri, fleet.service("checkout", role).tasks[1]))
        at(_on("02 10:41:05"), lambda: iam.attach(terraform, role, self.managed))
        at(_on("02 15:10:00"), lambda: fleet.let_exit(fleet.service("checkout", role).tasks[2]))

    def _harmless(self, moment: str, change: Callable[[], str]) -> None:
        self.world.at(_on(moment), lambda: self.harmless.append(change()))

    def _noise(self) -> None:
        """Some thousand records of daily life, in bursts as monitoring and deployments make them."""
        places = (
            (PROD, "eu-west-1", 26),
            (PROD, "us-west-2", 16),
            (STAGING, "us-west-2", 18),
            (STAGING, "eu-west-1", 7),
        )
        makers = [(Noise(self.world, account, region, _NOISE_FROM - 600), count) for account, region, count in places]
        for hour in range((_END - _NOISE_FROM) // 3600):
            for maker, count in makers:
                burst = _NOISE_FROM + hour * 3600 + self.dice.randrange(12) * 300
                for _ in range(self.dice.randint(count // 2, count + count // 2)):
                    maker.one(burst + self.dice.randrange(280))
        # The newest record of all fixes the time the evidence ends.
        makers[0][0].describe(_END)


@lru_cache(maxsize=1)
def _told() -> tuple[list[Json], dict[str, Json], Json]:
    story = _Story()
    records, truth = story.tell()
    return records, story.task_files, answer(truth)


def sample_answer() -> Json:
    """The known answer of the sample story, schema `ecs-trail/answer/1`."""
    return _told()[2]


def write_sample(folder: Path) -> None:
    """Write the sample story below `folder`: trail files, saved task states and a README; the same bytes every time."""
    records, task_files, _ = _told()
    folder.mkdir(parents=True, exist_ok=True)
    dice = Dice(f"{_SEED}/delivery")
    write_files(list(records), folder, dice, late=False, duplicated=True, shuffled=True, spread=False)
    write_task_files(task_files, folder)
    (folder / "README.md").write_text(README, encoding="utf-8")
