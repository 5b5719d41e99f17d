"""The evidence store: an append-only folder of Parquet parts with a manifest.

`folder` knows the disk, `manifest` the lines, `plain` how receipts and selections are written down, `parts` the
Parquet layout, `pruning` what of it need not be read, `units` what was read already, `compaction` how many parts become
few. `Store` is the door.
"""

from ecs_trail.evidence.store.store import Store

__all__ = ["Store"]
