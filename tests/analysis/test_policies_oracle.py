"""Our verdicts against a second, independent evaluator: @cloud-copilot/iam-simulate, run as a separate node process.

Set ``ECS_TRAIL_IAM_SIMULATE`` to a folder whose ``node_modules`` hold the package to use it without installing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from policy_cases import ACCOUNT, MULTIPLE, ROLE, Case, Maker

from ecs_trail.analysis.policies import Decision, Verdict, decide, parse_policy, resource_verdict

ORACLE = Path(__file__).parent / "oracle"
CASES = 4000
Document = dict[str, Any]
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
RCP_FULL_AWS_ACCESS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, from the environment or freshly installed."""
    if not shutil.which("node"):
        pytest.skip("node is not installed: the policy oracle cannot run")
    if given := os.environ.get("ECS_TRAIL_IAM_SIMULATE"):
        return Path(given)
    if not shutil.which("npm"):
        pytest.skip("npm is not installed: the policy oracle cannot be fetched")
    folder = tmp_path_factory.mktemp("oracle")
    shutil.copy(ORACLE / "package.json", folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--fetch-retries=0"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not answer in two minutes: the policy oracle cannot be fetched")
    if done.returncode:
        pytest.skip("npm could not install @cloud-copilot/iam-simulate (no network?): the policy oracle cannot run")
    return folder


def simulation(case: Case) -> dict[str, Any]:
    """The case in the oracle's words."""

    def levels(found: list[list[Document]]) -> list[Document]:
        return [
            {"orgIdentifier": f"ou-{at}", "policies": [{"name": f"p{n}", "policy": one} for n, one in enumerate(level)]}
            for at, level in enumerate(found)
        ]

    # A key policy that names only the account root leaves the answer to IAM, so IAM must allow there.
    identity = [ALLOW_ALL] if case.kind == "key" else case.identity
    return {
        "request": {
            "principal": case.request.principal_service or ROLE,
            "action": case.request.action,
            "resource": {"resource": case.request.resource, "accountId": ACCOUNT},
            "contextVariables": {key: found if key in MULTIPLE else found[0] for key, found in case.context.items()},
        },
        "identityPolicies": [{"name": f"i{at}", "policy": one} for at, one in enumerate(identity)],
        "serviceControlPolicies": levels(case.scps),
        "resourceControlPolicies": levels([[*level, RCP_FULL_AWS_ACCESS] for level in case.rcps]),
        **({"permissionBoundaryPolicies": [{"name": "b", "policy": case.boundary}]} if case.boundary else {}),
        **({"resourcePolicy": case.resource} if case.resource else {}),
    }


def ours(case: Case) -> Decision:
    if case.resource is not None:
        return resource_verdict(case.request, parse_policy(case.resource, "resource"))
    return decide(
        case.request,
        identity=[parse_policy(one, f"i{at}") for at, one in enumerate(case.identity)],
        boundary=parse_policy(case.boundary, "b") if case.boundary else None,
        scps=[[parse_policy(one, "scp") for one in level] for level in case.scps],
        rcps=[[parse_policy(one, "rcp") for one in level] for level in case.rcps],
    )


def ask(oracle: Path, cases: list[Case]) -> list[Verdict]:
    lines = "".join(json.dumps(simulation(case)) + "\n" for case in cases)
    command = ["node", str(ORACLE / "oracle.cjs"), str(oracle)]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    words = {"Allowed": Verdict.ALLOWED, "ExplicitlyDenied": Verdict.DENIED, "ImplicitlyDenied": Verdict.DENIED}
    return [words[json.loads(line)] for line in done.stdout.splitlines()]


def rewritten(case: Case, change: Callable[[Document], Document]) -> Case:
    """The case with each of its policies rewritten."""
    return replace(
        case,
        identity=[change(one) for one in case.identity],
        boundary=case.boundary and change(case.boundary),
        scps=[[change(one) for one in level] for level in case.scps],
        rcps=[[change(one) for one in level] for level in case.rcps],
        resource=case.resource and change(case.resource),
    )


def in_new_version(policy: Document) -> Document:
    return {**policy, "Version": "2012-10-17"} if "${" in json.dumps(policy) else policy


def without_resource_arns(policy: Document) -> Document:
    found = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    return {**policy, "Statement": [{**one, "Resource": "*"} if "Resource" in one else one for one in found]}


def with_address_prefix(policy: Document) -> Document:
    return json.loads(json.dumps(policy).replace('"198.51.100.1"', '"198.51.100.1/32"'))  # type: ignore[no-any-return]


def without_valueless_variable(policy: Document) -> Document:
    return json.loads(json.dumps(policy).replace("${aws:username}", "-nobody-"))  # type: ignore[no-any-return]


def without_valueless_resource(policy: Document) -> Document:
    text = json.dumps(policy).replace("volume/${aws:PrincipalTag/team}", "volume/-nobody-")
    return json.loads(text)  # type: ignore[no-any-return]


def without_any_if_exists(policy: Document) -> Document:
    text = json.dumps(policy).replace('"ForAnyValue:StringEqualsIfExists"', '"ForAnyValue:StringEquals"')
    return json.loads(text)  # type: ignore[no-any-return]


# Where we knowingly differ: what to take out of the policies so that the difference must vanish, when that applies,
# and why.
# Pages: docs.aws.amazon.com/IAM/latest/UserGuide/<page>.html
ACCEPTED: dict[str, tuple[Callable[[Document], Document], Callable[[Case], bool], str]] = {
    "variables before 2012-10-17": (
        in_new_version,
        lambda case: True,
        "reference_policies_variables: without Version 2012-10-17 variables are literal text; the oracle expands them",
    ),
    "action without resource": (
        without_resource_arns,
        lambda case: case.request.resource == "*",
        "reference_policies_elements_resource: such an action needs Resource *; the oracle takes any ARN",
    ),
    "address without prefix": (
        with_address_prefix,
        lambda case: case.context.get("aws:SourceIp") == ["2001:db8::7"],
        "reference_policies_elements_condition_operators: a bare address means /32; the oracle fails it against IPv6",
    ),
    "variable without a value": (
        without_valueless_variable,
        lambda case: True,
        "reference_policies_variables: inverted operators match such a variable; the oracle fails every operator",
    ),
    "NotResource with a variable without a value": (
        without_valueless_resource,
        lambda case: "aws:PrincipalTag/team" not in case.context,
        "reference_policies_variables: 'will not match any resource' can be read both ways; we say unknown",
    ),
    "ForAnyValue with IfExists": (
        without_any_if_exists,
        lambda case: True,
        "reference_policies_elements_condition_operators: without the key IfExists is true, ForAnyValue false",
    ),
}


def explanations(case: Case) -> Iterator[tuple[str, Case]]:
    """The case with each contested thing taken out, one by one, then all of them."""
    everything = case
    for name, (change, applies, _) in ACCEPTED.items():
        if applies(case) and rewritten(case, change) != case:
            yield name, rewritten(case, change)
            everything = rewritten(everything, change)
    yield "several", everything


@pytest.mark.parametrize("seed", [20260302, pytest.param(42, marks=pytest.mark.slow)])
def test_verdicts_agree_with_the_oracle(oracle: Path, seed: int) -> None:
    maker = Maker(seed)
    cases = [maker.case() for _ in range(CASES)]
    theirs = ask(oracle, cases)
    mine = [ours(case).verdict for case in cases]
    seen = Counter((case.kind.partition("+")[0], verdict) for case, verdict in zip(cases, theirs, strict=True))
    for kind in ("identity", "boundary", "trust", "key"):  # a test that only ever sees one answer proves nothing
        assert min(seen[kind, Verdict.ALLOWED], seen[kind, Verdict.DENIED]) >= 100, seen
    differing = [case for case, one, other in zip(cases, theirs, mine, strict=True) if one is not other]
    assert len(differing) < CASES / 50
    suspects = [(case, name, changed) for case in differing for name, changed in explanations(case)]
    answers = ask(oracle, [changed for _, _, changed in suspects])
    explained = {
        id(case): name
        for (case, name, changed), answer in zip(suspects, answers, strict=True)
        if answer is ours(changed).verdict
    }
    unexplained = [(simulation(case), ours(case)) for case in differing if id(case) not in explained]
    assert not unexplained, unexplained[:3]
    assert set(explained.values()) <= {*ACCEPTED, "several"}


def test_a_planted_fault_is_noticed(oracle: Path) -> None:
    """The comparison must be able to fail: with every deny turned to allow the verdicts differ."""
    maker = Maker(7)
    cases = [maker.case() for _ in range(200)]
    text = [rewritten(case, lambda one: json.loads(json.dumps(one).replace('"Deny"', '"Allow"'))) for case in cases]
    theirs = ask(oracle, cases)
    assert sum(one is not ours(case).verdict for one, case in zip(theirs, text, strict=True)) > 20
