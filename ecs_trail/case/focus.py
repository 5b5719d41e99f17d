"""What the user narrows an investigation to."""

from dataclasses import dataclass

from ecs_trail.arns import last_part, role_key
from ecs_trail.errors import UsageError
from ecs_trail.frames import Sheet, rows


@dataclass(frozen=True)
class Focus:
    """What the user narrows an investigation to; None asks for all. `role` is an ARN or a name."""

    role: str | None = None
    account: str | None = None
    region: str | None = None
    cluster: str | None = None

    def role_in(self, events: Sheet) -> str | None:
        """The role as an ARN; None for a bare name that more than one account of the events may hold."""
        if self.role is None or role_key(self.role) is not None:
            return self.role
        accounts = sorted({account for account in events.column("account_id") if account})
        only = self.account or (accounts[0] if len(accounts) == 1 else None)
        return f"arn:aws:iam::{only}:role/{self.role}" if only else None

    def narrowed(self, uses: Sheet) -> Sheet:
        """The uses (`ROLE_USES`) of the role alone. Raises `UsageError` where the evidence does not know it."""
        if self.role is None:
            return uses
        key, name = role_key(self.role), last_part(self.role)
        listed = rows(uses)
        mine = [(row["account"], row["role_name"]) == key if key else row["role_name"] == name for row in listed]
        if not any(mine):
            known = ", ".join(sorted({row["role_arn"] for row in listed})) or "none"
            raise UsageError(f"no role '{name}' in the evidence.", hint=f"infrastructure roles in it: {known}.")
        return uses.kept(mine)
