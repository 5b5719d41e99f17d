"""What sources that run queries at a service share: calls that survive throttling, waiting for an end, sizes, prices.

Prices: `evidence.prices`; Athena charges 10 MB at least for each query.
"""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from typing import Any, Final

from ecs_trail.errors import EcsTrailError, UsageError
from ecs_trail.evidence import prices
from ecs_trail.evidence.aws import BAD_CREDENTIALS, EXPIRED, THROTTLED, access_error, error_code
from ecs_trail.evidence.ledger import Charge, Fetched, Problem
from ecs_trail.times import Window

Pause = Callable[[float], None]

ATHENA_USD_PER_TB: Final = prices.ATHENA_TB
LAKE_USD_PER_GB: Final = prices.LAKE_GB
#: Refusals for speed, or broken connections, in a row before giving up; about three minutes of waiting.
PATIENCE: Final = 12
#: Marks a source whose pages go into a store.
SPAN: Final = "by span"
_LONGEST_PAUSE: Final = 20.0
_ATHENA_LEAST: Final = 10 * 2**20
_BUSY: Final = frozenset({"MaxConcurrentQueriesException"})
_PASSING: Final = frozenset(
    {"InternalServerException", "InternalFailure", "InternalError", "ServiceUnavailable", "ServiceUnavailableException"}
    | {"500", "502", "503", "504"}
)
_SIZE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)\s*([KMGTP]?)(i?)B?", re.IGNORECASE)


class Caller:
    """One client, made on first use; calls are repeated while AWS refuses them for speed or is away for a moment."""

    def __init__(self, make: Callable[[], Any], service: str, where: str, pause: Pause = time.sleep) -> None:
        """`service` is the prefix of IAM actions, `where` stands in errors, `pause` waits so many seconds."""
        self.service = service
        self.where = where
        self.pause = pause
        self._make = make
        self._client: Any = None

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer of an operation (`GetQueryResults`). Raises `AccessError`, or what AWS's refusal means."""
        self._client = self._client or self._make()
        from botocore import xform_name  # noqa: PLC0415 - a client exists, so botocore does
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        tries, is_renewed = 0, False
        while True:
            self._client = self._client or self._make()
            try:
                answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**parameters)
            except (BotoCoreError, ClientError) as error:
                code = error_code(error)
                if code in EXPIRED and not is_renewed:
                    self.close()  # a new session reads the profile again, where somebody may have signed in
                    is_renewed = True
                    continue
                tries += 1
                explained = access_error(error, f"{self.service}:{operation}", self.where)
                is_away = not code and "reached" in explained.message
                if tries > PATIENCE or code in BAD_CREDENTIALS or not (code in _REPEATED or is_away):
                    raise explained from error
                self.pause(min(0.5 * 2**tries, _LONGEST_PAUSE))
            else:
                return answer

    def close(self) -> None:
        """Give the connections back."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


_REPEATED: Final = THROTTLED | _BUSY | _PASSING


def end_unwanted(end: Callable[[], object]) -> str:
    """End a query that nobody waits for any more; gives why it could not be ended, or an empty text.

    It is called while another error is on its way, which must not be replaced by this one.
    """
    try:
        end()
    except EcsTrailError as error:
        return error.message
    return ""


def waits() -> Iterator[float]:
    """Seconds to wait between looks at a running query: short first, never long."""
    seconds = 0.25
    while True:
        yield seconds
        seconds = min(seconds * 1.5, 5.0)


def parse_size(text: str) -> int:
    """Bytes of `500MB`, `10GB`, `1.5TiB` or a plain number. Raises `UsageError` for anything else, and for none."""
    match = _SIZE.fullmatch(text.strip())
    hint = "write a number and a unit: 500MB, 10GB, 1TB."
    if match is None:
        raise UsageError(f"'{text}' is no size.", hint=hint)
    number, unit, binary = match.groups()
    size = int(float(number) * (1024 if binary else 1000) ** " KMGTP".index(unit.upper() or " "))
    if size <= 0:
        raise UsageError(f"'{text}' allows nothing to be read.", hint=hint)
    return size


def format_size(size: int) -> str:
    """Bytes for a person: `1.5 GB`."""
    number = float(size)
    for unit in ("bytes", "KB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def athena_usd(scanned: int) -> float:
    """The estimated price of a query of Athena. One that scanned nothing costs nothing."""
    return round(max(scanned, _ATHENA_LEAST) / 2**40 * ATHENA_USD_PER_TB, 6) if scanned else 0.0


def lake_usd(scanned: int) -> float:
    """The estimated price of a query of CloudTrail Lake."""
    return round(scanned / 2**30 * LAKE_USD_PER_GB, 6)


def place_of(name: str, marked: str, window: Window) -> str:
    """How the pages of a query are named: by the source, and where they go into a store, by the span asked for."""
    start, end = (f"{one.astimezone(UTC):%Y%m%dT%H%M%SZ}" if one else "" for one in (window.start, window.end))
    return f"{name}/{start}-{end}" if marked else name


def charged(charge: Charge) -> Fetched:
    """What a query cost, for the receipt; who knows no charges sees a remark."""
    words = (
        f"the {charge.service} query {charge.query_id} scanned {charge.bytes_scanned:,} bytes, "
        f"about ${charge.estimated_usd:.4f}."
    )
    return Fetched(charge.source, problem=Problem(charge.source, "paid_query", words), charge=charge)


def over_limit(name: str, scanned: int, limit: int, obstacle: str) -> UsageError:
    """The error of a query that read too much; `obstacle` says why it could not be stopped, empty when it was."""
    ended = f"could not be stopped and runs on ({obstacle})" if obstacle else "was stopped"
    return UsageError(
        f"the query of {name} {ended}: it had read {format_size(scanned)}, and --max-scan allows "
        f"{format_size(limit)}. What it reads is charged.",
        hint="a shorter --since/--until reads less; or allow more with --max-scan.",
    )
