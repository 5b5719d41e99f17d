"""IAM policy evaluation in three values: allowed, denied, unknown.

Rests on the IAM User Guide, read in 2026: "Policy evaluation logic" (reference_policies_evaluation-logic.html),
"Grammar of the IAM JSON policy language" (reference_policies_grammar.html), the element pages Action, Resource,
Principal and NotPrincipal, and on the Organizations guide for SCPs and RCPs (orgs_manage_policies_scps_evaluation.html,
orgs_manage_policies_rcps.html).

An explicit deny wins; identity policies are a union; boundary and every SCP level must allow as well; RCPs only deny,
as AWS always attaches ``RCPFullAWSAccess``. Where the request does not say enough, the answer is *unknown*, never a
guess. Session policies, VPC endpoint policies and the exemptions of service-linked roles and management accounts are
the caller's to know. Pure functions: no I/O, no clock. Texts in a :class:`Decision` may come from an attacker; views
must escape them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from ecs_trail.analysis.policies.documents import Policy, Statement, parse_policy
from ecs_trail.analysis.policies.patterns import Context, Truth, negate

__all__ = [
    "Decision",
    "Policy",
    "Request",
    "Statement",
    "Verdict",
    "can_grant",
    "could_deny",
    "decide",
    "identity_verdict",
    "parse_policy",
    "resource_verdict",
    "trust_verdict",
]


class Verdict(StrEnum):
    """What the policies say about a request."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Request:
    """One call to judge.

    ``action``: ``ec2:DeleteVolume``, any case. ``resource``: an ARN, in which ``*`` stands for a part we do not know,
    or exactly ``*`` for an action without resource. ``context``: lower-cased condition keys known to be present, with
    their values (``*`` again stands for an unknown part). ``absent``: lower-cased keys known to be absent; an entry
    ending in ``*`` covers a prefix. Keys in neither are unknown. ``principal_service`` and ``principal_arn`` say who
    calls, for policies with a Principal; ``account`` is the caller's account where ``principal_arn`` does not say it.
    """

    action: str
    resource: str = "*"
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()
    absent: frozenset[str] = frozenset()
    principal_service: str | None = None
    principal_arn: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """

    verdict with its reason: ``by`` is the label of the policy that decided, ``statement`` its Sid or ``#index``.
    """

    verdict: Verdict
    by: str
    statement: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Survey:
    """The best Allow and the best Deny of one policy for one request."""

    policy: Policy
    allow: Truth
    allow_by: Statement | None
    deny: Truth
    deny_by: Statement | None


@lru_cache(maxsize=16384)
def _by_action(policy: Policy, action: str) -> tuple[Statement, ...]:
    return tuple(statement for statement in policy.statements if statement.covers(action))


@lru_cache(maxsize=16384)
def _context(request: Request) -> Context:
    """The request's keys, with those that follow from who calls (reference_policies_condition-keys.html)."""
    derived: dict[str, tuple[str, ...]] = {}
    if request.principal_service is not None:
        derived["aws:principalservicename"] = (request.principal_service,)
        derived["aws:principalisawsservice"] = ("true",)
    elif request.principal_arn is not None:
        derived["aws:principalisawsservice"] = ("false",)
        if ":iam:" in request.principal_arn:
            derived["aws:principalarn"] = (request.principal_arn,)
    given = {key.lower(): values for key, values in request.context}
    kept = {key: values for key, values in derived.items() if key not in request.absent}
    return Context({**kept, **given}, request.absent)


def _resource(statement: Statement, request: Request) -> Truth:
    if statement.resources is None:
        return Truth.YES
    # A bare "*" is no ARN with an unknown part: the action has no resource, and only Resource "*" takes it in.
    # The unknown part of an ARN is an id, a name or an account: none of them holds a colon.
    exact, within = request.resource == "*", request.resource.count(":") >= 5
    context = _context(request)
    matches = (one.match(request.resource, context, exact=exact, within=within) for one in statement.resources)
    found = max(matches, default=Truth.NO)
    if not statement.not_resource:
        return found
    # "Will not match any resource", says the page on variables of a NotResource without value: read it either way.
    valueless = found is Truth.NO and any(one.resolve(context) is None for one in statement.resources)
    return Truth.MAYBE if valueless else negate(found)


def _principal(statement: Statement, request: Request) -> Truth:
    if statement.principals is None:
        return Truth.YES
    direct, root = statement.principals.names(request.principal_service, request.principal_arn, request.account)
    if not statement.not_principal:
        return max(direct, root)
    if request.principal_arn is None:
        return negate(direct)
    # NotPrincipal must list the role and its account; with the role alone AWS may still deny the account's principals.
    return Truth.YES if direct is Truth.NO else Truth.NO if min(direct, root) is Truth.YES else Truth.MAYBE


def _match(statement: Statement, request: Request) -> Truth:
    found = min(_principal(statement, request), _resource(statement, request))
    for clause in statement.clauses:
        if found is Truth.NO:
            break
        found = min(found, clause.judge(_context(request)))
    return found


def _is_direct(statement: Statement, request: Request) -> bool:
    if statement.principals is None or statement.not_principal:
        return True
    names = statement.principals.names(request.principal_service, request.principal_arn, request.account)
    return names[0] is Truth.YES


@lru_cache(maxsize=1 << 16)
def _survey(policy: Policy, request: Request) -> _Survey:
    if policy.problem is not None:
        return _Survey(policy, Truth.MAYBE, None, Truth.MAYBE, None)
    best: dict[bool, tuple[Truth, Statement | None]] = {True: (Truth.NO, None), False: (Truth.NO, None)}
    for statement in _by_action(policy, request.action.lower()):
        found = _match(statement, request)
        held, holder = best[statement.allows]
        # Of two equal allows the one that names the caller is the better reason than one that names its account.
        nearer = found is held and holder and _is_direct(statement, request) and not _is_direct(holder, request)
        if found > held or nearer:
            best[statement.allows] = (found, statement)
    return _Survey(policy, *best[True], *best[False])


def _doubt(survey: _Survey, statement: Statement | None, request: Request) -> str:
    """Why a match is MAYBE, in plain words."""
    if statement is None:
        return f"policy cannot be read: {survey.policy.problem}"
    if _principal(statement, request) is Truth.MAYBE:
        return "principal cannot be judged"
    if _resource(statement, request) is Truth.MAYBE:
        return "resource is only partly known"
    unsure = [clause.key for clause in statement.clauses if clause.judge(_context(request)) is Truth.MAYBE]
    return f"condition {unsure[0][:128]} cannot be judged" if unsure else "cannot be judged"


def _decision(verdict: Verdict, survey: _Survey, statement: Statement | None, reason: str) -> Decision:
    return Decision(verdict, survey.policy.label, statement.name if statement else "", reason)


def _denial(surveys: Iterable[_Survey], wanted: Truth, request: Request) -> Decision | None:
    """The first deny of this truth: YES makes DENIED, MAYBE makes UNKNOWN."""
    for survey in surveys:
        if survey.deny is wanted:
            if wanted is Truth.YES:
                return _decision(Verdict.DENIED, survey, survey.deny_by, "explicit deny")
            reason = f"a deny may apply: {_doubt(survey, survey.deny_by, request)}"
            return _decision(Verdict.UNKNOWN, survey, survey.deny_by, reason)
    return None


def _grant(surveys: Sequence[_Survey], where: str, request: Request) -> Decision:
    """What one layer's Allow statements say, denies aside."""
    best = max(surveys, key=lambda survey: survey.allow, default=None)
    if best is None or best.allow is Truth.NO:
        by = surveys[0].policy.label if where and len(surveys) == 1 else ""
        return Decision(Verdict.DENIED, by, "", f"no statement{where} allows")
    if best.allow is Truth.MAYBE:
        return _decision(Verdict.UNKNOWN, best, best.allow_by, _doubt(best, best.allow_by, request))
    return _decision(Verdict.ALLOWED, best, best.allow_by, "allowed")


def identity_verdict(request: Request, policies: Sequence[Policy], *, complete: bool = True) -> Decision:
    """What the identity policies together say. ``complete`` False: there may be more of them than we know."""
    return decide(request, identity=policies, complete=complete)


def decide(
    request: Request,
    *,
    identity: Sequence[Policy],
    complete: bool = True,
    boundary: Policy | None = None,
    scps: Sequence[Sequence[Policy]] = (),
    rcps: Sequence[Sequence[Policy]] = (),
) -> Decision:
    """Identity policies within boundary, SCPs and RCPs.

    ``scps``, ``rcps``: one inner sequence per level of the account tree; an empty one is a level of which nothing is
    known and is ignored. With ``complete`` False "nothing allows" is UNKNOWN, while an allow stays ALLOWED.
    """
    layers = [("", identity)]
    if boundary is not None:
        layers.append((" of the permissions boundary", (boundary,)))
    layers += [(f" of the service control policies at level {at}", level) for at, level in enumerate(scps) if level]
    surveys = [(where, [_survey(policy, request) for policy in level]) for where, level in layers]
    everyone = [one for _, level in surveys for one in level]
    everyone += [_survey(policy, request) for level in rcps for policy in level]
    if denied := _denial(everyone, Truth.YES, request):
        return denied
    grants = [_grant(level, where, request) for where, level in surveys]
    if grants[0].verdict is Verdict.DENIED and not complete:
        grants[0] = Decision(Verdict.UNKNOWN, "", "", "no known statement allows; other policies may exist")
    refused = next((grant for grant in grants if grant.verdict is Verdict.DENIED), None)
    doubted = _denial(everyone, Truth.MAYBE, request)
    unsure = next((grant for grant in grants if grant.verdict is Verdict.UNKNOWN), None)
    if found := refused or doubted or unsure:
        return found
    if complete:
        return grants[0]
    return Decision(
        Verdict.ALLOWED, grants[0].by, grants[0].statement, "allowed, unless a policy we do not know denies"
    )


def trust_verdict(request: Request, trust: Policy) -> Decision:
    """What a role's trust policy says to ``sts:AssumeRole`` by ``principal_service`` (or ``principal_arn``)."""
    return resource_verdict(request, trust)


def resource_verdict(request: Request, policy: Policy) -> Decision:
    """What a resource policy (key policy, CA policy, secret policy) says to the calling role or service.

    An Allow for the account root leaves the answer to IAM: ALLOWED, with a reason that says "delegated to IAM". Rests
    on "Principal" (reference_policies_elements_principal.html) and the KMS guide (key-policy-default.html).
    """
    survey = _survey(policy, request)
    if denied := _denial([survey], Truth.YES, request):
        return denied
    grant = _grant([survey], "", request)
    if grant.verdict is Verdict.DENIED:
        return grant
    if doubted := _denial([survey], Truth.MAYBE, request):
        return doubted
    if grant.verdict is Verdict.ALLOWED and survey.allow_by and not _is_direct(survey.allow_by, request):
        return Decision(Verdict.ALLOWED, grant.by, grant.statement, "allowed: delegated to IAM by the account root")
    return grant


def can_grant(policy: Policy, action: str) -> bool:
    """Whether an Allow statement could ever match the action, whatever resource and condition."""
    return policy.problem is not None or any(one.allows for one in _by_action(policy, action.lower()))


def could_deny(policy: Policy, action: str) -> bool:
    """The same for Deny statements."""
    return policy.problem is not None or any(not one.allows for one in _by_action(policy, action.lower()))
