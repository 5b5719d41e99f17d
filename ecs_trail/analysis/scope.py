"""What this investigation is about: the infrastructure roles, policies, volumes, secrets and keys, once they are known.

Before ids are known a source reads every write of the kinds that can matter; `trim` takes away what touches none of
them (contract, section 3). A role is an infrastructure role when ECS is seen to use it, when ECS is told to use it, or
when the user names it; a look-alike is none. Where ECS is told: *Amazon ECS API Reference*, read on 2026-11-24.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ecs_trail.arns import last_part, parse_arn, role_key, task_cluster
from ecs_trail.calls import made_by_ecs, refusal
from ecs_trail.event_names import (
    CERTIFICATE_AUTHORITY_EVENTS,
    ECS_WRITES,
    IAM_POLICY_WRITES,
    IAM_ROLE_WRITES,
    KEY_EVENTS,
    VOLUME_EVENTS,
)
from ecs_trail.frames import TEXT, TIME, FrameSpec, Row, Sheet, each, rows
from ecs_trail.payloads import Object, at, json_list, json_object, objects, text, texts
from ecs_trail.vocabulary import ECS_HOSTS, SECRET_PREFIX, SESSION_PURPOSES, Purpose

ROLE_USES: Final = FrameSpec(
    name="role_uses",
    doc="One row per infrastructure role, purpose and place: how it is known that ECS works with the role there.",
    key=("role_arn", "purpose", "region", "cluster", "kind"),
    columns={
        "role_arn": TEXT,
        "account": TEXT,
        "role_name": TEXT,
        "purpose": TEXT,
        "region": TEXT,
        "cluster": TEXT,
        "kind": TEXT,
        "event_id": TEXT,
        "first_at": TIME,
    },
)

#: Where an ECS write names an infrastructure role: path to the list (or object), path to the ARN inside, purpose.
_CONFIGURED: Final = (
    (("volumeConfigurations",), ("managedEBSVolume", "roleArn"), Purpose.VOLUMES),
    (("serviceConnectConfiguration", "services"), ("tls", "roleArn"), Purpose.TLS),
    (("vpcLatticeConfigurations",), ("roleArn",), Purpose.LATTICE),
    (("loadBalancers",), ("advancedConfiguration", "roleArn"), Purpose.LOAD_BALANCERS),
    (("managedInstancesProvider",), ("infrastructureRoleArn",), Purpose.MANAGED_INSTANCES),
    ((), ("infrastructureRoleArn",), Purpose.LOAD_BALANCERS),
)
_USE_COLUMNS: Final = (
    "event_id",
    "event_time",
    "event_source",
    "event_name",
    "aws_region",
    "session_name",
    "requested_session_name",
    "session_issuer_arn",
    "target_role_arn",
    "invoked_by",
    "source_ip_address",
    "request_parameters",
)


def role_uses(
    events: Sheet,
    calls: Sheet,
    task_states: Sheet,
    named: Iterable[str] = (),
    *,
    service_states: Sheet | None = None,
) -> Sheet:
    """How each infrastructure role is known, as `ROLE_USES`. `named` holds role ARNs the user gave, `service_states`
    saved configurations of services (`service_arn`, `cluster`, `settings` as JSON text).
    """
    found: dict[tuple[Any, ...], Row] = {}
    saved = [] if service_states is None else rows(service_states)
    for use in (*_uses(events, calls, task_states, named), *_saved_uses(saved)):
        key = role_key(use["role_arn"])
        if key is not None:
            use["account"], use["role_name"] = key
            found.setdefault(
                (key, use["purpose"], use["region"], use["cluster"], use["kind"]),
                use,
            )
    whole = _whole_arns(found.values())
    for use in found.values():
        use["role_arn"] = whole[(use["account"], use["role_name"])]
    return ROLE_USES.sheet(sorted(found.values(), key=_use_order))


def configured_roles(request: Object) -> Iterator[tuple[str, Purpose]]:
    """The infrastructure roles an ECS request names, with what for."""
    for place, inside, purpose in _CONFIGURED:
        holder = at(request, *place) if place else request
        for item in [holder] if isinstance(holder, dict) else objects(holder):
            arn = text(at(item, *inside))
            if arn is not None and role_key(arn) is not None:
                yield arn, purpose


@dataclass(frozen=True, slots=True)
class Scope:
    """The ids an investigation is about. Roles by account and name; policies, volumes, secrets, keys by ARN or id."""

    roles: frozenset[tuple[str, str]]
    policies: frozenset[str]
    volumes: frozenset[str]
    secrets: frozenset[str]
    authorities: frozenset[str]
    keys: frozenset[str]


def scope_of(events: Sheet, uses: Sheet, calls: Sheet, named_policies: Iterable[str]) -> Scope:
    """Gather the ids: roles from their uses, policies from what was ever on such a role, the rest from ECS's work."""
    roles = frozenset((use["account"], use["role_name"]) for use in rows(uses))
    folded = {(account, name.casefold()) for account, name in roles}
    policies, secrets, authorities, keys = set(named_policies), set[str](), set[str](), set[str]()
    role_writes = events.where(event_source="iam.amazonaws.com", event_name=IAM_ROLE_WRITES)
    for row in rows(role_writes, ("account_id", "request_parameters")):
        request = json_object(row["request_parameters"])
        if (row["account_id"], (text(request.get("roleName")) or "").casefold()) in folded:
            policies.update(filter(None, (text(request.get("policyArn")), text(request.get("permissionsBoundary")))))
    sessions = _by_session(events).where(event_source=lambda source: source != "ec2.amazonaws.com")
    for row in each(sessions, ("request_parameters",)):
        request = json_object(row["request_parameters"])
        authorities.update(filter(None, (text(request.get("certificateAuthorityArn")),)))
        secrets.update(filter(None, (text(request.get("secretId")),)))
        keys.update(filter(None, (text(request.get("keyId")), text(request.get("kmsKeyId")))))
    for row in rows(events.where(event_source="ecs.amazonaws.com"), ("request_parameters",)):
        keys.update(_configured_keys(json_object(row["request_parameters"])))
        authorities.update(_configured_authorities(json_object(row["request_parameters"])))
    volumes = frozenset(filter(None, calls.different("volume_id")))
    keys.update(filter(None, calls.different("kms_key_id")))
    return Scope(roles, frozenset(policies), volumes, frozenset(secrets), frozenset(authorities), frozenset(keys))


def trim(events: Sheet, scope: Scope, calls: Sheet) -> Sheet:
    """The events that belong to the evidence now that ids are known; order and columns stay."""
    # Session names are data: what ECS does under a name nobody documented counts where the role is known.
    issuers = {arn for arn in events.different("session_issuer_arn") if role_key(arn) in scope.roles}
    sure = (
        {"session_name": SESSION_PURPOSES},
        {"requested_session_name": SESSION_PURPOSES},
        {"session_issuer_arn": issuers, "invoked_by": ECS_HOSTS},
        {"event_source": "ecs.amazonaws.com", "event_name": ECS_WRITES},
        {"event_source": ("organizations.amazonaws.com", "cloudtrail.amazonaws.com")},
        {"event_source": "ec2.amazonaws.com", "event_id": frozenset(calls.column("event_id"))},
    )
    asked = events.without(events.where_any(*sure))
    more = {row["event_id"] for row in each(asked, _TOUCH_COLUMNS) if _touches(row, scope)}
    return events.where_any(*sure, {"event_id": more})


_TOUCH_COLUMNS: Final = (
    *("event_id", "event_source", "event_name", "account_id", "request_parameters", "response_elements"),
    *("error_message", "resources", "additional_event_data", "target_role_arn"),
)


def _touches(row: Mapping[str, Any], scope: Scope) -> bool:
    source, name = row["event_source"], row["event_name"]
    request = json_object(row["request_parameters"])
    if source == "iam.amazonaws.com":
        return _touches_role(row, request, scope)
    if source == "sts.amazonaws.com":
        return role_key(row["target_role_arn"]) in scope.roles
    if source == "secretsmanager.amazonaws.com":
        told = [text(request.get("secretId")), text(request.get("name")), *texts(request.get("secretIdList"))]
        told += _arns(row)
        return any(one is not None and (SECRET_PREFIX in one or one in scope.secrets) for one in told)
    if source == "acm-pca.amazonaws.com" and name in CERTIFICATE_AUTHORITY_EVENTS:
        arn = text(request.get("certificateAuthorityArn")) or text(request.get("resourceArn"))
        return arn in scope.authorities
    if source == "kms.amazonaws.com" and name in KEY_EVENTS:
        secret = text(at(request, "encryptionContext", "SecretARN"))
        told = [text(request.get("keyId")), *_arns(row)]
        same = any(last_part(one) == last_part(key) for one in told if one for key in scope.keys)
        return same or (secret is not None and SECRET_PREFIX in secret)
    return source == "ec2.amazonaws.com" and name in VOLUME_EVENTS and _names_volume(request, scope)


def _names_volume(request: Object, scope: Scope) -> bool:
    return text(request.get("volumeId")) in scope.volumes


def _touches_role(row: Mapping[str, Any], request: Object, scope: Scope) -> bool:
    if row["event_name"] in IAM_POLICY_WRITES:
        made = text(at(json_object(row["response_elements"]), "policy", "arn"))
        return (
            text(request.get("policyArn")) in scope.policies
            or made in scope.policies
            or _named_like(row, request, scope)
        )
    name = text(request.get("roleName"))
    if name is None:
        said = refusal(row["error_message"]).resource
        key = role_key(said)
        name = key[1] if key else said
    folded = name.casefold()
    return any(account == row["account_id"] and known.casefold() == folded for account, known in scope.roles)


def _named_like(row: Mapping[str, Any], request: Object, scope: Scope) -> bool:
    """A `CreatePolicy` without response: the policy is known by account and name."""
    name = text(request.get("policyName"))
    return name is not None and any(
        last_part(arn) == name and arn.split(":")[4] == row["account_id"]
        for arn in scope.policies
        if arn.count(":") > 4
    )


def _arns(row: Mapping[str, Any]) -> list[str]:
    listed = [text(item.get("ARN")) or text(item.get("arn")) for item in objects(json_list(row["resources"]))]
    extra = json_object(row["additional_event_data"])
    return [arn for arn in (*listed, text(extra.get("ARN")), text(extra.get("SecretId"))) if arn]


def _uses(events: Sheet, calls: Sheet, task_states: Sheet, named: Iterable[str]) -> Iterator[Row]:
    alike = [name for name in _USE_COLUMNS if name not in {"event_id", "event_time", "request_parameters"}]
    for row in rows(_by_session(events).first_of(alike), _USE_COLUMNS):
        asked = row["requested_session_name"] if row["event_name"] == "AssumeRole" else None
        session = asked or row["session_name"]
        arn = row["target_role_arn"] if asked else row["session_issuer_arn"]
        if arn and made_by_ecs(row["invoked_by"], row["source_ip_address"], session):
            yield _use(arn, SESSION_PURPOSES[session], row, "assume_role" if asked else "session")
    for row in rows(events.where(event_source="ecs.amazonaws.com"), _USE_COLUMNS):
        request = json_object(row["request_parameters"])
        for arn, purpose in configured_roles(request):
            yield {
                **_use(arn, purpose, row, "configuration"),
                "cluster": last_part(text(request.get("cluster"))) or None,
            }
    names = ["role_arn", "region", "task_arn", "cluster"]
    for row in rows(calls.first_of(names), (*names, "event_id", "event_time")):
        cluster = row["cluster"] or task_cluster(row["task_arn"])
        if row["role_arn"] and cluster:
            yield {
                **_use(row["role_arn"], Purpose.VOLUMES, row, "session"),
                "region": row["region"],
                "cluster": cluster,
            }
    for row in rows(task_states, ("role_arn", "task_arn", "cluster")):
        if row["role_arn"]:
            region = (row["task_arn"] or "").split(":")[3] if (row["task_arn"] or "").count(":") > 4 else None
            yield {
                "role_arn": row["role_arn"],
                "purpose": Purpose.VOLUMES.value,
                "region": region,
                "cluster": row["cluster"],
                "kind": "task_state",
                "event_id": None,
                "first_at": None,
            }
    for arn in named:
        yield {
            "role_arn": arn,
            "purpose": None,
            "region": None,
            "cluster": None,
            "kind": "option",
            "event_id": None,
            "first_at": None,
        }


def _saved_uses(services: Iterable[Row]) -> Iterator[Row]:
    """The roles that saved services give their tasks: a deployment is spelled like the request that made it."""
    for service in services:
        arn = parse_arn(service["service_arn"])
        for role_arn, purpose in configured_roles(json_object(service["settings"])):
            yield {
                "role_arn": role_arn,
                "purpose": purpose.value,
                "region": arn.region if arn else None,
                "cluster": service["cluster"],
                "kind": "service_state",
                "event_id": None,
                "first_at": None,
            }


def _use(arn: str, purpose: Purpose, row: Mapping[str, Any], kind: str) -> Row:
    return {
        "role_arn": arn,
        "purpose": purpose.value,
        "region": row.get("aws_region"),
        "cluster": None,
        "kind": kind,
        "event_id": row["event_id"],
        "first_at": row["event_time"],
    }


def _by_session(events: Sheet) -> Sheet:
    return events.where_any({"session_name": SESSION_PURPOSES}, {"requested_session_name": SESSION_PURPOSES})


def _whole_arns(uses: Iterable[Row]) -> dict[tuple[str, str], str]:
    """The longest ARN seen for each role: records of sessions carry the role's path, assumed-role ARNs do not."""
    best: dict[tuple[str, str], str] = {}
    for use in uses:
        key, arn = (use["account"], use["role_name"]), use["role_arn"]
        if ":sts:" in arn:
            arn = arn.split(":sts:")[0] + f":iam::{key[0]}:role/{key[1]}"
        if len(arn) > len(best.get(key, "")):
            best[key] = arn
    return best


def _configured_keys(request: Object) -> Iterator[str]:
    for item in objects(request.get("volumeConfigurations")):
        if key := text(at(item, "managedEBSVolume", "kmsKeyId")):
            yield key
    for item in objects(at(request, "serviceConnectConfiguration", "services")):
        if key := text(at(item, "tls", "kmsKey")):
            yield key


def _configured_authorities(request: Object) -> Iterator[str]:
    for item in objects(at(request, "serviceConnectConfiguration", "services")):
        if arn := text(at(item, "tls", "issuerCertificateAuthority", "awsPcaAuthorityArn")):
            yield arn


def _use_order(use: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(use[name] or "" for name in ("role_arn", "purpose", "region", "cluster", "kind"))
