"""The policy evaluator: wildcards, Not-elements, conditions, trust, boundary, SCPs, and what it does not know."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_cases import ACCOUNT, OTHER, ROLE, Maker

from ecs_trail.analysis.policies import (
    Policy,
    Request,
    Verdict,
    can_grant,
    could_deny,
    decide,
    identity_verdict,
    parse_policy,
    resource_verdict,
    trust_verdict,
)
from ecs_trail.analysis.policies.patterns import Truth, template

A, D, U = Verdict.ALLOWED, Verdict.DENIED, Verdict.UNKNOWN
VOLUME = f"arn:aws:ec2:eu-west-1:{ACCOUNT}:volume/vol-1"
DELETE = Request("ec2:DeleteVolume", VOLUME)


def allow(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def policy(*statements: dict[str, Any], label: str = "p", version: str = "2012-10-17") -> Policy:
    return parse_policy({"Version": version, "Statement": list(statements)}, label)


def verdict(request: Request, *statements: dict[str, Any]) -> Verdict:
    return identity_verdict(request, [policy(*statements)]).verdict


def knowing(request: Request = DELETE, absent: tuple[str, ...] = (), **context: str) -> Request:
    """The request with keys spelled ``aws__RequestedRegion`` for ``aws:RequestedRegion``."""
    keys = tuple((key.replace("__", ":").lower(), (value,)) for key, value in context.items())
    return replace(request, context=keys, absent=frozenset(absent))


@pytest.mark.parametrize(
    "action",
    ["ec2:DeleteVolume", "EC2:deletevolume", "ec2:De*Volume*", "ec2:Delete?olume", "ec2:*", "*", "ec2:*volume", "*:*"],
)
def test_action_patterns_that_take_in_the_call(action: str) -> None:
    assert verdict(DELETE, allow(action)) is A
    assert verdict(replace(DELETE, action="Ec2:DELETEvolume"), allow(action)) is A


@pytest.mark.parametrize(
    "action", ["ec2:DeleteVolumes", "ec2:Delete?Volume", "ec2:Volume*", "ec2:d*volume?", "ecs:*", "?"]
)
def test_action_patterns_that_do_not(action: str) -> None:
    decision = identity_verdict(DELETE, [policy(allow(action))])
    assert (decision.verdict, decision.by, decision.reason) == (D, "", "no statement allows")


def test_an_explicit_deny_wins_and_is_named() -> None:
    granting = policy(allow(), label="grant")
    denying = policy(deny("ec2:De*", Sid="NoDelete"), label="inline:deny")
    decision = identity_verdict(DELETE, [granting, denying])
    assert (decision.verdict, decision.by, decision.statement) == (D, "inline:deny", "NoDelete")
    assert decision.reason == "explicit deny"
    allowed = identity_verdict(DELETE, [granting])
    assert (allowed.verdict, allowed.by, allowed.statement, allowed.reason) == (A, "grant", "#0", "allowed")


def test_not_action() -> None:
    only_reading = {"Effect": "Deny", "NotAction": ["ec2:Describe*"], "Resource": "*"}
    assert verdict(DELETE, allow(), only_reading) is D
    assert verdict(Request("ec2:DescribeVolumes"), allow(), only_reading) is A
    assert verdict(DELETE, {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}) is A


def test_not_resource() -> None:
    elsewhere = {"Effect": "Deny", "Action": "*", "NotResource": f"arn:aws:ec2:*:{ACCOUNT}:volume/*"}
    assert verdict(DELETE, allow(), elsewhere) is A
    assert verdict(replace(DELETE, resource=VOLUME.replace(ACCOUNT, OTHER)), allow(), elsewhere) is D


def test_resource_patterns() -> None:
    for pattern in (
        VOLUME,
        "*",
        "arn:aws:ec2:*:*:volume/*",
        "arn:aws:ec2:*",
        "arn:*:volume/vol-?",
        f"arn:aws:ec2:*:{ACCOUNT}:*",
    ):
        assert verdict(DELETE, allow(resource=pattern)) is A, pattern
    for pattern in ("arn:aws:ec2:*:*:instance/*", VOLUME + "?", VOLUME.upper(), "arn:aws-cn:ec2:*:*:volume/*"):
        assert verdict(DELETE, allow(resource=pattern)) is D, pattern


def test_an_action_without_resource_needs_the_star() -> None:
    describe = Request("ec2:DescribeVolumes")
    assert verdict(describe, allow("ec2:*")) is A
    assert verdict(describe, allow("ec2:*", "arn:aws:ec2:*:*:volume/*")) is D


def test_a_resource_known_in_part() -> None:
    some = replace(DELETE, resource=f"arn:aws:ec2:eu-west-1:{ACCOUNT}:volume/*")
    assert verdict(some, allow(resource="arn:aws:ec2:*:*:volume/*")) is A
    assert verdict(some, allow(resource=VOLUME)) is U
    assert verdict(some, allow(resource="arn:aws:ec2:*:*:instance/*")) is D
    assert verdict(some, allow(), deny(resource=VOLUME)) is U
    assert identity_verdict(some, [policy(allow(resource=VOLUME))]).reason == "resource is only partly known"


REGION_DENY = deny(Condition={"StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-central-1"]}})


def test_deny_outside_of_regions() -> None:
    assert verdict(knowing(aws__RequestedRegion="eu-west-1"), allow(), REGION_DENY) is A
    assert verdict(knowing(aws__RequestedRegion="us-east-1"), allow(), REGION_DENY) is D
    unknown = identity_verdict(DELETE, [policy(allow(), REGION_DENY)])
    assert unknown.verdict is U
    assert unknown.reason == "a deny may apply: condition aws:requestedregion cannot be judged"


TASK = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/prod/0123"
MANAGED, CREATED = "aws:resourcetag/amazonecsmanaged", "aws:resourcetag/amazonecscreated"
TAGS = {
    "ArnLike": {"aws:ResourceTag/AmazonECSCreated": "arn:aws:ecs:*:*:task/*"},
    "StringEquals": {"aws:ResourceTag/AmazonECSManaged": "true"},
}


@pytest.mark.parametrize(
    ("context", "absent", "expected"),
    [
        ({MANAGED: "true", CREATED: TASK}, (), A),
        ({MANAGED: "true", CREATED: f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/*"}, (), A),
        ({MANAGED: "true", CREATED: "arn:aws:ecs:*"}, (), U),
        ({MANAGED: "true", CREATED: TASK.replace(":task/", ":service/")}, (), D),
        ({MANAGED: "false", CREATED: TASK}, (), D),
        ({MANAGED: "true"}, (CREATED,), D),
        ({}, ("aws:resourcetag/*",), D),
        ({MANAGED: "true"}, (), U),
        ({}, (), U),
    ],
)
def test_reserved_tags(context: dict[str, str], absent: tuple[str, ...], expected: Verdict) -> None:
    keys = tuple((key, (value,)) for key, value in context.items())
    request = replace(DELETE, context=keys, absent=frozenset(absent))
    assert verdict(request, allow("ec2:DeleteVolume", Condition=TAGS)) is expected


KEY = "aws:x"
PRESENT, ABSENT, UNSAID = "present", "absent", "unsaid"


def condition(operator: str, wanted: Any, value: str | tuple[str, ...] | None, *, said: bool = True) -> Verdict:
    values = (value,) if isinstance(value, str) else value
    request = Request(
        "ec2:DeleteVolume",
        VOLUME,
        ((KEY, values),) if values is not None else (),
        frozenset({KEY}) if said and values is None else frozenset(),
    )
    return verdict(request, allow(Condition={operator: {"AWS:X": wanted}}))


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "expected"),
    [
        ("StringEquals", "a*", "a-b", D),
        ("StringEquals", ["b", "a"], "a", A),
        ("StringEquals", "a", "A", D),
        ("StringEqualsIgnoreCase", "a", "A", A),
        ("StringNotEqualsIgnoreCase", "a", "A", D),
        ("StringLike", "a?c*", "abc", A),
        ("StringNotLike", ["x*", "a*"], "abc", D),
        ("StringNotLike", ["x*", "y*"], "abc", A),
        ("stringlike", "a*", "abc", A),
        ("NumericEquals", "10", "10.0", A),
        ("NumericEquals", 10, "10", A),
        ("NumericLessThan", "10", "9.5", A),
        ("NumericLessThan", "10", "10", D),
        ("NumericGreaterThanEquals", "10", "10", A),
        ("NumericNotEquals", "10", "11", A),
        ("NumericEquals", "10", "ten", D),
        ("DateLessThan", "2026-03-02T00:00:00Z", "2026-03-01T23:59:59Z", A),
        ("DateGreaterThan", "2026", "2026-03-01T00:00:00+02:00", A),
        ("DateEquals", "1772323200", "2026-03-01T00:00:00Z", A),
        ("DateLessThanEquals", "2026-03", "2026-03-01", A),
        ("DateNotEquals", "2026-03-01", "2026-03-02", A),
        ("Bool", "TRUE", "true", A),
        ("Bool", False, "false", A),
        ("Bool", "true", "false", D),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", A),
        ("BinaryEquals", "QmluYXJ5", "qmluyxj5", D),
        ("IpAddress", "203.0.113.0/24", "203.0.113.9", A),
        ("IpAddress", ["2001:db8::/32", "10.0.0.0/8"], "2001:db8::9", A),
        ("NotIpAddress", "203.0.113.9", "203.0.113.9", D),
        ("NotIpAddress", "203.0.113.9", "2001:db8::9", A),
        ("ArnEquals", "arn:aws:ecs:*:1*:task/*", TASK, A),
        ("ArnLike", "arn:aws:ecs:*:task/*", TASK, U),
        ("ArnLike", "arn:aws:ecs:*", TASK, U),
        ("ArnLike", "*", TASK, U),
        ("ArnNotLike", "arn:aws:ecs:*:*:service/*", TASK, A),
        ("Null", "true", "a", D),
        ("Null", "false", "a", A),
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), A),
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "c"), D),
        ("ForAnyValue:StringEquals", ["a", "b"], ("a", "c"), A),
        ("ForAnyValue:StringNotEquals", ["a"], ("a", "c"), A),
        ("ForAllValues:StringNotEquals", ["a"], ("a", "c"), D),
        ("StringEquals", "a", ("a", "b"), U),
        ("StringEquals", "a", ("b", "c"), D),
        ("StringSpelled", "a", "a", U),
        ("ForSome:StringEquals", "a", "a", U),
        ("NullIfExists", "true", "a", U),
    ],
)
def test_condition_operators(operator: str, wanted: Any, value: str | tuple[str, ...], expected: Verdict) -> None:
    assert condition(operator, wanted, value) is expected


@pytest.mark.parametrize(
    ("operator", "missing", "unsaid"),
    [
        ("StringEquals", D, U),
        ("StringNotEquals", A, U),
        ("StringEqualsIfExists", A, U),
        ("StringNotEqualsIfExists", A, U),
        ("ArnNotLike", A, U),
        ("NotIpAddress", A, U),
        ("NumericLessThan", D, U),
        ("DateNotEquals", A, U),
        ("Bool", D, U),
        ("ForAllValues:StringEquals", A, U),
        ("ForAllValues:StringNotEquals", A, U),
        ("ForAnyValue:StringEquals", D, U),
        ("ForAnyValue:StringNotEquals", D, U),
        ("ForAnyValue:StringEqualsIfExists", U, U),
    ],
)
def test_a_missing_key_and_one_nobody_told_us_about(operator: str, missing: Verdict, unsaid: Verdict) -> None:
    assert condition(operator, "true", None) is missing
    assert condition(operator, "true", None, said=False) is unsaid


def test_null_asks_for_the_key_itself() -> None:
    assert condition("Null", "true", None) is A
    assert condition("Null", ["false"], None) is D
    assert condition("Null", True, None) is A
    assert condition("Null", "true", None, said=False) is U


def test_an_unknown_key_that_cannot_matter_is_no_doubt() -> None:
    assert condition("StringLikeIfExists", "*", None, said=False) is A


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("a*", "a*", Truth.YES),
        ("a?*", "a*", Truth.MAYBE),
        ("*a*", "*a*", Truth.YES),
        ("b*", "a*", Truth.NO),
        ("*b", "a*", Truth.MAYBE),
        ("abc", "a*c", Truth.MAYBE),
        ("abd", "a*c", Truth.NO),
        ("*", "*", Truth.YES),
        ("?", "*", Truth.MAYBE),
    ],
)
def test_patterns_against_values_with_an_unknown_part(pattern: str, value: str, expected: Truth) -> None:
    whole = template(pattern).whole
    assert whole is not None
    assert whole.match(value) is expected


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_wildcards_match_what_a_plain_reading_says(pattern: str, value: str) -> None:
    def plain(rest: str, text: str) -> bool:
        if not rest:
            return not text
        if rest[0] == "*":
            return any(plain(rest[1:], text[at:]) for at in range(len(text) + 1))
        return bool(text) and rest[0] in ("?", text[0]) and plain(rest[1:], text[1:])

    whole = template(pattern).whole
    assert whole is not None
    assert (whole.match(value) is Truth.YES) == plain(pattern, value)


@given(
    st.text("ab*?", max_size=6),
    st.text("ab*", max_size=5),
    st.lists(st.text("abc", max_size=3), min_size=5, max_size=5),
)
def test_an_unknown_part_never_yields_a_wrong_certainty(pattern: str, value: str, fills: list[str]) -> None:
    filled = "".join(fills.pop() if char == "*" and fills else char for char in value)
    whole = template(pattern).whole
    assert whole is not None
    found, concrete = whole.match(value), whole.match(filled, exact=True)
    assert found is Truth.MAYBE or found is concrete


@given(
    st.text("a:*?", max_size=8), st.text("a:*", max_size=5), st.lists(st.text("ab", max_size=3), min_size=5, max_size=5)
)
def test_an_unknown_part_without_colons(pattern: str, value: str, fills: list[str]) -> None:
    filled = "".join(fills.pop() if char == "*" and fills else char for char in value)
    whole = template(pattern).whole
    assert whole is not None
    found, concrete = whole.match(value, within=True), whole.match(filled, exact=True)
    assert found is Truth.MAYBE or found is concrete
    assert whole.match(value) is found or whole.match(value) is Truth.MAYBE


def test_matching_takes_linear_time() -> None:
    hostile = "*a" * 2000 + "b"
    started = time.perf_counter()
    assert verdict(replace(DELETE, resource="a" * 5000), allow(resource=hostile)) is D
    assert condition("StringLike", hostile, "a" * 5000) is D
    assert time.perf_counter() - started < 2


def test_variables() -> None:
    mine = allow(resource="arn:aws:ec2:*:*:volume/${aws:PrincipalTag/volume}")
    key = "aws:principaltag/volume"
    assert verdict(replace(DELETE, context=((key, ("vol-1",)),)), mine) is A
    assert verdict(replace(DELETE, context=((key, ("vol-2",)),)), mine) is D
    assert verdict(replace(DELETE, context=((key, ("vol-*",)),)), mine) is U
    assert verdict(replace(DELETE, absent=frozenset({key})), mine) is D
    assert verdict(DELETE, mine) is U
    default = allow(resource="arn:aws:ec2:*:*:volume/${aws:PrincipalTag/volume, 'vol-1'}")
    assert verdict(replace(DELETE, absent=frozenset({key})), default) is A
    assert policy(mine).mentions == {key}


def test_a_variable_without_a_value_in_conditions() -> None:
    request = replace(DELETE, context=(("aws:x", ("web",)),), absent=frozenset({"aws:username"}))
    assert verdict(request, allow(Condition={"StringEquals": {"aws:x": "${aws:username}"}})) is D
    assert verdict(request, allow(Condition={"StringNotEquals": {"aws:x": "${aws:username}"}})) is A


def test_escapes_and_the_old_policy_language() -> None:
    starred = allow(Condition={"StringLike": {"aws:x": "${*}a${?}${$}*"}})
    request = replace(DELETE, context=(("aws:x", ("xa?$b",)),))
    assert verdict(request, starred) is D
    literal = allow(Condition={"StringEquals": {"aws:x": "${aws:y}"}})
    old = policy(literal, version="2008-10-17")
    assert identity_verdict(replace(DELETE, context=(("aws:x", ("${aws:y}",)),)), [old]).verdict is A
    assert old.mentions == {"aws:x"}


def test_incomplete_knowledge_of_the_policies() -> None:
    assert identity_verdict(DELETE, [], complete=True).verdict is D
    assert identity_verdict(DELETE, [], complete=False).verdict is U
    allowed = identity_verdict(DELETE, [policy(allow())], complete=False)
    assert (allowed.verdict, allowed.reason) == (A, "allowed, unless a policy we do not know denies")
    assert identity_verdict(DELETE, [policy(deny())], complete=False).verdict is D


def test_the_boundary_intersects() -> None:
    wide, narrow = policy(allow()), policy(allow("ec2:Describe*"), label="boundary:arn")
    decision = decide(DELETE, identity=[wide], boundary=narrow)
    assert (decision.verdict, decision.by) == (D, "boundary:arn")
    assert decision.reason == "no statement of the permissions boundary allows"
    assert decide(Request("ec2:DescribeVolumes"), identity=[wide], boundary=narrow).verdict is A
    assert decide(Request("ec2:DescribeVolumes"), identity=[], boundary=narrow).verdict is D
    assert decide(DELETE, identity=[], complete=False, boundary=narrow).verdict is D


def test_every_level_of_service_control_policies_must_allow() -> None:
    full, listed = policy(allow(), label="scp:full"), policy(allow(["ec2:*", "iam:*"]), label="scp:p-1")
    secret = Request("secretsmanager:DeleteSecret", f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:ecs-sc!a")
    assert decide(DELETE, identity=[full], scps=[[full], [listed]]).verdict is A
    refused = decide(secret, identity=[full], scps=[[full], [listed]])
    assert (refused.verdict, refused.by) == (D, "scp:p-1")
    assert decide(secret, identity=[full], scps=[[full], [listed, full]]).verdict is A
    assert decide(secret, identity=[full], scps=[[], [full]]).verdict is A
    denied = decide(DELETE, identity=[full], scps=[[full, policy(deny("ec2:De*"), label="scp:p-2")]])
    assert (denied.verdict, denied.by, denied.reason) == (D, "scp:p-2", "explicit deny")


def test_resource_control_policies_only_deny() -> None:
    rcp = policy(deny("secretsmanager:*", Principal="*"), label="rcp:p-9")
    secret = Request("secretsmanager:DeleteSecret", "arn:aws:secretsmanager:eu-west-1:1:secret:a", principal_arn=ROLE)
    assert decide(secret, identity=[policy(allow())], rcps=[[rcp]]).by == "rcp:p-9"
    assert decide(DELETE, identity=[policy(allow())], rcps=[[rcp]]).verdict is A


# --- trust and resource policies -------------------------------------------------------------------------------------

ASSUME = Request("sts:AssumeRole", ROLE, principal_service="ecs.amazonaws.com")
SERVICE = {"Service": "ecs.amazonaws.com"}


def trusts(request: Request, *statements: dict[str, Any]) -> Verdict:
    return trust_verdict(request, policy(*statements, label="trust")).verdict


def trust(effect: str = "Allow", principal: Any = SERVICE, **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", **more}


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (SERVICE, A),
        ({"Service": ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"]}, A),
        ("*", A),
        ({"AWS": "*"}, A),
        ({"Service": "ecs-tasks.amazonaws.com"}, D),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, D),
        ({"Federated": "cognito-identity.amazonaws.com"}, D),
        ({"Service": "ecs.amazonaws.com.cn"}, U),
    ],
)
def test_who_is_trusted(principal: Any, expected: Verdict) -> None:
    assert trusts(ASSUME, trust(principal=principal)) is expected


def test_trust_wildcards_denies_and_not_principal() -> None:
    assert trusts(ASSUME, {**trust(), "Action": "sts:*"}) is A
    assert trusts(ASSUME, {**trust(), "Action": "sts:TagSession"}) is D
    decision = trust_verdict(ASSUME, policy(trust(), trust("Deny", "*", Sid="Stop"), label="trust"))
    assert (decision.verdict, decision.by, decision.statement) == (D, "trust", "Stop")
    others = {"Effect": "Deny", "NotPrincipal": SERVICE, "Action": "sts:AssumeRole"}
    assert trusts(ASSUME, trust(), others) is A
    assert trusts(ASSUME, trust(), {**others, "NotPrincipal": {"Service": "ec2.amazonaws.com"}}) is D


def test_trust_conditions() -> None:
    account = trust(Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}})
    assert trusts(ASSUME, account) is U
    assert trusts(knowing(ASSUME, aws__SourceAccount=ACCOUNT), account) is A
    assert trusts(knowing(ASSUME, aws__SourceAccount=OTHER), account) is D
    arn = trust(Condition={"ArnLike": {"aws:SourceArn": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:*"}})
    assert trusts(knowing(ASSUME, aws__SourceArn=TASK), arn) is A
    assert trusts(knowing(ASSUME, aws__SourceArn=f"arn:aws:ecs:*:{ACCOUNT}:*"), arn) is U
    assert trusts(knowing(ASSUME, absent=("aws:sourcearn",)), arn) is D
    external = trust(Condition={"StringEquals": {"sts:ExternalId": "ticket-42"}})
    assert trusts(knowing(ASSUME, absent=("sts:externalid",)), external) is D
    mfa = trust(Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    assert trusts(knowing(ASSUME, absent=("aws:multifactorauthpresent",)), mfa) is D
    if_exists = trust(Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}})
    assert trusts(knowing(ASSUME, absent=("aws:multifactorauthpresent",)), if_exists) is A
    service = trust("Deny", "*", Condition={"Bool": {"aws:PrincipalIsAWSService": "false"}})
    assert trusts(ASSUME, trust(), service) is A


KMS = Request("kms:CreateGrant", f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1", principal_arn=ROLE)


@pytest.mark.parametrize(
    ("principal", "expected", "reason"),
    [
        ({"AWS": ROLE}, A, "allowed"),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, A, "allowed: delegated to IAM by the account root"),
        ({"AWS": ACCOUNT}, A, "allowed: delegated to IAM by the account root"),
        ({"AWS": [ROLE, ACCOUNT]}, A, "allowed"),
        ({"AWS": OTHER}, D, "no statement allows"),
        ({"AWS": ROLE.replace("infra/", "")}, D, "no statement allows"),
        ({"AWS": ROLE[:-1] + "*"}, D, "no statement allows"),
        ({"AWS": "AROAEXAMPLEID"}, U, "principal cannot be judged"),
        (
            {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/ecsInfrastructureRole/ECSTaskVolumesForEBS"},
            U,
            "principal cannot be judged",
        ),
    ],
)
def test_resource_policies(principal: Any, expected: Verdict, reason: str) -> None:
    decision = resource_verdict(KMS, policy(allow("kms:*", Principal=principal)))
    assert (decision.verdict, decision.reason) == (expected, reason)


def test_a_session_is_its_role_and_a_deny_of_the_root_reaches_it() -> None:
    session = replace(
        KMS, principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/ecsInfrastructureRole/ECSTaskVolumesForEBS"
    )
    key = policy(allow("kms:*", Principal={"AWS": ROLE}))
    assert resource_verdict(session, key).verdict is A
    closed = policy(allow("kms:*", Principal={"AWS": ROLE}), deny("kms:*", Principal={"AWS": ACCOUNT}))
    assert resource_verdict(KMS, closed).verdict is D
    assert resource_verdict(replace(KMS, principal_arn=None), key).verdict is U


def test_a_direct_grant_is_preferred_to_the_delegation() -> None:
    both = policy(allow("kms:*", Principal={"AWS": ACCOUNT}), allow("kms:*", Principal={"AWS": ROLE}, Sid="Direct"))
    decision = resource_verdict(KMS, both)
    assert (decision.statement, decision.reason) == ("Direct", "allowed")


def test_not_principal_needs_the_account_too() -> None:
    def others(listed: Any) -> Verdict:
        stop = {"Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "kms:*", "Resource": "*"}
        return resource_verdict(KMS, policy(allow("kms:*", Principal={"AWS": ROLE}), stop)).verdict

    assert others([ROLE, f"arn:aws:iam::{ACCOUNT}:root"]) is A
    assert others([ROLE]) is U
    assert others([OTHER]) is D


# --- reading ---------------------------------------------------------------------------------------------------------


def test_the_shapes_a_document_comes_in() -> None:
    document = {"Version": "2012-10-17", "Statement": allow("ec2:*")}
    text = json.dumps(document, indent=2)
    plain = parse_policy(document, "a")
    assert plain == parse_policy(text, "a") == parse_policy(quote(text), "a")
    assert hash(plain) == hash(parse_policy(text, "a"))
    assert plain != parse_policy(text, "b")
    assert json.loads(plain.document) == document
    assert identity_verdict(DELETE, [parse_policy('{"Statement":[]}')]).verdict is D


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "%7B%22",
        '{"Statement": 7}',
        '{"Statement": [{"Effect": "allow", "Action": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": {"a": 1}, "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Surprise": 1}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": []}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": "x"}}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"a": {}}}}]}',
        '{"Statement": [{"Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Principal": "everybody"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Principal": {"Robot": "*"}}]}',
        '{"Version": "2099-01-01", "Statement": []}',
        '{"Statement": NaN}',
        "[" * 100_000,
        '{"Statement": ' * 100_000,
        "9" * 10_000,
        " " * 2_000_000,
    ],
)
def test_what_cannot_be_understood_is_unknown(text: str) -> None:
    read = parse_policy(text, "strange")
    assert read.problem
    decision = identity_verdict(DELETE, [policy(allow()), read])
    assert (decision.verdict, decision.by) == (U, "strange")
    assert identity_verdict(DELETE, [read]).verdict is U
    assert identity_verdict(DELETE, [policy(deny()), read]).verdict is D
    assert can_grant(read, "ec2:DeleteVolume")
    assert could_deny(read, "ec2:DeleteVolume")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["Allow", "*", "ec2:*"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["Statement", "Effect", "Action", "Resource", "Condition", "Principal", "StringLike", "x"]
                ),
                inner,
            )
        ),
        max_leaves=20,
    )
)
def test_reading_never_raises(document: Any) -> None:
    read = parse_policy(document, "any")
    assert identity_verdict(DELETE, [read]).verdict in Verdict
    assert resource_verdict(KMS, parse_policy(json.dumps(document), "any")).verdict in Verdict


def test_what_a_policy_could_do() -> None:
    both = policy(allow("ec2:De*", Condition={"Bool": {"aws:x": "true"}}), deny("iam:*", "arn:aws:iam::1:role/x"))
    assert can_grant(both, "EC2:deletevolume")
    assert not can_grant(both, "ec2:AttachVolume")
    assert could_deny(both, "iam:PassRole")
    assert not could_deny(both, "ec2:DeleteVolume")


@given(st.integers(min_value=0, max_value=100_000), st.integers(min_value=0, max_value=100_000))
def test_knowing_less_never_turns_an_answer_round(seed: int, forget: int) -> None:
    """With keys forgotten or blurred the verdict is the same as with full knowledge, or unknown."""
    case = Maker(seed).case()
    full = case.request
    chooser = Maker(forget)
    context = []
    # Keys that follow from who calls are never forgotten: the caller would be put in their place.
    derived = {"aws:principalarn", "aws:principalisawsservice", "aws:principalservicename"}
    for key, values in full.context:
        if key in derived:
            context.append((key, values))
        elif chooser.chance(0.6):
            context.append((key, values if chooser.chance(0.7) else tuple(value[:4] + "*" for value in values)))
    absent = frozenset(key for key in sorted(full.absent) if key in derived or chooser.chance(0.6))
    resource = full.resource[:-3] + "*" if full.resource != "*" and chooser.chance(0.5) else full.resource
    less = replace(full, context=tuple(context), absent=absent, resource=resource)

    def judged(request: Request) -> Verdict:
        if case.resource is not None:
            return resource_verdict(request, parse_policy(case.resource, "r")).verdict
        return decide(
            request,
            identity=[parse_policy(one, f"i{at}") for at, one in enumerate(case.identity)],
            boundary=parse_policy(case.boundary, "b") if case.boundary else None,
            scps=[[parse_policy(one, "s") for one in level] for level in case.scps],
            rcps=[[parse_policy(one, "r") for one in level] for level in case.rcps],
        ).verdict

    certain = judged(full)
    if certain is not U:
        assert judged(less) in (certain, U)
