"""OCSF events (Amazon Security Lake) -> CloudTrail-shaped records.

Security Lake stores CloudTrail events in OCSF: source version 1 as OCSF 1.0.0-rc.2, version 2 as OCSF 1.1.0; later ones
differ in details (*Amazon Security Lake User Guide*, "CloudTrail event logs in Security Lake"; field by field in the
mappings of github.com/ocsf/examples, AWS, v1.0.0-rc.2, v1.1.0 and v1.5.0; read on 2026-11-24). The class says nothing:
one event may be API Activity, Account Change or Authentication. What has no place in OCSF stands in `unmapped`, with
dotted names or as JSON text.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ecs_trail.evidence.moments import moment_of
from ecs_trail.evidence.normal import FREE_FIELDS, TEXT_PARAMETERS, nested
from ecs_trail.evidence.texts import lenient

Event = Mapping[str, Any]

#: Top-level fields a record is made of; a reader of columns needs no others.
FIELDS: Final = frozenset(
    {"time", "time_dt", "metadata", "api", "actor", "cloud", "src_endpoint", "dst_endpoint", "http_request",
     "resources", "status", "status_code", "status_detail", "tls", "unmapped", "class_uid", "is_mfa"}
)  # fmt: skip
_CATEGORIES: Final = frozenset({"Management", "Data", "Insight", "NetworkActivity", "Aggregated"})
#: From here on a number of seconds would be microseconds: as milliseconds it would lie after the year 5000.
_MICROSECONDS_FROM: Final = 100_000_000_000_000
#: What stands for an error code where only the status says that a call failed.
UNNAMED_FAILURE: Final = "Failure"


def is_ocsf(names: Mapping[str, Any] | frozenset[str]) -> bool:
    """True for the top-level names of an OCSF event that may come from CloudTrail."""
    return "metadata" in names and "api" in names and bool({"class_uid", "time", "time_dt"} & set(names))


def is_cloudtrail(event: Event) -> bool:
    """True when an OCSF event was made from a CloudTrail record; EKS audit logs and others share its classes."""
    product = _part(event, "metadata", "product")
    name = str(product.get("name") or "")
    if name:
        return "cloudtrail" in name.lower().replace(" ", "")
    return str(_part(event, "api", "service").get("name") or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))


def carries_parameters(event: Event) -> bool | None:
    """Whether an event of OCSF 1.0, which has no place for request parameters, carries them all the same; None for
    later versions.
    """
    if not str(_part(event, "metadata").get("version") or "").startswith("1.0"):
        return None
    heads = {name.partition(".")[0] for name in _unmapped(event)}
    return "requestParameters" in heads or bool(_part(event, "api", "request").get("data"))


def record_of(event: Event) -> dict[str, Any]:
    """The CloudTrail record an OCSF event was made from, as far as the event carries it; absent fields are left out."""
    metadata, api, actor = _part(event, "metadata"), _part(event, "api"), _part(event, "actor")
    request, response = _part(api, "request"), _part(api, "response")
    product, source = _part(metadata, "product"), _part(event, "src_endpoint")
    category = _part(product, "feature").get("name")
    named = {
        "eventID": metadata.get("uid"),
        "eventVersion": product.get("version"),
        "eventTime": _time(event.get("time"), event.get("time_dt"), metadata.get("original_time")),
        "eventSource": _part(api, "service").get("name"),
        "eventName": api.get("operation"),
        "apiVersion": api.get("version"),
        "eventType": metadata.get("event_code"),
        "eventCategory": category if category in _CATEGORIES else None,
        "awsRegion": _part(event, "cloud").get("region"),
        "sourceIPAddress": source.get("ip") or source.get("domain") or source.get("svc_name"),
        "vpcEndpointId": source.get("uid"),
        "userAgent": _part(event, "http_request").get("user_agent"),
        "requestID": _unquoted(request.get("uid")),
        "requestParameters": request.get("data"),
        "responseElements": response.get("data"),
        "errorCode": _error_code(event, response),
        "errorMessage": response.get("message") or response.get("error_message"),
        "userIdentity": _identity(actor),
        "resources": [_resource(item) for item in _listed(event.get("resources")) if isinstance(item, dict)],
        "tlsDetails": _tls(_part(event, "tls")),
        "additionalEventData": _login(event, api),
    }
    filled = {name: value for name, value in named.items() if value not in (None, "", [], {})}
    spread: dict[str, Any] = {}
    for name, value in _unmapped(event).items():
        known, inner = filled.get(name), _json(value) if isinstance(value, str) and value[:1] == "{" else value
        if isinstance(known, dict) and isinstance(inner, dict):
            filled[name] = _joined(known, inner)
        elif name not in filled and value not in (None, ""):
            spread[name] = _spelled(name, value)
    record = nested({**filled, **spread})
    record.setdefault("recipientAccountId", _part(event, "cloud", "account").get("uid"))
    return record


def _part(value: Event, *path: str) -> dict[str, Any]:
    """The object at a path, empty where there is none; an object may be JSON text."""
    found: Any = value
    for name in path:
        found = found.get(name) if isinstance(found, dict | Mapping) else None
        if isinstance(found, str) and found.lstrip()[:1] == "{":
            found = _json(found)
    return found if isinstance(found, dict) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _json(text: str) -> Any:
    try:
        return lenient(text)
    except ValueError:
        return text


def _joined(known: Event, more: Event) -> dict[str, Any]:
    """Two parts of one object; what is known stays."""
    joined = {**more, **known}
    for name in known.keys() & more.keys():
        mine, theirs = known[name], more[name]
        joined[name] = _joined(mine, theirs) if isinstance(mine, dict) and isinstance(theirs, dict) else mine
    return joined


def _unmapped(event: Event) -> dict[str, Any]:
    return {str(name): value for name, value in _part(event, "unmapped").items()}


def _spelled(name: str, value: Any) -> Any:
    """A list under a dotted name stands as JSON text; what flattens goes through objects, so their text is a text."""
    head, _, tail = name.partition(".")
    if isinstance(value, str) and tail and head in FREE_FIELDS and tail.rpartition(".")[2] not in TEXT_PARAMETERS:
        return _json(value) if value[:1] + value[-1:] == "[]" else value
    return value


def _time(*candidates: Any) -> str | None:
    for given in candidates:
        if isinstance(given, datetime):
            moment: datetime | None = given if given.tzinfo else given.replace(tzinfo=UTC)
        elif isinstance(given, int | float) and abs(given) >= _MICROSECONDS_FROM:
            moment = moment_of(given / 1000)
        else:
            moment = moment_of(given)
        if moment is not None:
            text = moment.astimezone(UTC).isoformat()
            return text.replace("+00:00", "Z")
    return None


def _identity(actor: Event) -> dict[str, Any]:
    user, session = _part(actor, "user"), _part(actor, "session")
    if user.get("uuid"):  # version 1
        arn, principal = user.get("uuid"), user.get("uid")
    else:
        arn, principal = user.get("uid"), user.get("uid_alt")
        if arn and not principal and not str(arn).startswith("arn:"):
            arn, principal = None, arn
    mfa = session.get("is_mfa") if session.get("is_mfa") is not None else session.get("mfa")
    attributes = {
        "creationDate": _time(session.get("created_time_dt"), session.get("created_time")),
        "mfaAuthenticated": None if mfa is None else str(mfa).lower(),
    }
    context = {"sessionIssuer": _filled({"arn": session.get("issuer")}), "attributes": _filled(attributes)}
    identity = {
        "type": user.get("type"),
        "arn": arn,
        "principalId": principal,
        "accountId": _part(user, "account").get("uid") or user.get("account_uid"),
        "accessKeyId": user.get("credential_uid"),
        "userName": user.get("name"),
        "invokedBy": actor.get("invoked_by"),
        "sessionContext": _filled(context),
    }
    if user.get("type") == "IdentityCenterUser":  # ids of other kinds in the same places
        store = _part(actor, "idp").get("uid")
        identity |= {
            "principalId": None,
            "accessKeyId": None,
            "userName": None,
            "credentialId": user.get("credential_uid"),
            "onBehalfOf": _filled({"userId": principal, "identityStoreArn": store}),
        }
    return _filled(identity)


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", {})}


def _error_code(event: Event, response: Event) -> str | None:
    """The error code. A failure without one must not look like a success."""
    named = response.get("error") or event.get("status_code")
    if named:
        return str(named)
    failed = str(event.get("status") or "").lower() in {"failure", "failed"}
    return (str(response.get("code") or "") or UNNAMED_FAILURE) if failed else None


def _resource(item: Event) -> dict[str, Any]:
    account = _part(item, "owner", "account").get("uid") or item.get("account_uid") or item.get("account_id")
    return _filled({"ARN": item.get("uid"), "accountId": account, "type": item.get("type")})


def _tls(tls: Event) -> dict[str, Any]:
    return _filled(
        {"tlsVersion": tls.get("version"), "cipherSuite": tls.get("cipher"), "clientProvidedHostHeader": tls.get("sni")}
    )


def _login(event: Event, api: Event) -> dict[str, Any]:
    """What a console sign-in says beside its parameters."""
    if api.get("operation") != "ConsoleLogin":
        return {}
    mfa = event.get("is_mfa")
    used = None if mfa is None else "Yes" if str(mfa).lower() == "true" else "No"
    return _filled({"LoginTo": _part(event, "dst_endpoint").get("svc_name"), "MFAUsed": used})


def _unquoted(value: Any) -> Any:
    """Some producers write an empty id as two quotes."""
    return None if value == "''" else value
