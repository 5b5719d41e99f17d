"""A small trail of TLS work in builder words: rows of `EVENT_SCHEMA`, losses and key outages, judged by `tls`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from ecs_trail.analysis.roles.keys import KEY_OUTAGES
from ecs_trail.analysis.roles.tables import LOSSES
from ecs_trail.analysis.tls import tls, tls_calls
from ecs_trail.frames import Row, rows, to_frame
from ecs_trail.schema import EVENT_SCHEMA

ACCOUNT, REGION, OTHER_REGION = "111122223333", "eu-west-1", "us-west-2"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/mesh/ecsServiceConnectTls"
OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/otherTls"
CA = f"arn:aws:acm-pca:{REGION}:{ACCOUNT}:certificate-authority/11111111-0000-4000-8000-000000000001"
OTHER_CA = f"arn:aws:acm-pca:{REGION}:{ACCOUNT}:certificate-authority/22222222-0000-4000-8000-000000000002"
KEY = "aaaaaaaa-0000-4000-8000-00000000000a"
ECS, SECRETS, PCA, KMS = (f"{one}.amazonaws.com" for one in ("ecs", "secretsmanager", "acm-pca", "kms"))
DAY_ONE = datetime(2026, 3, 1, 9, tzinfo=UTC)
GRACE = timedelta(minutes=5)
NO_GRANT = "because no identity-based policy allows the {action} action"
Error = tuple[str, str]


def day(number: float, minutes: float = 0) -> datetime:
    """A moment, counted in days and minutes from the start, on a whole second as CloudTrail writes it."""
    return DAY_ONE + timedelta(seconds=round(number * 86400 + minutes * 60))


def arn(name: str, suffix: str = "AbCd12", region: str = REGION) -> str:
    """The ARN of a Service Connect secret."""
    return f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:ecs-sc!{name}-{suffix}"


def service(name: str, region: str = REGION) -> str:
    """The ARN of a service in cluster `prod`."""
    return f"arn:aws:ecs:{region}:{ACCOUNT}:service/prod/{name}"


def denied(action: str, reason: str = NO_GRANT, role: str = ROLE) -> Error:
    """A refusal as AWS words it."""
    who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rsplit('/', 1)[1]}/ECSServiceConnectForTLS"
    text = f"User: {who} is not authorized to perform: {action} on resource: x {reason.format(action=action)}"
    return "AccessDeniedException", text


class Trail:
    """Events, losses and key outages; every word writes records and gives the id of the last one."""

    def __init__(self) -> None:
        """Nothing happened yet."""
        self.events: list[Row] = []
        self.losses: list[Row] = []
        self.key_outages: list[Row] = []

    # -- who ----------------------------------------------------------------------------------------------------

    def ecs(self, source: str, name: str, at: datetime, request: object = None, **more: Any) -> str:
        """A call of ECS's TLS session."""
        role = more.pop("role", ROLE)
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rsplit('/', 1)[1]}/ECSServiceConnectForTLS"
        identity = {
            "session_name": "ECSServiceConnectForTLS",
            "session_issuer_arn": role,
            "identity_arn": session,
            "invoked_by": ECS,
            "source_ip_address": ECS,
        }
        return self.write(source, name, at, request, identity=identity, **more)

    def person(self, source: str, name: str, at: datetime, request: object = None, **more: Any) -> str:
        """A call of somebody else; `session` gives it a session name."""
        session = more.pop("session", "carol")
        identity = {
            "session_name": session,
            "session_issuer_arn": f"arn:aws:iam::{ACCOUNT}:role/admin",
            "identity_arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/{session}",
            "source_ip_address": "192.0.2.10",
        }
        return self.write(source, name, at, request, identity=identity, **more)

    def word(self, name: str, at: datetime, secret: str) -> str:
        """A service event of Secrets Manager: an identity without type and ARN."""
        identity = {"invoked_by": SECRETS, "source_ip_address": SECRETS, "event_type": "AwsServiceEvent"}
        extra = json.dumps({"SecretId": secret})
        return self.write(SECRETS, name, at, identity=identity, additional_event_data=extra)

    def write(
        self, source: str, name: str, at: datetime, request: object = None, *, identity: dict[str, str], **more: Any
    ) -> str:
        """One row. `response` and `resources` are objects, `error` is code and message."""
        error: Error | None = more.pop("error", None)
        response, resources = more.pop("response", None), more.pop("resources", None)
        event_id = f"{len(self.events):04d}-{name}"
        self.events.append(
            {
                "event_id": event_id,
                "event_time": at,
                "event_source": source,
                "event_name": name,
                "aws_region": more.pop("region", REGION),
                "account_id": more.pop("account", ACCOUNT),
                "error_code": error[0] if error else None,
                "error_message": error[1] if error else None,
                "request_parameters": None if request is None else json.dumps(request),
                "response_elements": None if response is None or error else json.dumps(response),
                "resources": None if resources is None else json.dumps(resources),
                **identity,
                **more,
            }
        )
        return event_id

    # -- what ECS does ------------------------------------------------------------------------------------------

    def create_service(self, name: str, at: datetime, *, role: str = ROLE, ca: str = CA, **more: Any) -> str:
        """`CreateService` with Service Connect TLS."""
        tls_part = {"roleArn": role, "issuerCertificateAuthority": {"awsPcaAuthorityArn": ca}}
        tls_part |= {"kmsKey": key} if (key := more.pop("key", None)) else {}
        request = {
            "cluster": "prod",
            "serviceName": name,
            "serviceConnectConfiguration": {"enabled": True, "services": [{"portName": "http", "tls": tls_part}]},
        }
        response = {"service": {"serviceArn": service(name, more.get("region", REGION))}}
        return self.person(ECS, "CreateService", at, request, response=response, **more)

    def delete_service(self, name: str, at: datetime) -> str:
        """`DeleteService`."""
        return self.person(ECS, "DeleteService", at, {"cluster": "prod", "service": name, "force": True})

    def issue(self, secret: str, at: datetime, *, tag: str | None = None, ca: str = CA, **more: Any) -> str:
        """The first certificate: CA described, certificate issued, secret created."""
        self.ecs(PCA, "DescribeCertificateAuthority", at, {"certificateAuthorityArn": ca}, **more)
        self.certificate(at + timedelta(seconds=1), ca=ca, **more)
        name = secret.rsplit(":", 1)[1][:-7]
        request: dict[str, Any] = {"name": name}
        if tag:
            request["tags"] = [
                {"key": "AmazonECSCreated", "value": tag},
                {"key": "AmazonECSManaged", "value": "true"},
            ]
        made = {"arn": secret, "name": name}
        return self.ecs(SECRETS, "CreateSecret", at + timedelta(seconds=3), request, response=made, **more)

    def certificate(self, at: datetime, *, ca: str = CA, error: Error | None = None, **more: Any) -> str:
        """`IssueCertificate`, and `GetCertificate` where it worked."""
        authority = {"certificateAuthorityArn": ca}
        made = {"certificateArn": f"{ca}/certificate/1"}
        event_id = self.ecs(PCA, "IssueCertificate", at, authority, response=made, error=error, **more)
        if error is None:
            self.ecs(PCA, "GetCertificate", at + timedelta(seconds=1), authority | made, **more)
        return event_id

    def rotate(self, secret: str, at: datetime, **more: Any) -> str:
        """A whole rotation, with the word of Secrets Manager at its end."""
        ca = more.pop("ca", CA)
        self.ecs(SECRETS, "DescribeSecret", at, {"secretId": secret}, **more)
        self.certificate(at + timedelta(seconds=1), ca=ca, **more)
        response = {"arn": secret}
        end = at + timedelta(seconds=4)
        self.ecs(SECRETS, "PutSecretValue", end, {"secretId": secret}, response=response, **more)
        self.ecs(SECRETS, "UpdateSecretVersionStage", end, {"secretId": secret}, response=response, **more)
        return self.word("RotationSucceeded", end, secret)

    def fail_rotation(self, secret: str, at: datetime, error: Error, *, ca: str = CA, **more: Any) -> str:
        """A rotation that fails at the certificate; gives the id of the failed call."""
        self.ecs(SECRETS, "DescribeSecret", at, {"secretId": secret}, **more)
        event_id = self.certificate(at + timedelta(seconds=1), ca=ca, error=error, **more)
        self.word("RotationFailed", at + timedelta(seconds=2), secret)
        return event_id

    def remove(self, secret: str, at: datetime, error: Error | None = None) -> str:
        """ECS deletes the secret."""
        self.ecs(SECRETS, "DescribeSecret", at, {"secretId": secret})
        response = {"aRN": secret, "name": secret.rsplit(":", 1)[1][:-7]}
        request = {"secretId": secret, "forceDeleteWithoutRecovery": True}
        moment = at + timedelta(seconds=1)
        return self.ecs(SECRETS, "DeleteSecret", moment, request, response=response, error=error)

    # -- what was lost ------------------------------------------------------------------------------------------

    def loss(self, action: str, at: datetime, until: datetime | None = None, **more: Any) -> str:
        """A loss of the role for TLS; gives the id of its cause."""
        cause = more.pop("cause", f"cause-{len(self.losses)}")
        self.losses.append(
            {
                "outage_id": "outage-1",
                "role_arn": ROLE,
                "purpose": "tls",
                "phase": "rotate",
                "action": action,
                "region": REGION,
                "lost_at": at,
                "regained_at": until,
                "certainty": "replayed",
                "denials": 0,
                "cause_event_ids": [cause],
                "cause_times": [at],
                "policy_types": ["identity"],
                "basis": ["policy_replay"],
            }
            | more
        )
        return cause

    def key_outage(self, at: datetime, until: datetime | None = None, **more: Any) -> str:
        """A span in which the key is out of use, with the write that began it."""
        name = more.pop("name", "DisableKey")
        event_id = self.person(KMS, name, at, {"keyId": KEY}, region=more.pop("region", REGION))
        span = {"key_id": KEY, "role_arn": None, "start": at, "end": until, "cause_event_id": event_id}
        self.key_outages.append(span | more)
        return event_id

    # -- the answer ---------------------------------------------------------------------------------------------

    def frame(self) -> pd.DataFrame:
        """All events, in the order they were written."""
        return to_frame(pa.Table.from_pylist(self.events, schema=EVENT_SCHEMA))

    def calls(self) -> list[Row]:
        """The TLS calls as rows."""
        return rows(tls_calls(self.frame()))

    def judged(self, as_of: datetime, **more: Any) -> pd.DataFrame:
        """The frame of `tls` at a moment."""
        events = self.frame()
        losses, keys = LOSSES.frame(self.losses), KEY_OUTAGES.frame(self.key_outages)
        return tls(events, tls_calls(events), losses, keys, as_of=as_of, grace=GRACE, **more)

    def judge(self, as_of: datetime, **more: Any) -> list[Row]:
        """All rows of `tls` at a moment."""
        return rows(self.judged(as_of, **more))

    def one(self, as_of: datetime, **more: Any) -> Row:
        """The only row."""
        (row,) = self.judge(as_of, **more)
        return row
