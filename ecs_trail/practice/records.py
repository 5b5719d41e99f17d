"""CloudTrail records as AWS writes them, and the ledger that collects them in the order things happened.

Shapes follow the *AWS CloudTrail User Guide*, "CloudTrail record contents" and "userIdentity element", and the
pages of the services named in each builder (read on 2026-11-24).
"""

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ecs_trail.practice.dice import Dice, iso

Json: TypeAlias = dict[str, Any]

_CIPHERS: Final = (("TLSv1.3", "TLS_AES_128_GCM_SHA256"), ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call: the `userIdentity`, where from, with what, and whether TLS details are recorded."""

    identity: Json
    ip: str
    agent: str
    tls: bool = True
    console: bool = False

    @property
    def arn(self) -> str:
        """ARN of the principal, or the service's host name where there is none."""
        return str(self.identity.get("arn") or self.identity.get("invokedBy") or "")


@dataclass(frozen=True, slots=True)
class Call:
    """One API call, before it gets its time and ids."""

    source: str
    name: str
    account: str
    region: str
    request: Json | None = None
    response: Json | None = None
    error: tuple[str, str] | None = None
    read_only: bool = False
    resources: tuple[Json, ...] = ()
    extra: Json = field(default_factory=dict)


class Ledger:
    """All records of an incident, oldest first."""

    def __init__(self, dice: Dice, host_suffix: str) -> None:
        """`host_suffix` is `amazonaws.com`, or `amazonaws.com.cn` in China."""
        self.records: list[Json] = []
        self._dice = dice
        self._suffix = host_suffix
        self._version = dice.choice(("1.08", "1.09", "1.10", "1.11"))

    def write(self, at: int, caller: Caller, call: Call) -> str:
        """Add one record; returns its `eventID`. Failed calls have no response elements."""
        dice = self._dice
        event_id = dice.uuid()
        record: Json = {
            "eventVersion": self._version,
            "userIdentity": caller.identity,
            "eventTime": iso(at),
            "eventSource": f"{call.source}.amazonaws.com",
            "eventName": call.name,
            "awsRegion": call.region,
            "sourceIPAddress": caller.ip,
            "userAgent": caller.agent,
        }
        if call.error:
            record["errorCode"], record["errorMessage"] = call.error
        record["requestParameters"] = call.request
        record["responseElements"] = None if call.error else call.response
        record["requestID"] = dice.uuid()
        record["eventID"] = event_id
        record["readOnly"] = call.read_only
        if call.resources:
            record["resources"] = list(call.resources)
        record["eventType"] = "AwsApiCall"
        record["managementEvent"] = True
        record["recipientAccountId"] = call.account
        record["eventCategory"] = "Management"
        record.update(call.extra)
        if caller.tls:
            version, cipher = _CIPHERS[0] if dice.chance(0.9) else _CIPHERS[1]
            host = f"{call.source}.{call.region}.{self._suffix}" if call.source != "iam" else f"iam.{self._suffix}"
            record["tlsDetails"] = {"tlsVersion": version, "cipherSuite": cipher, "clientProvidedHostHeader": host}
        if caller.console:
            record["sessionCredentialFromConsole"] = "true"
        self.records.append(record)
        return event_id


def done(dice: Dice) -> Json:
    """What EC2 answers where a write has no body."""
    return {"requestId": dice.uuid(), "_return": True}
