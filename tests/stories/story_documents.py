"""Policy and trust documents in builder words."""

from typing import Any

Document = dict[str, Any]

TEARDOWN = ("ec2:DetachVolume", "ec2:DeleteVolume", "ec2:DescribeVolumes")
PROVISION = ("ec2:CreateVolume", "ec2:CreateTags", "ec2:AttachVolume", "ec2:DescribeVolumes")
VOLUME_ACTIONS = (
    "ec2:CreateVolume",
    "ec2:CreateTags",
    "ec2:AttachVolume",
    "ec2:DetachVolume",
    "ec2:DeleteVolume",
    "ec2:DescribeVolumes",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInstances",
)


def document(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(*actions: str, **more: Any) -> Document:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}


def deny(*actions: str, **more: Any) -> Document:
    return {"Effect": "Deny", "Action": list(actions), "Resource": "*", **more}


def allowing(*actions: str) -> Document:
    """A document that allows these actions everywhere."""
    return document(allow(*actions))


def without(*lost: str) -> Document:
    """All that ECS needs for volumes, less these actions."""
    return allowing(*(action for action in VOLUME_ACTIONS if action not in lost))


EVERYTHING_FOR_VOLUMES = allowing(*VOLUME_ACTIONS)


def trusts(*services: str, **more: Any) -> Document:
    """A trust document for these services."""
    principal = {"Service": services[0] if len(services) == 1 else list(services)}
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more})


ECS = "ecs.amazonaws.com"
TRUSTS_ECS = trusts(ECS)
