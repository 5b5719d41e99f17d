"""Terraform plans: the changes of IAM roles in `terraform show -json PLAN`, as proposals.

*Terraform documentation*, "JSON Output Format" (`resource_changes[].change.actions|before|after`), and the AWS
provider's `aws_iam_role`, `aws_iam_role_policy`, `aws_iam_role_policy_attachment`, `aws_iam_policy`; read on
2026-11-24.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ecs_trail.analysis.roles.proposals import NO_BOUNDARY, Proposal
from ecs_trail.arns import last_part
from ecs_trail.errors import UsageError

_HINT: Final = "write it with: terraform show -json plan.out > plan.json"
#: Role of proposals that reach every role a policy is attached to.
EVERY_ROLE: Final = ""


def read_plan(path: Path) -> dict[str, list[Proposal]]:
    """Role name -> what the plan does to it, removals last; `EVERY_ROLE` for managed policies.

    Raises `UsageError` for a file that is no plan.
    """
    found: dict[str, list[Proposal]] = defaultdict(list)
    for change in _changes(path):
        for role, proposal in _proposals(change):
            found[role].append(proposal)
    # Within a plan grants may come before or after removals; what counts here is where it ends.
    order = {"attach": 0, "policy": 1, "trust": 2, "boundary": 2, "scp": 2, "detach": 3, "delete": 4}
    return {role: sorted(listed, key=lambda one: order[one.kind]) for role, listed in sorted(found.items())}


def _changes(path: Path) -> list[dict[str, Any]]:
    try:
        plan = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"the plan '{path}' cannot be read: {error.strerror or error}.", hint=_HINT) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the plan '{path}' is no JSON: {error}.", hint=_HINT) from error
    listed = plan.get("resource_changes") if isinstance(plan, dict) else None
    if not isinstance(listed, list):
        raise UsageError(f"the plan '{path}' has no resource_changes.", hint=_HINT)
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("change"), dict)]


def _proposals(resource: Mapping[str, Any]) -> Iterator[tuple[str, Proposal]]:
    change = resource["change"]
    actions = change.get("actions") or []
    before, after = _object(change.get("before")), _object(change.get("after"))
    gone, made = "delete" in actions, "create" in actions or "update" in actions
    match resource.get("type"):
        case "aws_iam_role":
            yield from _role(before, after, gone=gone and not made, changed="update" in actions or (gone and made))
        case "aws_iam_role_policy":
            name, role = _text(before, "name"), _role_name(before)
            moved = (_text(after, "name"), _role_name(after)) != (name, role)
            if gone and (not made or moved):
                yield role, Proposal("detach", name)
            if made and _text(after, "policy"):
                yield _role_name(after), Proposal("policy", _text(after, "name"), _text(after, "policy"))
        case "aws_iam_role_policy_attachment":
            if gone and _text(before, "policy_arn"):
                yield _role_name(before), Proposal("detach", _text(before, "policy_arn"))
            if made and _text(after, "policy_arn"):
                yield _role_name(after), Proposal("attach", _text(after, "policy_arn"))
        case "aws_iam_policy":
            arn = _text(before, "arn")
            if gone and not made:
                yield EVERY_ROLE, Proposal("detach", arn)
            elif arn and _text(after, "policy") and after.get("policy") != before.get("policy"):
                yield EVERY_ROLE, Proposal("policy", arn, _text(after, "policy"))
        case _:
            return


def _role(
    before: Mapping[str, Any], after: Mapping[str, Any], *, gone: bool, changed: bool
) -> Iterator[tuple[str, Proposal]]:
    name = _text(before, "name")
    if not name:
        return
    # A role that is replaced is deleted first: what was on it goes, and comes back only with its attachments.
    if gone or (changed and _text(after, "name") not in {"", name}):
        yield name, Proposal("delete")
        return
    trust = _text(after, "assume_role_policy")
    if changed and trust and trust != before.get("assume_role_policy"):
        yield name, Proposal("trust", document=trust)
    boundary = _text(after, "permissions_boundary")
    if changed and boundary != _text(before, "permissions_boundary"):
        yield name, Proposal("boundary", boundary or NO_BOUNDARY)


def _role_name(values: Mapping[str, Any]) -> str:
    return last_part(_text(values, "role"))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""
