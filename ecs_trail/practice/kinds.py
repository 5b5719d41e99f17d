"""The registry of kinds: a name for every plot, in the order of telling."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from ecs_trail.practice import kinds_beyond, kinds_ends, kinds_harmless, kinds_policies, kinds_roles
from ecs_trail.practice.stage import Stage

Plot: TypeAlias = Callable[[Stage], None]

_MODULES: Final = (kinds_policies, kinds_roles, kinds_beyond, kinds_harmless, kinds_ends)


def _plots() -> dict[str, Plot]:
    return {
        name: thing
        for module in _MODULES
        for name, thing in vars(module).items()
        if callable(thing) and getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_")
    }


#: Kind -> plot.
PLOTS: Final[Mapping[str, Plot]] = MappingProxyType(_plots())
