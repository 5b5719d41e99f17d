"""Figures: each takes frames of a case and gives a `plotly.graph_objects.Figure`, in one theme, light or dark.

They say so when there is nothing, and gather and count when there is too much to draw. `case.figure(name)` brings the
frames along. Needs the extra `report`; without plotly, importing this package raises `MissingExtraError`.
"""

from ecs_trail.views.figures.counts import (
    caller_table,
    denied_calls,
    leak_inventory,
    session_heatmap,
    time_to_recover,
)
from ecs_trail.views.figures.lanes import incident_overview, role_history, tls_lifecycle, volume_swimlanes

__all__ = [
    "caller_table",
    "denied_calls",
    "incident_overview",
    "leak_inventory",
    "role_history",
    "session_heatmap",
    "time_to_recover",
    "tls_lifecycle",
    "volume_swimlanes",
]
