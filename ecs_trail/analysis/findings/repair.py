"""Repair: the commands that give a role back what the evidence shows it had, and a task its way out.

Commands are those of the AWS CLI v2 (*AWS CLI Command Reference*, iam, ec2, kms, organizations; read on 2026-11-24).
Every word that comes from a log is quoted for a POSIX shell: names and documents may have been shaped by an attacker.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ecs_trail.arns import parse_arn
from ecs_trail.frames import Row
from ecs_trail.payloads import json_object, json_text
from ecs_trail.vocabulary import ASSUME_ROLE, ECS_SERVICE, MANAGED_POLICY_PURPOSES, Purpose

Step = dict[str, object]

#: The trust policy of the ECS infrastructure role (ECS Developer Guide, "Amazon ECS infrastructure IAM role").
STANDARD_TRUST: Final = (
    '{"Version":"2012-10-17","Statement":[{"Sid":"AllowAccessToECSForInfrastructureManagement","Effect":"Allow",'
    f'"Principal":{{"Service":"{ECS_SERVICE}"}},"Action":"{ASSUME_ROLE}"}}]}}'
)
#: Paths of the managed policies that stand below `service-role/` (managed policy pages of the same guide).
_SERVICE_ROLE_PATH: Final = frozenset({Purpose.VOLUMES, Purpose.TLS})


def step(title: str, *commands: str) -> Step:
    """One step of a repair: a title for people and commands to copy."""
    return {"title": title, "commands": list(commands)}


def command(*words: str) -> str:
    """One shell command; every word is quoted where it must be."""
    return " ".join(shlex.quote(word) for word in words)


def repair_role(
    role: Row, before: Row | None, now: Row, causes: Sequence[Row], gone: Mapping[str, str | None]
) -> list[Step]:
    """Steps that lead a role from what it is now back to what it was before the first cause.

    `before` and `now` are rows of `role_states`, `causes` rows of `role_changes`, `role` a row of `roles`. `gone` holds
    the customer managed policies that no longer exist, with their last document where it is known.
    """
    name = role["role_name"]
    earlier = before or {"trust": None, "attached": [], "documents": "{}", "versions": "{}", "boundary": None}
    if not now["exists"]:
        return [*_policies_again(earlier["attached"], gone), *_recreate(role, earlier)]
    steps: list[Step] = []
    if ASSUME_ROLE in role["unable"]:
        steps.append(_trust_step(name, earlier["trust"]))
    steps += _policies_again(sorted(set(earlier["attached"]) - set(now["attached"])), gone)
    steps += _policies(name, earlier, now, causes)
    steps += _versions(earlier, now)
    kinds = {cause["event_name"] for cause in causes}
    if now["boundary"] != earlier["boundary"] and kinds & {"PutRolePermissionsBoundary", "CreateRole", "DeleteRole"}:
        steps.append(_boundary_step(name, earlier["boundary"]))
    steps += _organization(causes)
    return steps or [look(role)]


def _policies_again(attached: Sequence[str], gone: Mapping[str, str | None]) -> Iterator[Step]:
    """Policies that were deleted after they were detached must be made again before they can be attached."""
    for policy in attached:
        if policy not in gone:
            continue
        document = gone[policy]
        if document is None:
            yield step(f"Write {_short(policy)} again; it was deleted and its document is not in the evidence.")
            continue
        arn = parse_arn(policy)
        path = (arn.resource if arn else "").removeprefix("policy").removesuffix(_short(policy)) or "/"
        words = ["aws", "iam", "create-policy", "--policy-name", _short(policy)]
        words += ["--path", path] if path != "/" else []
        yield step(
            f"Create {_short(policy)} again, which was deleted, with its last document.",
            command(*words, "--policy-document", compact(document)),
        )


def compact(document: str) -> str:
    """A policy document on one line, as a command is copied from a terminal; broken ones stay as they are."""
    opened = json_object(document)
    return json_text(opened) if opened else document


def look(role: Row) -> Step:
    """Where nothing in the evidence tells what to give back: commands that only look."""
    name, arn = role["role_name"], role["role_arn"]
    return step(
        "Look at what the role may do now; the evidence does not show what was taken away.",
        command("aws", "iam", "get-role", "--role-name", name),
        command("aws", "iam", "list-attached-role-policies", "--role-name", name),
        command("aws", "iam", "list-role-policies", "--role-name", name),
        command(
            *("aws", "iam", "simulate-principal-policy", "--policy-source-arn", arn, "--action-names"),
            *("ec2:DetachVolume", "ec2:DeleteVolume", "ec2:DescribeVolumes"),
        ),
    )


def allow_pass_role_to_instances(role: Row, instance_role_arn: str) -> Step:
    """The least statement that lets ECS give Managed Instances a role of any name, and give it to nobody else."""
    statement = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": instance_role_arn,
        "Condition": {"StringLike": {"iam:PassedToService": "ec2.*"}},
    }
    return step(
        f"Let ECS pass {_short(instance_role_arn)} to the instances.",
        command(
            *("aws", "iam", "put-role-policy", "--role-name", role["role_name"]),
            *("--policy-name", "pass-instance-role", "--policy-document"),
            json_text({"Version": "2012-10-17", "Statement": [statement]}),
        ),
    )


def repair_tags(volumes: Sequence[Row]) -> list[Step]:
    """Put the reserved tags back on volumes, so that ECS may work on them again."""
    return [
        step(
            f"Put the reserved tags back on {volume['volume_id']}.",
            command(
                *("aws", "ec2", "create-tags", "--region", volume["region"] or "REGION"),
                *("--resources", volume["volume_id"], "--tags"),
                f"Key=AmazonECSCreated,Value={volume['task_arn']}",
                "Key=AmazonECSManaged,Value=true",
            ),
        )
        for volume in volumes
    ]


def repair_key(key_id: str, region: str | None, event_names: Sequence[str]) -> list[Step]:
    """Make an encryption key usable again."""
    where = ("--region", region or "REGION")
    steps: list[Step] = []
    if "ScheduleKeyDeletion" in event_names:
        steps.append(
            step(
                "Cancel the key's deletion, then enable it.",
                command("aws", "kms", "cancel-key-deletion", *where, "--key-id", key_id),
                command("aws", "kms", "enable-key", *where, "--key-id", key_id),
            )
        )
    elif "DisableKey" in event_names:
        steps.append(step("Enable the key.", command("aws", "kms", "enable-key", *where, "--key-id", key_id)))
    if "PutKeyPolicy" in event_names:
        steps.append(
            step(
                "Give the role kms:CreateGrant and kms:GenerateDataKeyWithoutPlaintext in the key's policy again.",
                command("aws", "kms", "get-key-policy", *where, "--key-id", key_id, "--policy-name", "default"),
            )
        )
    return steps


def repair_outside(change: Row) -> list[Step]:
    """Take back a change to a certificate authority or a secret."""
    where = ("--region", change["region"] or "REGION")
    authority = ("--certificate-authority-arn", change["subject"] or "AUTHORITY_ARN")
    secret = ("--secret-id", change["subject"] or "SECRET_ARN")
    active = command("aws", "acm-pca", "update-certificate-authority", *where, *authority, "--status", "ACTIVE")
    match change["event_name"]:
        case "UntagCertificateAuthority":
            tags = ("--tags", "Key=AmazonECSManaged,Value=true")
            again = command("aws", "acm-pca", "tag-certificate-authority", *where, *authority, *tags)
            return [step("Tag the certificate authority again.", again)]
        case "UpdateCertificateAuthority":
            return [step("Enable the certificate authority.", active)]
        case "DeleteCertificateAuthority":
            restore = command("aws", "acm-pca", "restore-certificate-authority", *where, *authority)
            return [step("Restore the certificate authority, then enable it.", restore, active)]
        case "DeleteSecret":
            restore = command("aws", "secretsmanager", "restore-secret", *where, *secret)
            return [step("Restore the secret, if its recovery window is still open.", restore)]
        case "ReplicateSecretToRegions":
            words = ("aws", "secretsmanager", "remove-regions-from-replication", *where, *secret)
            return [step("Remove the replicas.", command(*words, "--remove-replica-regions", "REGION"))]
        case name if name in {"DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy"}:
            return repair_key(change["subject"] or "KEY_ID", change["region"], [name])
        case _:
            return []


def watch(tasks: Sequence[Row]) -> list[Step]:
    """How to see that ECS, which retries by itself, has finished."""
    by_place: dict[tuple[str, str], list[str]] = {}
    for task in tasks:
        by_place.setdefault((task["region"] or "REGION", task["cluster"] or "default"), []).append(task["task_arn"])
    commands = [
        command(
            *("aws", "ecs", "describe-tasks", "--region", region, "--cluster", cluster, "--tasks"),
            *sorted(arns)[:10],
            *("--query", "tasks[].[taskArn,lastStatus]", "--output", "text"),
        )
        for (region, cluster), arns in sorted(by_place.items())
    ]
    return [step("ECS retries by itself; watch the tasks leave DEPROVISIONING.", *commands)] if commands else []


def _recreate(role: Row, earlier: Row) -> Iterator[Step]:
    name = role["role_name"]
    arn = parse_arn(role["role_arn"])
    path = (arn.resource if arn else "").removeprefix("role").removesuffix(name) or "/"
    words = ["aws", "iam", "create-role", "--role-name", name]
    words += ["--path", path] if path != "/" else []
    words += ["--assume-role-policy-document", compact(earlier["trust"] or STANDARD_TRUST)]
    words += ["--permissions-boundary", earlier["boundary"]] if earlier["boundary"] else []
    told = (
        "its last trust policy" if earlier["trust"] else "the standard trust policy, as its own is not in the evidence"
    )
    yield step(f"Create the role again under the same name and path, with {told}.", command(*words))
    attached = list(earlier["attached"])
    documents = json_object(earlier["documents"])
    if not attached and not documents:
        partition = arn.partition if arn else "aws"
        attached = [_managed_arn(partition, served) for served in role["purposes"] or [Purpose.VOLUMES]]
        yield step(
            "Attach the AWS managed policy of each purpose, as the role's own policies are not in the evidence.",
            *(_attach(name, policy) for policy in attached),
        )
        return
    for policy in attached:
        yield step(f"Attach {_short(policy)}.", _attach(name, policy))
    yield from _inline(name, documents)


def _policies(name: str, earlier: Row, now: Row, causes: Sequence[Row]) -> Iterator[Step]:
    for policy in sorted(set(earlier["attached"]) - set(now["attached"])):
        yield step(f"Attach {_short(policy)} again.", _attach(name, policy))
    before, after = json_object(earlier["documents"]), json_object(now["documents"])
    yield from _inline(name, {key: text for key, text in before.items() if after.get(key) != text or key not in after})
    added = {cause["policy"] for cause in causes if cause["event_name"] in {"AttachRolePolicy", "PutRolePolicy"}}
    for policy in sorted((set(now["attached"]) - set(earlier["attached"])) & added):
        words = ("aws", "iam", "detach-role-policy", "--role-name", name, "--policy-arn", policy)
        yield step(f"Detach {_short(policy)}, which denies what ECS needs.", command(*words))
    for policy in sorted((set(after) - set(before)) & added):
        words = ("aws", "iam", "delete-role-policy", "--role-name", name, "--policy-name", policy)
        yield step("Delete the inline policy that denies what ECS needs.", command(*words))


def _inline(name: str, documents: Mapping[str, object]) -> Iterator[Step]:
    for policy, document in sorted(documents.items()):
        if isinstance(document, str) and document:
            words = ("aws", "iam", "put-role-policy", "--role-name", name, "--policy-name", policy)
            yield step("Put the inline policy back as it was.", command(*words, "--policy-document", compact(document)))
        else:
            yield step(f"Write the inline policy {policy} again; its document is not in the evidence.")


def _versions(earlier: Row, now: Row) -> Iterator[Step]:
    before, after = json_object(earlier["versions"]), json_object(now["versions"])
    for policy, version in sorted(before.items()):
        if policy in after and after[policy] != version:
            words = ("aws", "iam", "set-default-policy-version", "--policy-arn", policy, "--version-id", str(version))
            yield step(f"Make version {version} of {_short(policy)} the default again.", command(*words))


def _trust_step(name: str, trust: str | None) -> Step:
    told = "as it was" if trust else "with the standard one, as the former is not in the evidence"
    words = ("aws", "iam", "update-assume-role-policy", "--role-name", name, "--policy-document")
    return step(f"Put the trust policy back {told}.", command(*words, compact(trust or STANDARD_TRUST)))


def _boundary_step(name: str, boundary: str | None) -> Step:
    if boundary and parse_arn(boundary):
        words = ("aws", "iam", "put-role-permissions-boundary", "--role-name", name, "--permissions-boundary", boundary)
        return step("Put the former permissions boundary back.", command(*words))
    return step(
        "Take the permissions boundary off.",
        command("aws", "iam", "delete-role-permissions-boundary", "--role-name", name),
    )


def _organization(causes: Sequence[Row]) -> Iterator[Step]:
    """Organization policies are repaired in the management account."""
    for cause in causes:
        policy, target = cause["policy"] or "POLICY_ID", cause["target"] or "TARGET_ID"
        place = ("--policy-id", policy, "--target-id", target)
        if cause["event_name"] == "AttachPolicy":
            detach = command("aws", "organizations", "detach-policy", *place)
            yield step("In the management account: detach the organization policy.", detach)
        elif cause["event_name"] == "DetachPolicy" and policy.startswith("p-"):
            attach = command("aws", "organizations", "attach-policy", *place)
            yield step("In the management account: attach the organization policy again.", attach)
        elif cause["event_name"] == "UpdatePolicy" and cause["document_before"]:
            words = ("aws", "organizations", "update-policy", "--policy-id", policy)
            back = command(*words, "--content", compact(cause["document_before"]))
            yield step("In the management account: put the organization policy back as it was.", back)
        elif cause["event_name"] == "UpdatePolicy":
            show = command("aws", "organizations", "describe-policy", "--policy-id", policy)
            yield step("In the management account: take the change of the organization policy back.", show)
        elif cause["event_name"] == "MoveAccount":
            move = command(
                *("aws", "organizations", "move-account", "--account-id", target),
                *("--source-parent-id", cause["moved_to"] or "PARENT_ID"),
                *("--destination-parent-id", cause["moved_from"] or "PARENT_ID"),
            )
            yield step("In the management account: move the account back.", move)


def _attach(name: str, policy: str) -> str:
    return command("aws", "iam", "attach-role-policy", "--role-name", name, "--policy-arn", policy)


def _managed_arn(partition: str, purpose: str) -> str:
    policy = next(name for name, served in MANAGED_POLICY_PURPOSES.items() if served == purpose)
    path = "service-role/" if purpose in _SERVICE_ROLE_PATH else ""
    return f"arn:{partition}:iam::aws:policy/{path}{policy}"


def _short(policy_arn: str) -> str:
    return policy_arn.rpartition("/")[2]
