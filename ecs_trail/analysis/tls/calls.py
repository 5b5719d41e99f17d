"""TLS calls: what was asked of a Service Connect secret, and what ECS asked of certificate authorities and keys for it.

Record shapes: *AWS Secrets Manager User Guide*, "CloudTrail entries for Secrets Manager"; *AWS Private CA User Guide*,
"Logging with CloudTrail"; *AWS KMS Developer Guide*, "Logging AWS KMS API calls". The name of such a secret starts with
`ecs-sc!`, and its ARN ends with a hyphen and six random characters (*Secrets Manager User Guide*, "What's in a Secrets
Manager secret?"). All read on 2026-11-24.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.arns import last_part, parse_arn, partition_of_region
from ecs_trail.calls import Outcome, action_of, actor, made_by_ecs, outcome, refusal, role_of_session
from ecs_trail.frames import FLAG, TEXT, TIME, Frame, FrameSpec, Row, Sheet, as_sheet, rows
from ecs_trail.payloads import Object, at, integer, json_list, json_object, objects, text
from ecs_trail.vocabulary import SECRET_PREFIX, SESSION_PURPOSES, TAG_CREATED, Purpose

TLS_CALLS: Final = FrameSpec(
    name="tls_calls",
    doc="One row per call that touches a Service Connect secret or that its TLS session makes, and per service event.",
    key=("event_id", "account"),
    columns={
        "event_id": TEXT,
        "event_time": TIME,
        "event_source": TEXT,
        "event_name": TEXT,
        "action": TEXT,
        "step": TEXT,
        "secret": TEXT,
        "service_arn": TEXT,
        "certificate_authority_arn": TEXT,
        "certificate_arn": TEXT,
        "kms_key_id": TEXT,
        "role_arn": TEXT,
        "account": TEXT,
        "region": TEXT,
        "by_ecs": FLAG,
        "actor": TEXT,
        "session_name": TEXT,
        "outcome": TEXT,
        "error_code": TEXT,
        "error_message": TEXT,
        "policy_type": TEXT,
        "policy_arn": TEXT,
        "valid_until": TIME,
    },
)

SECRETS: Final = "secretsmanager.amazonaws.com"
AUTHORITIES: Final = "acm-pca.amazonaws.com"
KEYS: Final = "kms.amazonaws.com"
_STEPS: Final = {
    "CreateSecret": "issue",
    "TagResource": "issue",
    "DescribeCertificateAuthority": "issue",
    "IssueCertificate": "certificate",
    "GetCertificate": "certificate",
    "GetCertificateAuthorityCertificate": "certificate",
    "DescribeSecret": "read",
    "GetSecretValue": "read",
    "PutSecretValue": "rotate",
    "UpdateSecret": "rotate",
    "RotateSecret": "rotate",
    "CancelRotateSecret": "rotate",
    "UpdateSecretVersionStage": "rotate",
    "RotationStarted": "rotate",
    "RotationSucceeded": "rotate",
    "RotationFailed": "rotate",
    "RotationAbandoned": "rotate",
    "DeleteSecret": "delete",
    "StartSecretVersionDelete": "delete",
    "EndSecretVersionDelete": "delete",
    "SecretVersionDeletion": "delete",
    "RestoreSecret": "restore",
    "CancelSecretVersionDelete": "restore",
    "ReplicateSecretToRegions": "replicate",
    "RemoveRegionsFromReplication": "replicate",
    "StopReplicationToReplica": "replicate",
}
#: Service events that tell of a failure without an error code of their own.
_FAILED_EVENTS: Final = frozenset({"RotationFailed", "RotationAbandoned"})
_TLS_SESSIONS: Final = frozenset(name for name, purpose in SESSION_PURPOSES.items() if purpose is Purpose.TLS)
_SUFFIX: Final = re.compile(r"-[A-Za-z0-9]{6}\Z")
_TEXTS: Final = ("request_parameters", "response_elements", "additional_event_data", "service_event_details")
_SEARCHED: Final = (*_TEXTS, "resources", "error_message")
_COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_source",
    "event_name",
    "aws_region",
    "account_id",
    "error_code",
    "error_message",
    "session_name",
    "session_issuer_arn",
    "invoked_by",
    "source_ip_address",
    "identity_arn",
    "principal_id",
    "user_name",
    *_TEXTS,
    "resources",
)


def tls_calls(events: Frame) -> Sheet:
    """All calls of TLS work, as `TLS_CALLS`, in the order of the events.

    A call belongs here when it touches a secret named `ecs-sc!…`, whoever made it, or when a session named as ECS's TLS
    session made it; `by_ecs` says whether it was ECS itself. `secret` is the whole ARN where any call tells it.
    """
    mine = (
        as_sheet(events)
        .where(event_source=(SECRETS, AUTHORITIES, KEYS))
        .where_any(
            {"session_name": _TLS_SESSIONS},
            *({column: lambda text: text is not None and SECRET_PREFIX in text} for column in _SEARCHED),
        )
    )
    found = [call for event in rows(mine, _COLUMNS) if (call := _call(event)) is not None]
    _name_in_full(found)
    return TLS_CALLS.sheet(found)


def secret_name(secret: str | None) -> str | None:
    """The name in a secret's ARN, without the six random characters; a name as it is; None for any other text."""
    arn = parse_arn(secret)
    if arn is None:
        return secret if secret and secret.startswith(SECRET_PREFIX) else None
    name = arn.resource.removeprefix("secret:")
    known = arn.service == "secretsmanager" and name.startswith(SECRET_PREFIX)
    return _SUFFIX.sub("", name) if known else None


def service_of_tag(value: str | None) -> str | None:
    """The service ARN in a tag `AmazonECSCreated`: the value itself, or the service of a task set."""
    arn = parse_arn(value)
    parts = arn.resource.split("/") if arn is not None and arn.service == "ecs" else []
    if len(parts) < 3 or parts[0] not in {"service", "task-set"}:
        return None
    return f"{(value or '').rsplit(':', 1)[0]}:service/{parts[1]}/{parts[2]}"


def _call(event: Mapping[str, Any]) -> Row | None:
    request, response, extra, details = (json_object(event[name]) for name in _TEXTS)
    arns = [text(item.get("ARN")) or text(item.get("arn")) for item in objects(json_list(event["resources"]))]
    said = refusal(event["error_message"])
    secret = _secret(request, response, (extra, details), [*arns, said.resource])
    by_ecs = made_by_ecs(event["invoked_by"], event["source_ip_address"], event["session_name"])
    if secret is None and event["session_name"] not in _TLS_SESSIONS:
        return None
    failed = event["event_name"] in _FAILED_EVENTS
    return {
        "event_id": event["event_id"],
        "event_time": event["event_time"],
        "event_source": event["event_source"],
        "event_name": event["event_name"],
        "action": said.action or action_of(event["event_source"], event["event_name"]),
        "step": _STEPS.get(event["event_name"], "key" if event["event_source"] == KEYS else "other"),
        "secret": secret,
        "service_arn": _service(request) if by_ecs else None,
        "certificate_authority_arn": _authority(request, said.resource),
        "certificate_arn": text(request.get("certificateArn")) or text(response.get("certificateArn")),
        "kms_key_id": _key(event, request, arns),
        "role_arn": _role(event) if by_ecs else None,
        "account": event["account_id"],
        "region": event["aws_region"],
        "by_ecs": by_ecs,
        "actor": actor(event["identity_arn"], event["invoked_by"], event["principal_id"], event["user_name"]),
        "session_name": event["session_name"],
        "outcome": (Outcome.ERROR if failed else outcome(event["error_code"])).value,
        "error_code": event["error_code"],
        "error_message": event["error_message"],
        "policy_type": said.policy_type.value,
        "policy_arn": said.policy_arn,
        "valid_until": _valid_until(event, request),
    }


#: Units of a certificate's validity in days (*AWS Private CA API Reference*, Validity, read on 2026-11-24). An end
#: given as a date is left out: its form differs, and ECS orders days.
_DAYS: Final = {"DAYS": 1, "MONTHS": 30, "YEARS": 365}


def _valid_until(event: Mapping[str, Any], request: Object) -> datetime | None:
    """The end of the certificate that a successful `IssueCertificate` ordered."""
    days = _DAYS.get(text(at(request, "validity", "type")) or "")
    value = integer(at(request, "validity", "value"))
    if event["event_name"] != "IssueCertificate" or event["error_code"] or not days or value is None:
        return None
    moment: datetime = event["event_time"]
    return moment + timedelta(days=days * value) if 0 < value * days < _LONGEST_DAYS else None


_LONGEST_DAYS: Final = 36_500


def _secret(request: Object, response: Object, more: Iterable[Object], arns: Iterable[str | None]) -> str | None:
    """The secret a call touches: an ARN that AWS wrote, else what the caller wrote."""
    # Since February 2024 responses say `arn`; before, and still for DeleteSecret, `aRN`.
    told = [text(response.get(key)) for key in ("arn", "aRN", "ARN")]
    told += [text(holder.get(key)) for holder in more for key in ("ARN", "arn", "SecretId", "secretId", "Name", "name")]
    told += [text(at(request, "encryptionContext", "SecretARN")), text(request.get("secretId"))]
    told += [*arns, text(request.get("name"))]
    found = [one for one in told if secret_name(one) is not None]
    return next((one for one in found if parse_arn(one)), found[0] if found else None)


def _service(request: Object) -> str | None:
    """The service that a tag in the request names (CreateSecret and TagResource)."""
    values = (text(tag.get("value")) for tag in objects(request.get("tags")) if tag.get("key") == TAG_CREATED)
    return next((arn for value in values if (arn := service_of_tag(value))), None)


def _authority(request: Object, resource: str) -> str | None:
    told = text(request.get("certificateAuthorityArn")) or resource
    arn = parse_arn(told)
    return told if arn is not None and arn.service == "acm-pca" else None


def _key(event: Mapping[str, Any], request: Object, arns: Iterable[str | None]) -> str | None:
    """The key by its ARN where AWS tells it: callers may use an alias."""
    if event["event_source"] != KEYS:
        return text(request.get("kmsKeyId"))
    named = [one for one in arns if (arn := parse_arn(one)) is not None and arn.service == "kms"]
    return named[0] if named else text(request.get("keyId"))


def _role(event: Mapping[str, Any]) -> str | None:
    issuer: str | None = event["session_issuer_arn"]
    key = role_of_session(event["identity_arn"])
    if issuer or key is None:
        return issuer
    # Lossy sources may lack the issuer; the session's ARN has account and name, though not the path.
    return f"arn:{partition_of_region(event['aws_region'])}:iam::{key[0]}:role/{key[1]}"


def _name_in_full(calls: list[Row]) -> None:
    """Replace names and partial ARNs by the whole ARN that another call tells."""
    known: dict[str, None] = {}
    made: dict[str, datetime] = {}
    for call in calls:
        secret = call["secret"]
        if secret and parse_arn(secret) and _SUFFIX.search(secret) and call["outcome"] == Outcome.OK:
            known.setdefault(secret)
            if call["event_name"] == "CreateSecret":
                made.setdefault(secret, call["event_time"])
    stems: dict[tuple[str, str], list[str]] = defaultdict(list)
    for arn in known:
        parsed = parse_arn(arn)
        if parsed is not None:
            stems[parsed.account, parsed.region].append(arn)
    cache: dict[tuple[str, str, str], list[str]] = {}
    for call in calls:
        secret = call["secret"]
        if secret is None:
            continue
        parsed = parse_arn(secret)
        place = (parsed.account, parsed.region) if parsed else (call["account"] or "", call["region"] or "")
        if (*place, secret) not in cache:
            cache[(*place, secret)] = list(_extending(secret, stems[place]))
        call["secret"] = _then(cache[(*place, secret)], made, call["event_time"]) or secret


def _extending(secret: str, arns: Iterable[str]) -> Iterator[str]:
    """The ARNs that are this name or partial ARN with a hyphen and six characters more."""
    whole = parse_arn(secret) is not None
    for arn in arns:
        told = arn if whole else last_part(arn.replace(":secret:", "/"))
        if len(told) == len(secret) + 7 and told.startswith(f"{secret}-"):
            yield arn


def _then(arns: list[str], made: Mapping[str, datetime], moment: datetime) -> str | None:
    """Of several secrets that bore one name after each other, the one of that moment."""
    earlier = [arn for arn in arns if arn not in made or made[arn] <= moment]
    listed = earlier or arns
    return max(listed, key=lambda arn: made[arn].timestamp() if arn in made else 0.0) if listed else None
