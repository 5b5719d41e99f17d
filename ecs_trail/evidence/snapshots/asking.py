"""One AWS client whose refusals are named instead of raised: what can be read is read, the rest is said."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ecs_trail.evidence.aws import access_error, error_code
from ecs_trail.evidence.ledger import Problem

Answer = dict[str, Any]
#: Codes that say a thing is not there, which is an answer and no refusal.
ABSENT: Final = frozenset({"NoSuchEntity", "NoSuchEntityException", "ClusterNotFoundException"})


@dataclass
class Ledger:
    """What all askers of one snapshot met: calls answered, and what was refused."""

    answered: int = 0
    problems: list[Problem] = field(default_factory=list)

    def tell(self, where: str, kind: str, detail: str) -> None:
        """Keep a problem or a remark, once."""
        problem = Problem(where, kind, detail)
        if problem not in self.problems:
            self.problems.append(problem)


class Asker:
    """Asks one service in one place. `refused` holds the actions that were not answered."""

    def __init__(self, client: Any, service: str, where: str, ledger: Ledger) -> None:
        """`service` is the prefix of IAM actions, `where` the place in words, for problems."""
        self.client = client
        self.where = where
        self.ledger = ledger
        self.refused: list[str] = []
        self._service = service

    def ask(self, call: str, **parameters: Any) -> Answer | None:
        """The answer of one call; None where it was refused, which is told, or where the thing is not there."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - optional

        try:
            answer: Answer = getattr(self.client, _method(call))(**parameters)
        except (BotoCoreError, ClientError) as error:
            self._tell(call, error)
            return None
        self.ledger.answered += 1
        return answer

    def list_all(self, call: str, member: str, **parameters: Any) -> list[Any]:
        """The entries of every page, following every token; those before a refusal are kept, and it is told."""
        return list(self._entries(call, member, parameters))

    def pages(self, call: str, **parameters: Any) -> Iterator[Answer]:
        """The answers of a call for which the SDK has no paginator, following every token; ends at a refusal."""
        token: dict[str, Any] = {}
        while True:
            answer = self.ask(call, **parameters, **token)
            if answer is None:
                return
            yield answer
            if not answer.get("nextToken"):
                return
            token = {"nextToken": answer["nextToken"]}

    def _entries(self, call: str, member: str, parameters: Answer) -> Iterator[Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - optional

        pages = iter(self.client.get_paginator(_method(call)).paginate(**parameters))
        while True:
            try:
                page = next(pages, None)
            except (BotoCoreError, ClientError) as error:
                self._tell(call, error)
                return
            if page is None:
                return
            self.ledger.answered += 1
            yield from page.get(member, ())

    def _tell(self, call: str, error: Exception) -> None:
        if error_code(error) in ABSENT:
            self.ledger.answered += 1
            return
        action = f"{self._service}:{call}"
        self.refused.append(action)
        self.ledger.tell(self.where, "no_permission", access_error(error, action, self.where).message)


def chunks(listed: Iterable[str], size: int) -> Iterator[list[str]]:
    """A list in pieces of at most `size`."""
    whole = list(listed)
    return (whole[start : start + size] for start in range(0, len(whole), size))


def plain(value: Any) -> Any:
    """An answer as JSON values: times as ISO 8601 in UTC, the SDK's own notes left out."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


def _method(call: str) -> str:
    """`DescribeTasks` as the SDK spells it: `describe_tasks`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in call).removeprefix("_")
