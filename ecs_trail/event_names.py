"""AWS event names by service: which ones an investigation reads, and how writes rank within one second.

From the API references of IAM, Organizations, ECS, EC2, KMS, Secrets Manager, AWS Private CA and CloudTrail, read on
2026-11-24.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: IAM writes that can change what a role may do. `causal rank` orders them within one second: creations, grants,
#: default-version, trust and boundary changes, removals, deletions (contract, "Order within a second").
IAM_CHANGE_RANKS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "CreateRole": 0,
        "CreateServiceLinkedRole": 0,
        "CreatePolicy": 0,
        "AttachRolePolicy": 1,
        "PutRolePolicy": 1,
        "CreatePolicyVersion": 2,
        "SetDefaultPolicyVersion": 2,
        "UpdateAssumeRolePolicy": 2,
        "PutRolePermissionsBoundary": 2,
        "DeleteRolePermissionsBoundary": 2,
        "UpdateRole": 2,
        "UpdateRoleDescription": 2,
        "TagRole": 2,
        "UntagRole": 2,
        "DetachRolePolicy": 3,
        "DeleteRolePolicy": 3,
        "DeletePolicyVersion": 3,
        "DeletePolicy": 4,
        "DeleteRole": 4,
    }
)
IAM_ROLE_WRITES: Final = frozenset(
    {
        "CreateRole",
        "DeleteRole",
        "UpdateRole",
        "UpdateRoleDescription",
        "UpdateAssumeRolePolicy",
        "AttachRolePolicy",
        "DetachRolePolicy",
        "PutRolePolicy",
        "DeleteRolePolicy",
        "PutRolePermissionsBoundary",
        "DeleteRolePermissionsBoundary",
        "TagRole",
        "UntagRole",
    }
)
IAM_POLICY_WRITES: Final = frozenset(
    {"CreatePolicy", "CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion", "DeletePolicy"}
)
IAM_WRITES: Final = IAM_ROLE_WRITES | IAM_POLICY_WRITES

ORGANIZATION_CHANGE_RANKS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "CreatePolicy": 0,
        "EnablePolicyType": 1,
        "AttachPolicy": 1,
        "UpdatePolicy": 2,
        "MoveAccount": 2,
        "DetachPolicy": 3,
        "DisablePolicyType": 3,
        "DeletePolicy": 4,
        "RemoveAccountFromOrganization": 4,
        "LeaveOrganization": 4,
    }
)
ORGANIZATION_WRITES: Final = frozenset(ORGANIZATION_CHANGE_RANKS)

ECS_WRITES: Final = frozenset(
    {
        "RunTask",
        "StartTask",
        "StopTask",
        "CreateService",
        "UpdateService",
        "DeleteService",
        "CreateTaskSet",
        "UpdateTaskSet",
        "DeleteTaskSet",
        "UpdateServicePrimaryTaskSet",
        "CreateCapacityProvider",
        "UpdateCapacityProvider",
        "DeleteCapacityProvider",
        "CreateExpressGatewayService",
        "UpdateExpressGatewayService",
        "DeleteExpressGatewayService",
        "CreateGateway",
        "UpdateGateway",
        "DeleteGateway",
        "DeregisterContainerInstance",
        "DeleteCluster",
        "PutClusterCapacityProviders",
    }
)

#: Calls that open a role session (*AWS STS API Reference*).
SESSION_OPENINGS: Final = frozenset({"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"})

TRAIL_WRITES: Final = frozenset({"StopLogging", "StartLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"})

#: Calls that can touch an ECS-managed volume; the id or tag inside decides.
VOLUME_EVENTS: Final = frozenset(
    {
        "CreateVolume",
        "AttachVolume",
        "DetachVolume",
        "DeleteVolume",
        "DescribeVolumes",
        "ModifyVolume",
        "CreateTags",
        "DeleteTags",
    }
)
SECRET_EVENTS: Final = frozenset(
    {
        "CreateSecret",
        "PutSecretValue",
        "UpdateSecret",
        "RotateSecret",
        "UpdateSecretVersionStage",
        "DescribeSecret",
        "GetSecretValue",
        "BatchGetSecretValue",
        "DeleteSecret",
        "RestoreSecret",
        "TagResource",
        "UntagResource",
        "PutResourcePolicy",
        "DeleteResourcePolicy",
        "CancelRotateSecret",
        "ReplicateSecretToRegions",
        "RemoveRegionsFromReplication",
        "StopReplicationToReplica",
        "RotationStarted",
        "RotationSucceeded",
        "RotationFailed",
        "RotationAbandoned",
        "StartSecretVersionDelete",
        "EndSecretVersionDelete",
        "CancelSecretVersionDelete",
        "SecretVersionDeletion",
    }
)
CERTIFICATE_AUTHORITY_EVENTS: Final = frozenset(
    {
        "IssueCertificate",
        "GetCertificate",
        "GetCertificateAuthorityCertificate",
        "DescribeCertificateAuthority",
        "TagCertificateAuthority",
        "UntagCertificateAuthority",
        "UpdateCertificateAuthority",
        "DeleteCertificateAuthority",
        "RestoreCertificateAuthority",
        "RevokeCertificate",
        "PutPolicy",
        "DeletePolicy",
    }
)
KEY_EVENTS: Final = frozenset(
    {
        "DisableKey",
        "EnableKey",
        "ScheduleKeyDeletion",
        "CancelKeyDeletion",
        "PutKeyPolicy",
        "CreateGrant",
        "RevokeGrant",
        "RetireGrant",
        "DeleteImportedKeyMaterial",
        "Decrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "ReEncrypt",
    }
)

#: Event source -> names that the default selection reads before ids are known (contract, section 3).
SELECTED_EVENTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "iam.amazonaws.com": IAM_WRITES,
        "organizations.amazonaws.com": ORGANIZATION_WRITES,
        "ecs.amazonaws.com": ECS_WRITES,
        "ec2.amazonaws.com": VOLUME_EVENTS,
        "secretsmanager.amazonaws.com": SECRET_EVENTS,
        "acm-pca.amazonaws.com": CERTIFICATE_AUTHORITY_EVENTS,
        "kms.amazonaws.com": KEY_EVENTS,
        "cloudtrail.amazonaws.com": TRAIL_WRITES,
    }
)
