"""Requests kept under a documented rate, over all threads of this process.

A slot is taken for one request and rests for a period after its answer has come. A slot's next request therefore
reaches AWS at least one period after the one before, whatever the network did in between: with `rate` slots no period
ever holds more than `rate` requests, as seen by the server.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

Clock = Callable[[], float]
Pause = Callable[[float], object]

#: LookupEvents: requests a second for each account and Region (*AWS CloudTrail API Reference*, "LookupEvents", read on
#: 2026-11-24).
LOOKUP_RATE: Final = 2
#: Seconds that a slot rests. A little over one, as two clocks never run quite alike.
_PERIOD: Final = 1.02
#: Seconds to wait after the first refusal for speed; doubled by every further one in a row.
_FIRST_BACK_OFF: Final = 1.0
_LONGEST_BACK_OFF: Final = 30.0


class Pacer:
    """At most `rate` requests in any second, for all threads that share it. `clock` gives seconds, ever rising."""

    def __init__(self, rate: int = LOOKUP_RATE, *, clock: Clock = time.monotonic, pause: Pause = time.sleep) -> None:
        """`pause` waits that many seconds; a caller of `turn` may bring one that can be interrupted."""
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(rate)
        self._free_at = [0.0] * rate
        self._not_before = 0.0
        self._refusals = 0

    @contextmanager
    def turn(self, pause: Pause | None = None) -> Iterator[None]:
        """Wait for a slot, hold it for the length of one request, then let it rest."""
        with self._slots:
            with self._lock:
                free_at = min(self._free_at)
                self._free_at.remove(free_at)
            try:
                self._wait(free_at, pause or self._pause)
                yield
            finally:
                with self._lock:
                    self._free_at.append(self._clock() + _PERIOD)

    def back_off(self) -> int:
        """AWS has refused a request for speed: nobody asks for a while, longer each time. How often in a row."""
        with self._lock:
            delay = min(_FIRST_BACK_OFF * 2**self._refusals, _LONGEST_BACK_OFF)
            self._refusals += 1
            self._not_before = max(self._not_before, self._clock() + delay)
            return self._refusals

    def answered(self) -> None:
        """A request was answered: the next refusal is the first again."""
        with self._lock:
            self._refusals = 0

    def _wait(self, free_at: float, pause: Pause) -> None:
        while (wait := max(free_at, self._not_before) - self._clock()) > 0:
            pause(wait)


_SHARED: Final[dict[tuple[str, str], Pacer]] = {}
_SHARED_LOCK: Final = threading.Lock()


def shared_pacer(region: str, account: str = "") -> Pacer:
    """The one pacer of this process for LookupEvents in an account and Region.

    An account that is not known shares the pacer of its Region: slower than it could be, never too fast.
    """
    with _SHARED_LOCK:
        return _SHARED.setdefault((account, region), Pacer())
