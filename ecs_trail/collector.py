"""Python's garbage collector, held back while many plain objects are made at once: it would walk over them again and
again, and find that all of them are still needed.
"""

import gc


class _Paused:
    """A class and no generator, as it is entered for every file of an archive."""

    __slots__ = ("_was_on",)

    def __enter__(self) -> None:
        self._was_on = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_on:
            gc.enable()


def collector_paused() -> _Paused:
    """A context without garbage collection."""
    return _Paused()
