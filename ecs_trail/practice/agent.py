"""ECS acting under an infrastructure role: sessions and calls, allowed or refused by the world.

The identity of such a session and its records follow *ECS Developer Guide*, "Amazon ECS infrastructure IAM role", and
published records of other services that act for a customer (read on 2026-11-24): `invokedBy`, host name for address and
agent, no access key, no TLS details.
"""

from dataclasses import dataclass
from typing import Final

from ecs_trail.practice.dice import clock_text, iso
from ecs_trail.practice.papers import Scope
from ecs_trail.practice.records import Call, Caller, Json
from ecs_trail.practice.world import Role, World, role_resource
from ecs_trail.vocabulary import ASSUME_ROLE

DENIED: Final = "Client.UnauthorizedOperation"


@dataclass(frozen=True, slots=True)
class Session:
    """Credentials that ECS holds for a while."""

    role_id: str
    expires: int
    caller: Caller


class Agent:
    """ECS itself. One agent works in all accounts and Regions of the world."""

    def __init__(self, world: World, *, host: str = "ecs.amazonaws.com") -> None:
        """Random habits are drawn once: how long sessions live, how refusals are worded."""
        self.world = world
        self.host = host
        self.session_seconds = world.dice.choice((900, 900, 1800, 3600))
        self.old_wording = False
        self.record_refused_assume = False
        self._sessions: dict[tuple[str, str, str], Session] = {}

    def session(self, role: Role, name: str, scope: Scope) -> Session | None:
        """A session held or newly assumed; None when the role cannot be assumed, which leaves no record by default."""
        world = self.world
        place = (role.arn, name, scope.region)
        held = self._sessions.get(place)
        refused = world.refusal(role, ASSUME_ROLE, scope)
        # A session dies with its role object; a change of trust only stops new ones.
        alive = held is not None and held.expires > world.now and held.role_id == role.role_id and role.exists
        if held is not None and alive:
            return held
        if refused or not role.exists:
            if self.record_refused_assume:
                self._refused_assume(role, scope)
            return None
        self._sessions[place] = self._assume(role, name, scope)
        return self._sessions[place]

    def drop_sessions(self) -> None:
        """Forget what is held, as after a restart of the service."""
        self._sessions.clear()

    def _service(self) -> Caller:
        return Caller({"type": "AWSService", "invokedBy": self.host}, self.host, self.host, tls=False)

    def _refused_assume(self, role: Role, scope: Scope) -> None:
        text = f"User: {self.host} is not authorized to perform: {ASSUME_ROLE} on resource: {role.arn}"
        call = Call(
            "sts", "AssumeRole", role.account.id, scope.region, error=("AccessDenied", text), read_only=True,
            resources=(role_resource(role),), extra={"sharedEventID": self.world.dice.uuid()},
        )  # fmt: skip
        self.world.ledger.write(self.world.now, self._service(), call)

    def _assume(self, role: Role, name: str, scope: Scope) -> Session:
        world, dice = self.world, self.world.dice
        expires = world.now + self.session_seconds
        assumed = f"arn:{world.partition}:sts::{role.account.id}:assumed-role/{role.name}/{name}"
        key = dice.unique_id("ASIA")[:20]
        response: Json = {
            "credentials": {
                "accessKeyId": key,
                "sessionToken": world.blob[: dice.randint(60, 90)],
                "expiration": clock_text(expires, comma=True),
            },
            "assumedRoleUser": {"assumedRoleId": f"{role.role_id}:{name}", "arn": assumed},
        }
        request = {"roleArn": role.arn, "roleSessionName": name, "durationSeconds": self.session_seconds}
        call = Call(
            "sts", "AssumeRole", role.account.id, scope.region, request, response, read_only=True,
            resources=(role_resource(role),), extra={"sharedEventID": dice.uuid()},
        )  # fmt: skip
        world.ledger.write(world.now, self._service(), call)
        identity: Json = {
            "type": "AssumedRole",
            "principalId": f"{role.role_id}:{name}",
            "arn": assumed,
            "accountId": role.account.id,
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": role.role_id,
                    "arn": role.arn,
                    "accountId": role.account.id,
                    "userName": role.name,
                },
                "attributes": {"creationDate": iso(world.now), "mfaAuthenticated": "false"},
            },
            "invokedBy": self.host,
        }
        return Session(role.role_id, expires, Caller(identity, self.host, self.host, tls=False))

    def denied_text(self, session: Session, action: str, resource: str, reason: str) -> str:
        """EC2's refusal, in the wording of today or in the older one without names; cut at 1 KB as CloudTrail does."""
        blob = f"Encoded authorization failure message: {self.world.blob[self.world.dice.randrange(500) :]}"
        opening = "You are not authorized to perform this operation."
        if self.old_wording:
            return f"{opening} {blob}"[:1024]
        target = f" on resource: {resource}" if resource else ""
        who = f"User: {session.caller.arn} is not authorized to perform: {action}{target}"
        return f"{opening} {who} {reason}. {blob}"[:1024]
