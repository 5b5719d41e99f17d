"""Colours by meaning, in one place: what a state looks like is the same in every figure, page and theme.

The hues start from those of Okabe and Ito ("Color Universal Design", read on 2026-11-24) and were moved until they
stand out from the paper of their theme and stay apart for people without one kind of cone; the tests measure both.
States are never told by hue alone: hatching, the shape of a mark and the words say the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one theme, as CSS hex."""

    name: str
    paper: str
    panel: str
    ink: str
    soft: str
    line: str
    good: str
    bad: str
    warn: str
    calm: str
    deep: str
    gone: str
    unknown: str
    violet: str

    def colour(self, meaning: str) -> str:
        """The colour of a state or kind of mark; a word nobody planned is shown as unknown."""
        return str(getattr(self, MEANINGS.get(meaning, "unknown")))


LIGHT: Final = Palette(
    name="light",
    paper="#ffffff",
    panel="#f5f7f9",
    ink="#1c2128",
    soft="#57606a",
    line="#d5dbe1",
    good="#00805e",
    bad="#c44601",
    warn="#d87e00",
    calm="#5290d3",
    deep="#0b51a5",
    gone="#b9c1c9",
    unknown="#9aa4ae",
    violet="#a4578a",
)
DARK: Final = Palette(
    name="dark",
    paper="#12161c",
    panel="#1b2129",
    ink="#e6edf3",
    soft="#9da9b5",
    line="#333c47",
    good="#2bb48c",
    bad="#f05e2a",
    warn="#efb13b",
    calm="#4689b8",
    deep="#87b5f1",
    gone="#55606c",
    unknown="#7b8794",
    violet="#d48fbd",
)
PALETTES: Final[Mapping[str, Palette]] = MappingProxyType({"light": LIGHT, "dark": DARK})

#: State or kind of mark -> field of `Palette`.
MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "able": "good",
        "healthy": "good",
        "recovered": "good",
        "restores": "good",
        "success": "good",
        "broken": "bad",
        "stuck": "bad",
        "blocked": "bad",
        "leaked": "bad",
        "failed_to_start": "bad",
        "breaks": "bad",
        "denied": "bad",
        "lost": "bad",
        "removed_by_other": "violet",
        "stopping": "warn",
        "detached": "warn",
        "rotation_overdue": "warn",
        "at_risk": "warn",
        "kept": "violet",
        "running": "calm",
        "attached": "calm",
        "created": "deep",
        "rotated": "deep",
        "issued": "deep",
        "deleted": "gone",
        "stopped": "gone",
        "absent": "gone",
        "none": "soft",
        "other": "soft",
        "refused": "soft",
    }
)
#: State -> the word of a legend. The order is that of the legend.
STATE_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "able": "able",
        "lost": "lost",
        "broken": "unable",
        "running": "running",
        "at_risk": "running, at risk",
        "attached": "attached",
        "healthy": "healthy",
        "stopping": "stopping",
        "stuck": "stuck",
        "blocked": "blocked",
        "detached": "detached, not deleted",
        "leaked": "leaked",
        "kept": "kept by design",
        "created": "created, not attached",
        "rotation_overdue": "rotation overdue",
        "unknown": "not known",
    }
)
#: Kind of mark -> the word of a legend.
MARK_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "breaks": "change that took an ability",
        "restores": "change that gave one back",
        "other": "other change",
        "refused": "refused change",
        "denied": "denied call of ECS",
        "failed_to_start": "failed to start",
        "recovered": "recovered",
        "deleted": "deleted",
        "issued": "certificate issued",
        "rotated": "certificate rotated",
    }
)
#: States that are hatched as well as coloured.
HATCHED: Final = frozenset({"broken", "lost", "stuck", "blocked", "leaked", "unknown"})


def state_word(state: str) -> str:
    """A state in words: `failed to start`; the word of the legend where it has one."""
    return STATE_WORDS.get(state, state.replace("_", " "))


#: States, the most urgent first; what is not named comes last.
_URGENT: Final = (
    *("stuck", "blocked", "leaked", "failed_to_start", "removed_by_other", "at_risk", "rotation_overdue"),
    *("recovered", "stopping", "detached", "unknown", "kept", "running", "attached", "created", "healthy"),
)
_PLACE: Final = {state: place for place, state in enumerate(_URGENT)}


def urgency(state: str | None) -> int:
    """The place of a state among all, the most urgent first: a key to sort by."""
    return _PLACE.get(state or "", len(_PLACE))
