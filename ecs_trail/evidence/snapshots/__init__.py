"""States at one moment: IAM roles, ECS tasks and services, EBS volumes; read from saved files, or taken live.

role_states and volume_states read what was saved; asking → ecs, iam → taking read AWS and save it in those very shapes.
"""

from ecs_trail.evidence.snapshots.role_states import RoleSnapshot, read_role_state

__all__ = ["RoleSnapshot", "read_role_state"]
