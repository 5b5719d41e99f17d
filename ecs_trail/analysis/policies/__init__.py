"""IAM policies: parsed (`documents`), judged in three values (`evaluation`), AWS's own as dated facts (`managed`)."""

from ecs_trail.analysis.policies.evaluation import (
    Decision,
    Policy,
    Request,
    Statement,
    Verdict,
    can_grant,
    could_deny,
    decide,
    identity_verdict,
    parse_policy,
    resource_verdict,
    trust_verdict,
)

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
