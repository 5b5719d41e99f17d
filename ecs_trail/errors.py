"""Errors a user can act on.

```
EcsTrailError                 what, where, expected, hint; exit code
├── UsageError          (2)   wrong options, unknown source, naive time
├── PartialError        (3)   raised only where a caller asked for all or nothing
├── IntegrityError      (4)   hashes or signatures do not hold
└── AccessError         (5)   denied, throttled out, unreachable
```

A file or record that cannot be read is never an error of this tree: it becomes a *problem* in the receipt.
"""

from typing import ClassVar


class EcsTrailError(Exception):
    """Root of all errors this package raises on purpose.

    `str(error)` is a complete message: what happened, then `Hint:` with the way out where there is one.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the message and the hint apart so that views can lay them out."""
        super().__init__(f"{message}\nHint: {hint}" if hint else message)
        self.message = message
        self.hint = hint


class UsageError(EcsTrailError):
    """The call is wrong: an option, a time, a source that cannot be meant as written."""


class PartialError(EcsTrailError):
    """Part of the evidence could not be read and the caller asked for all or nothing."""

    exit_code: ClassVar[int] = 3


class IntegrityError(EcsTrailError):
    """Evidence does not match its hash or signature."""

    exit_code: ClassVar[int] = 4


class AccessError(EcsTrailError):
    """A source denied access, throttled beyond patience, or could not be reached."""

    exit_code: ClassVar[int] = 5


class MissingExtraError(EcsTrailError):
    """An optional package is needed for what was asked."""

    @classmethod
    def for_feature(cls, feature: str, extra: str) -> "MissingExtraError":
        """Name the feature and the extra that brings it."""
        return cls(f"{feature} needs an optional package.", hint=f"pip install 'ecs-trail[{extra}]'")
