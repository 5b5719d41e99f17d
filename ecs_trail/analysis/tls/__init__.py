"""Service Connect TLS.

calls (every call on a secret) → lives (issue, rotations, deletion; services name them) → locks (changes outside the
role) → links (what blocked a step) → secrets (one judged row per secret).
"""

from ecs_trail.analysis.tls.calls import TLS_CALLS, tls_calls
from ecs_trail.analysis.tls.secrets import TLS, tls

__all__ = ["TLS", "TLS_CALLS", "tls", "tls_calls"]
