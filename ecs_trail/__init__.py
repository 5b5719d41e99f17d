"""ecs_trail: CloudTrail forensics for the Amazon ECS infrastructure role.

```python
import ecs_trail as et

case = et.investigate("sample_logs")   # what broke, when, by whom, what hangs on it, how to repair it
case.tasks.query("state == 'stuck'")   # plain pandas from here on
frame = et.read("sample_logs")         # ad hoc: one DataFrame of events
et.collect("s3://trail", "case-042")   # read once into a store, ask it often: et.investigate(et.Store("case-042"))
```

Everything public is listed in `__all__` and loaded on first use, so that `import ecs_trail` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecs_trail.version import VERSION

if TYPE_CHECKING:
    from ecs_trail.case import Case as Case
    from ecs_trail.doors import Store as Store
    from ecs_trail.doors import collect as collect
    from ecs_trail.doors import investigate as investigate
    from ecs_trail.doors import read as read
    from ecs_trail.doors import snapshot as snapshot
    from ecs_trail.errors import AccessError as AccessError
    from ecs_trail.errors import EcsTrailError as EcsTrailError
    from ecs_trail.errors import IntegrityError as IntegrityError
    from ecs_trail.errors import UsageError as UsageError
    from ecs_trail.schema import EVENT_SCHEMA as EVENT_SCHEMA
    from ecs_trail.selection import Clause as Clause
    from ecs_trail.selection import Selection as Selection
    from ecs_trail.selection import default_selection as default_selection
    from ecs_trail.selection import everything as everything
    from ecs_trail.selection import session as session
    from ecs_trail.times import Window as Window

__version__ = VERSION

_HOMES = {
    "EVENT_SCHEMA": "ecs_trail.schema",
    "AccessError": "ecs_trail.errors",
    "Case": "ecs_trail.case",
    "Clause": "ecs_trail.selection",
    "EcsTrailError": "ecs_trail.errors",
    "IntegrityError": "ecs_trail.errors",
    "Selection": "ecs_trail.selection",
    "Store": "ecs_trail.doors",
    "UsageError": "ecs_trail.errors",
    "Window": "ecs_trail.times",
    "collect": "ecs_trail.doors",
    "default_selection": "ecs_trail.selection",
    "everything": "ecs_trail.selection",
    "investigate": "ecs_trail.doors",
    "read": "ecs_trail.doors",
    "session": "ecs_trail.selection",
    "snapshot": "ecs_trail.doors",
}

__all__ = [
    "EVENT_SCHEMA",
    "AccessError",
    "Case",
    "Clause",
    "EcsTrailError",
    "IntegrityError",
    "Selection",
    "Store",
    "UsageError",
    "Window",
    "__version__",
    "collect",
    "default_selection",
    "everything",
    "investigate",
    "read",
    "session",
    "snapshot",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'ecs_trail' has no attribute {name!r}; it has {__all__}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted(__all__)
