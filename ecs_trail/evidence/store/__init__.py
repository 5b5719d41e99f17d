"""The evidence store: an append-only folder of Parquet parts with a manifest.

`folder` knows the disk, `manifest` the lines, `plain` how receipts and selections are written down, `parts` the
Parquet layout, `pruning` what of it need not be read, `units` what was read already, `compaction` how many parts become
few. `Store` is the door.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecs_trail.evidence.store.store import Store as Store

__all__ = ["Store"]


def __getattr__(name: str) -> Any:
    """Load the store on first use (PEP 562): every folder is asked whether it holds one, and Parquet is heavy."""
    if name != "Store":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("ecs_trail.evidence.store.store").Store
