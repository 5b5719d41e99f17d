"""The simulated world: one clock, accounts with roles and policies, and who may do what at which moment.

Nothing here reads a log. A change alters the state of the world, writes its CloudTrail record, and the world notes
which verdicts became different through it. The known answer is made from those notes (`answers.py`).
"""

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ecs_trail.practice.dice import Dice
from ecs_trail.practice.papers import UNIVERSE, Paper, Scope
from ecs_trail.practice.records import Json, Ledger
from ecs_trail.vocabulary import ASSUME_ROLE

Process: TypeAlias = Iterator[int]
#: Action -> reason of refusal in AWS's words; an empty reason means allowed.
Verdicts: TypeAlias = dict[str, str]

_ACTIONS: Final = tuple(sorted(UNIVERSE))


@dataclass(slots=True, eq=False)
class Policy:
    """A managed policy: AWS's own (one version that never shows) or a customer's with versions."""

    arn: str
    versions: dict[str, Paper]
    default: str = "v1"

    @property
    def paper(self) -> Paper:
        """The version in force."""
        return self.versions[self.default]


@dataclass(frozen=True, slots=True)
class Moment:
    """The verdicts of a role from one change on."""

    at: int
    event_id: str
    verdicts: dict[Scope, Verdicts]


@dataclass(slots=True, eq=False)
class Role:
    """An IAM role. `scopes` are the places where ECS uses it; verdicts are kept for those."""

    account: "Account"
    name: str
    path: str
    role_id: str
    exists: bool = False
    trust: Paper = field(default_factory=lambda: Paper({}, ()))
    attached: dict[str, Policy] = field(default_factory=dict)
    inline: dict[str, Paper] = field(default_factory=dict)
    boundary: Policy | None = None
    scopes: list[Scope] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    used: bool = False
    #: action -> AWS's words for a refusal that no change in any trail explains (a session policy, say)
    veto: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The role's ARN, with path."""
        return f"arn:{self.account.world.partition}:iam::{self.account.id}:role{self.path}{self.name}"

    def papers(self) -> list[Paper]:
        """Identity-based policies in force."""
        return [policy.paper for policy in self.attached.values()] + list(self.inline.values())


@dataclass(slots=True, eq=False)
class Account:
    """An AWS account, its place in the organization and the control policies that reach it (arn -> paper)."""

    world: "World"
    id: str
    parent: str = ""
    control: dict[str, Policy] = field(default_factory=dict)
    roles: list[Role] = field(default_factory=list)


class World:
    """Clock, queue and accounts of one incident. Times are whole seconds since 1970, UTC."""

    def __init__(self, dice: Dice, *, partition: str, start: int, lag: int) -> None:
        """`lag` is how many seconds IAM needs until ECS sees a change."""
        self.dice = dice
        self.partition = partition
        self.now = start
        self.lag = lag
        self.iam_region = "cn-north-1" if partition == "aws-cn" else "us-east-1"
        self.ledger = Ledger(dice, "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com")
        self.accounts: list[Account] = []
        self._queue: list[tuple[int, int, Process | Callable[[], object]]] = []
        self._order = 0
        self.blob = "".join(dice.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", k=1200))

    def account(self, account_id: str = "") -> Account:
        """Open an account."""
        account = Account(self, account_id or self.dice.account())
        self.accounts.append(account)
        return account

    def at(self, moment: int, action: Callable[[], object]) -> None:
        """Do something at a moment; within a second, in the order of asking."""
        self._push(moment, action)

    def spawn(self, process: Process, moment: int) -> None:
        """Start a process at a moment; it yields how many seconds it wants to sleep."""
        self._push(moment, process)

    def run(self, until: int) -> None:
        """Let the world run; what is due after `until` never happens."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, job = heapq.heappop(self._queue)
            if isinstance(job, Iterator):
                pause = next(job, None)
                if pause is not None:
                    self._push(self.now + pause, job)
            else:
                job()
        self.now = until

    def _push(self, moment: int, job: Process | Callable[[], object]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (max(moment, self.now), self._order, job))

    def note(self, event_id: str) -> None:
        """After a change: keep the new verdicts of every role that it made different."""
        for account in self.accounts:
            for role in account.roles:
                self._note_role(role, event_id)

    def _note_role(self, role: Role, event_id: str) -> None:
        if not role.exists and not role.moments:
            return
        verdicts = {scope: judge(role, scope) for scope in role.scopes}
        if not role.moments or role.moments[-1].verdicts != verdicts:
            role.moments.append(Moment(self.now, event_id, verdicts))

    def refusal(self, role: Role, action: str, scope: Scope) -> str:
        """Why ECS is refused now (with the lag of IAM); empty when it is allowed."""
        seen = bisect_right(role.moments, self.now - self.lag, key=lambda moment: moment.at) - 1
        if seen < 0:
            return f"because no identity-based policy allows the {action} action"
        return role.moments[seen].verdicts[scope][action]


def judge(role: Role, scope: Scope) -> Verdicts:
    """The verdict on every action at a place, from what is in force. The reserved tags of a volume are judged apart."""
    verdicts: Verdicts = {action: _judge_action(role, scope, action) for action in _ACTIONS}
    trusted = role.exists and any(rule.allow for rule in role.trust.rules)
    verdicts[ASSUME_ROLE] = "" if trusted else f"because no role trust policy allows the {ASSUME_ROLE} action"
    return verdicts


def _judge_action(role: Role, scope: Scope, action: str) -> str:
    if action in role.veto:
        return role.veto[action]
    for arn, policy in role.account.control.items():
        if _denies(policy.paper, action, scope):
            return f"with an explicit deny in a service control policy: {arn}"
    if any(_denies(paper, action, scope) for paper in role.papers()):
        return "with an explicit deny in an identity-based policy"
    if role.boundary is not None:
        if _denies(role.boundary.paper, action, scope):
            return f"with an explicit deny in a permissions boundary: {role.boundary.arn}"
        if not _allows(role.boundary.paper, action, scope):
            return f"because no permissions boundary allows the {action} action"
    if any(_allows(paper, action, scope) for paper in role.papers()):
        return ""
    return f"because no identity-based policy allows the {action} action"


def _denies(paper: Paper, action: str, scope: Scope) -> bool:
    return any(not rule.allow and rule.covers(action, scope) for rule in paper.rules)


def _allows(paper: Paper, action: str, scope: Scope) -> bool:
    return any(rule.allow and rule.covers(action, scope) for rule in paper.rules)


def tags_needed(role: Role, action: str, scope: Scope) -> bool:
    """True when the role may do this to a volume only while the volume carries the reserved tags."""
    rules = [rule for paper in role.papers() for rule in paper.rules if rule.allow and rule.covers(action, scope)]
    return bool(rules) and all(rule.needs_tags for rule in rules)


def role_resource(role: Role) -> Json:
    """The `resources` entry of a role."""
    return {"accountId": role.account.id, "type": "AWS::IAM::Role", "ARN": role.arn}
