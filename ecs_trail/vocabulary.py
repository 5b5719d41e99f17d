"""The words of the field, each in one place: sessions, events, purposes, phases, states, findings.

AWS facts in this module come from these pages, read on 2026-11-24:

* sessions and managed policies: *Amazon ECS Developer Guide*, "Amazon ECS infrastructure IAM role" and the pages of
  the AWS managed policies for Amazon ECS,
* the actions that volume teardown needs: the same page, its note on modifying the role,
* TLS actions: the same guide, "Encrypt Service Connect traffic",
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

ECS_SERVICE: Final = "ecs.amazonaws.com"
#: Host names under which ECS acts. The China spelling is confirmed by no page, so it stands beside the documented one.
ECS_HOSTS: Final = frozenset({"ecs.amazonaws.com", "ecs.amazonaws.com.cn"})

TAG_CREATED: Final = "AmazonECSCreated"
TAG_MANAGED: Final = "AmazonECSManaged"
TAG_CLUSTER: Final = "aws:ecs:clusterName"
TAG_SERVICE: Final = "aws:ecs:serviceName"
RESERVED_TAGS: Final = frozenset({TAG_CREATED, TAG_MANAGED})
SECRET_PREFIX: Final = "ecs-sc!"  # noqa: S105 - the start of a secret's name


class Purpose(StrEnum):
    """What an infrastructure role is for; one role may serve several."""

    VOLUMES = "volumes"
    TLS = "tls"
    LATTICE = "lattice"
    LOAD_BALANCERS = "load_balancers"
    MANAGED_INSTANCES = "managed_instances"


class Phase(StrEnum):
    """A stretch of work for which ECS needs a known set of actions."""

    PROVISION = "provision"
    TEARDOWN = "teardown"
    ISSUE = "issue"
    ROTATE = "rotate"
    DELETE = "delete"


class Effect(StrEnum):
    """What a role change did to the abilities that ECS needs."""

    BREAKS = "breaks"
    RESTORES = "restores"
    NONE = "none"
    UNKNOWN = "unknown"


class TaskState(StrEnum):
    """States of a task that depends on an infrastructure role (contract, "Words with one meaning")."""

    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    STUCK = "stuck"
    RECOVERED = "recovered"
    FAILED_TO_START = "failed_to_start"
    UNKNOWN = "unknown"


class TlsState(StrEnum):
    """States of a Service Connect secret."""

    HEALTHY = "healthy"
    BLOCKED = "blocked"
    RECOVERED = "recovered"
    ROTATION_OVERDUE = "rotation_overdue"
    DELETED = "deleted"
    REMOVED_BY_OTHER = "removed_by_other"
    UNKNOWN = "unknown"


class VolumeState(StrEnum):
    """States of an ECS-managed EBS volume."""

    CREATED = "created"
    ATTACHED = "attached"
    DETACHED = "detached"
    DELETED = "deleted"
    BLOCKED = "blocked"
    KEPT = "kept"
    LEAKED = "leaked"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    """How sure a claim is: replay and denials agree, one of the two, or silence and timing only."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Basis(StrEnum):
    """What a claim stands on."""

    POLICY_REPLAY = "policy_replay"
    TRUST_REPLAY = "trust_replay"
    ROLE_DELETED = "role_deleted"
    DENIED_CALLS = "denied_calls"
    POLICY_TYPE_IN_ERROR = "policy_type_in_error"
    TASK_STATUS_REASON = "task_status_reason"
    SILENCE = "silence"


class FindingKind(StrEnum):
    """Kinds of finding an investigation can report."""

    STUCK_TASKS = "stuck_tasks"
    TASKS_AT_RISK = "tasks_at_risk"
    LEAKED_VOLUMES = "leaked_volumes"
    TLS_BLOCKED = "tls_blocked"
    PASS_ROLE_DENIED = "pass_role_denied"  # noqa: S105 - the name of a finding, no password
    PROVISIONING_BLOCKED = "provisioning_blocked"
    SESSION_IMPERSONATION = "session_impersonation"
    SECRET_READ_BY_OTHER = "secret_read_by_other"  # noqa: S105
    LOGGING_GAP = "logging_gap"
    INTEGRITY_FAILURE = "integrity_failure"


class Severity(StrEnum):
    """How urgent a finding is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


#: Session name -> purpose. Documented names and, beside them, names seen in real error messages. Data, not a law:
#: an unknown session of ECS on a known infrastructure role is reported as well.
SESSION_PURPOSES: Final[Mapping[str, Purpose]] = MappingProxyType(
    {
        "ECSTaskVolumesForEBS": Purpose.VOLUMES,
        "ECSServiceConnectForTLS": Purpose.TLS,
        "ECSNetworkingWithVPCLattice": Purpose.LATTICE,
        "ECSManagedInstancesForCompute": Purpose.MANAGED_INSTANCES,
        "ECSManagedInstances": Purpose.MANAGED_INSTANCES,
        "ECSNetworkingWithELB": Purpose.LOAD_BALANCERS,
        "ecs-service-scheduler": Purpose.LOAD_BALANCERS,
    }
)
SESSION_NAMES: Final = frozenset(SESSION_PURPOSES)

ASSUME_ROLE: Final = "sts:AssumeRole"

#: Actions each purpose needs in each phase (contract, section 2). `sts:AssumeRole` is needed in all of them.
REQUIRED_ACTIONS: Final[Mapping[tuple[Purpose, Phase], tuple[str, ...]]] = MappingProxyType(
    {
        (Purpose.VOLUMES, Phase.PROVISION): (
            ASSUME_ROLE,
            "ec2:CreateVolume",
            "ec2:CreateTags",
            "ec2:AttachVolume",
            "ec2:DescribeVolumes",
        ),
        (Purpose.VOLUMES, Phase.TEARDOWN): (
            ASSUME_ROLE,
            "ec2:DetachVolume",
            "ec2:DeleteVolume",
            "ec2:DescribeVolumes",
        ),
        (Purpose.TLS, Phase.ISSUE): (
            ASSUME_ROLE,
            "acm-pca:DescribeCertificateAuthority",
            "acm-pca:IssueCertificate",
            "acm-pca:GetCertificate",
            "acm-pca:GetCertificateAuthorityCertificate",
            "secretsmanager:CreateSecret",
            "secretsmanager:TagResource",
        ),
        (Purpose.TLS, Phase.ROTATE): (
            ASSUME_ROLE,
            "acm-pca:IssueCertificate",
            "acm-pca:GetCertificate",
            "acm-pca:GetCertificateAuthorityCertificate",
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecret",
            "secretsmanager:RotateSecret",
            "secretsmanager:UpdateSecretVersionStage",
        ),
        (Purpose.TLS, Phase.DELETE): (ASSUME_ROLE, "secretsmanager:DescribeSecret", "secretsmanager:DeleteSecret"),
        (Purpose.LATTICE, Phase.PROVISION): (
            ASSUME_ROLE,
            "vpc-lattice:RegisterTargets",
            "vpc-lattice:GetTargetGroup",
            "vpc-lattice:ListTargets",
        ),
        (Purpose.LATTICE, Phase.TEARDOWN): (ASSUME_ROLE, "vpc-lattice:DeregisterTargets"),
        (Purpose.LOAD_BALANCERS, Phase.PROVISION): (
            ASSUME_ROLE,
            "elasticloadbalancing:RegisterTargets",
            "elasticloadbalancing:DescribeTargetHealth",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:ModifyRule",
        ),
        (Purpose.LOAD_BALANCERS, Phase.TEARDOWN): (ASSUME_ROLE, "elasticloadbalancing:DeregisterTargets"),
        (Purpose.MANAGED_INSTANCES, Phase.PROVISION): (
            ASSUME_ROLE,
            "ec2:CreateLaunchTemplate",
            "ec2:CreateFleet",
            "ec2:RunInstances",
            "ec2:CreateTags",
            "iam:PassRole",
        ),
    }
)

PURPOSES_IN_ORDER: Final = tuple(Purpose)

#: Names of the AWS managed policies, without path and partition, and the purpose each serves.
MANAGED_POLICY_PURPOSES: Final[Mapping[str, Purpose]] = MappingProxyType(
    {
        "AmazonECSInfrastructureRolePolicyForVolumes": Purpose.VOLUMES,
        "AmazonECSInfrastructureRolePolicyForServiceConnectTransportLayerSecurity": Purpose.TLS,
        "AmazonECSInfrastructureRolePolicyForVpcLattice": Purpose.LATTICE,
        "AmazonECSInfrastructureRolePolicyForLoadBalancers": Purpose.LOAD_BALANCERS,
        "AmazonECSInfrastructureRolePolicyForManagedInstances": Purpose.MANAGED_INSTANCES,
    }
)

#: Reasons for which a file or record is left out, all of them harmless (contract, section 4).
LEFT_OUT_KINDS: Final = (
    "aggregated",
    "control_message",
    "digest",
    "empty",
    "insight",
    "network_activity",
    "not_cloudtrail",
    "other_event",
    "role_state",
    "s3_notification",
    "service_state",
    "task_state",
    "volume_state",
)
#: Problems that make an answer partial (exit code 3); every other kind is a remark.
PARTIAL_PROBLEMS: Final = frozenset(
    {"unreadable_file", "truncated_file", "broken_json", "rejected_record", "too_large", "vanished", "no_permission"}
)

#: Error codes by which AWS refuses a call for want of permission. EC2 prefixes its codes with "Client.".
DENIED_CODES: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "Client.UnauthorizedOperation",
        "UnauthorizedAccess",
        "NotAuthorized",
        "AuthorizationError",
    }
)
NOT_FOUND_CODES: Final = frozenset({"Client.InvalidVolume.NotFound", "InvalidVolume.NotFound"})
