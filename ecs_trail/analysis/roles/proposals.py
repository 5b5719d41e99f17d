"""Changes that nobody has made yet: what a person or a plan is about to do to a role, as the writes it would become.

*IAM API Reference* and *AWS Organizations API Reference*, read on 2026-11-24. IAM deletes a role only when nothing
hangs on it, so a proposed deletion takes off every policy first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.analysis.roles.changes import IAM, ORGANIZATIONS, Change, RoleKey
from ecs_trail.analysis.roles.replay import Material
from ecs_trail.arns import last_part, parse_arn
from ecs_trail.errors import UsageError
from ecs_trail.event_names import IAM_CHANGE_RANKS, ORGANIZATION_CHANGE_RANKS

KINDS: Final = ("detach", "attach", "delete", "trust", "policy", "boundary", "scp")
#: Kinds whose meaning is a document.
WITH_DOCUMENT: Final = frozenset({"trust", "policy", "scp"})
#: `boundary:none` takes the boundary off.
NO_BOUNDARY: Final = "none"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposed change. `subject` is a policy's ARN or name (or empty), `document` the policy as JSON text.

    `detach` and `attach` name a managed policy, `detach` an inline one as well; `policy` puts a document in the place
    of the policy of that name or ARN; an organization policy (`scp`) comes beside those that are there.
    """

    kind: str
    subject: str = ""
    document: str = ""

    def __str__(self) -> str:
        """In the words of the command line."""
        return f"{self.kind}:{self.subject}" if self.subject else self.kind


def proposal(text: str) -> Proposal:
    """A change without a document, from the words of the command line: `delete`, `detach:ARN`, `boundary:ARN`.

    Raises `UsageError` for anything else.
    """
    kind, _, subject = text.partition(":")
    if kind not in KINDS:
        raise UsageError(f"'{kind}' is no kind of change.", hint=f"one of: {', '.join(KINDS)}.")
    if kind in WITH_DOCUMENT:
        raise UsageError(f"a change of kind '{kind}' needs a document.", hint="give Proposal(kind, document=TEXT).")
    if kind == "delete" and subject:
        raise UsageError("'delete' stands alone.", hint="--change delete")
    if kind != "delete" and not subject:
        raise UsageError(f"'{kind}' does not say which policy.", hint=f"--change {kind}:ARN")
    return Proposal(kind, subject)


@dataclass(slots=True)
class Writes:
    """The writes proposals become, and what has to be said about how they were understood."""

    key: RoleKey
    material: Material
    when: datetime
    changes: list[Change] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, proposals: Sequence[Proposal]) -> "Writes":
        """Turn proposals into writes, one second after the other."""
        for one in proposals:
            for name, details in self._details(one):
                self.changes.append(self._change(name, details))
        return self

    def _change(self, name: str, details: dict[str, Any]) -> Change:
        organization = "target_id" in details
        at = len(self.changes)
        ranks = ORGANIZATION_CHANGE_RANKS if organization else IAM_CHANGE_RANKS
        own: dict[str, Any] = (
            {} if organization or name in {"CreatePolicy", "CreatePolicyVersion"} else {"role_name": self.key[1]}
        )
        return Change(
            event_id=f"proposed-{at + 1}",
            event_time=self.when + timedelta(seconds=at),
            event_name=name,
            event_source=ORGANIZATIONS if organization else IAM,
            rank=ranks[name],
            # Organization policies never limit the management account: the proposal comes from another one.
            account="" if organization else self.key[0],
            region="",
            actor="proposed",
            source_ip="",
            user_agent="",
            error_code="",
            error_message="",
            **own,
            **details,
        )

    def _details(self, one: Proposal) -> Iterator[tuple[str, dict[str, Any]]]:
        match one.kind:
            case "detach":
                yield from self._detached(one.subject)
            case "attach":
                if one.document:
                    yield "CreatePolicy", {"policy_arn": one.subject, "document": one.document}
                yield "AttachRolePolicy", {"policy_arn": one.subject}
            case "delete":
                for arn in sorted(self.material.state.attached):
                    yield "DetachRolePolicy", {"policy_arn": arn}
                for name, _ in self.material.state.inline:
                    yield "DeleteRolePolicy", {"policy_name": name}
                yield "DeleteRole", {}
            case "trust":
                yield "UpdateAssumeRolePolicy", {"document": one.document}
            case "policy":
                yield self._rewritten(one)
            case "boundary" if one.subject == NO_BOUNDARY:
                yield "DeleteRolePermissionsBoundary", {}
            case "boundary":
                if one.document:
                    yield "CreatePolicy", {"policy_arn": one.subject, "document": one.document}
                yield "PutRolePermissionsBoundary", {"boundary": one.subject}
            case "scp":
                policy = {"policy_arn": "p-proposed", "document": one.document, "target_id": ""}
                yield "CreatePolicy", policy | {"policy_type": "SERVICE_CONTROL_POLICY"}
                yield "AttachPolicy", {"policy_arn": "p-proposed", "target_id": self.key[0]}
            case _:
                raise UsageError(f"'{one.kind}' is no kind of change.", hint=f"one of: {', '.join(KINDS)}.")

    def _detached(self, policy: str) -> Iterator[tuple[str, dict[str, Any]]]:
        state = self.material.state
        named = [arn for arn in sorted(state.attached) if policy in {arn, last_part(arn)}]
        inline = [name for name, _ in state.inline if name == policy]
        if named:
            yield "DetachRolePolicy", {"policy_arn": named[0]}
        elif inline:
            yield "DeleteRolePolicy", {"policy_name": policy}
        elif state.complete:
            self.remarks.append(f"{policy} is not on the role: taking it off changes nothing.")
        elif parse_arn(policy) is not None:
            self.remarks.append(f"that {policy} is on the role is not in the evidence; it is taken as given.")
            yield "DetachRolePolicy", {"policy_arn": policy}
        else:
            self.remarks.append(f"that {policy} is an inline policy of the role is not in the evidence.")
            yield "DeleteRolePolicy", {"policy_name": policy}

    def _rewritten(self, one: Proposal) -> tuple[str, dict[str, Any]]:
        """The write that puts a document in the place of a policy: of a named one, else of the only one there is."""
        state = self.material.state
        own = [arn for arn in sorted(state.attached) if ":aws:policy/" not in arn]
        names = [name for name, _ in state.inline]
        subject = one.subject
        matched = [arn for arn in own if subject in {arn, last_part(arn)}]
        if not subject and len(own) + len(names) == 1:
            matched, subject = own, (own or names)[0]
            self.remarks.append(f"the document is taken as the new {subject}, the only policy of its kind on the role.")
        if matched or parse_arn(subject) is not None:
            arn = (matched or [subject])[0]
            return "CreatePolicyVersion", {"policy_arn": arn, "document": one.document, "set_as_default": True}
        if subject not in names:
            self.remarks.append("the document is taken as a further inline policy beside those on the role.")
        return "PutRolePolicy", {"policy_name": subject or "proposed", "document": one.document}
