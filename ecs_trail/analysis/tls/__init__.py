"""Service Connect TLS.

calls (every call on a secret) → lives (issue, rotations, deletion; services name them) → locks (changes outside the
role) → links (what blocked a step) → secrets (one judged row per secret); steps gathers the calls of each rotation.
"""

from ecs_trail.analysis.tls.calls import TLS_CALLS, tls_calls
from ecs_trail.analysis.tls.secrets import TLS, tls
from ecs_trail.analysis.tls.steps import TLS_STEPS, tls_steps

__all__ = ["TLS", "TLS_CALLS", "TLS_STEPS", "tls", "tls_calls", "tls_steps"]
