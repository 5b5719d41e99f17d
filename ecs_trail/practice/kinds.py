"""The registry of kinds: a name for every plot, in the order of telling."""

from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Final, TypeAlias

from ecs_trail.practice import (
    kinds_beyond,
    kinds_conduct,
    kinds_ends,
    kinds_harmless,
    kinds_policies,
    kinds_purposes,
    kinds_roles,
    kinds_tls,
)
from ecs_trail.practice.stage import Stage

Plot: TypeAlias = Callable[[Stage], None]

#: Modules whose incidents happen in any partition that has all they need.
_FAR: Final = (kinds_tls, kinds_purposes, kinds_conduct)
_MODULES: Final = (kinds_policies, kinds_roles, kinds_beyond, kinds_harmless, kinds_ends, *_FAR)


def _plots(modules: tuple[ModuleType, ...]) -> dict[str, Plot]:
    return {
        name: thing
        for module in modules
        for name, thing in vars(module).items()
        if callable(thing) and getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_")
    }


#: Kind -> plot.
PLOTS: Final[Mapping[str, Plot]] = MappingProxyType(_plots(_MODULES))
#: Kinds that happen in any partition.
FAR: Final = frozenset(_plots(_FAR))
