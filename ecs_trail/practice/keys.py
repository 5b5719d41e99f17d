"""KMS keys of volumes: made usable and unusable. Shapes: *AWS KMS Developer Guide*, "Logging AWS KMS API calls with AWS
CloudTrail"; what ECS needs of a key: *ECS Developer Guide*, "Encrypt data stored in Amazon EBS volumes" (2026-11-24).
"""

import json
from typing import Final

from ecs_trail.practice.records import Call, Caller, Json
from ecs_trail.practice.things import Key
from ecs_trail.practice.world import Account, Role

FOR_VOLUMES: Final = ("kms:DescribeKey", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:Decrypt")
#: *ECS Developer Guide*, "Encrypt Service Connect traffic" (read on 2026-11-24)
FOR_TLS: Final = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyPair")


class Keys:
    """KMS of one account and Region."""

    def __init__(self, account: Account, region: str, *, use: tuple[str, ...] = FOR_VOLUMES) -> None:
        """Bind to the account and Region; `use`: what its key policies let the role do."""
        self.use = use
        self.account = account
        self.world = account.world
        self.region = region

    def create(self, caller: Caller, role: Role) -> Key:
        """`CreateKey` with a policy that lets the role use the key for volumes."""
        key_id = self.world.dice.uuid()
        key = Key(f"arn:{self.world.partition}:kms:{self.region}:{self.account.id}:key/{key_id}")
        request: Json = {"keyUsage": "ENCRYPT_DECRYPT", "policy": json.dumps(self._policy(role)), "origin": "AWS_KMS"}
        metadata = {"keyId": key_id, "arn": key.arn, "enabled": True, "keyState": "Enabled", "keyManager": "CUSTOMER"}
        self._write(caller, "CreateKey", key, request, {"keyMetadata": metadata})
        return key

    def disable(self, caller: Caller, key: Key) -> str:
        """`DisableKey`."""
        return self._harm(key, self._write(caller, "DisableKey", key, {"keyId": self._name(key)}))

    def schedule(self, caller: Caller, key: Key) -> str:
        """`ScheduleKeyDeletion`."""
        request = {"keyId": self._name(key), "pendingWindowInDays": self.world.dice.randint(7, 30)}
        key.doomed = True
        return self._harm(key, self._write(caller, "ScheduleKeyDeletion", key, request))

    def forget(self, caller: Caller, key: Key) -> str:
        """`PutKeyPolicy` with a policy that no longer names the role."""
        key.closed = True
        return self._harm(key, self._put(caller, key, self._policy(None)))

    def enable(self, caller: Caller, key: Key) -> str:
        """`EnableKey`; after a scheduled deletion the schedule is cancelled first."""
        if key.doomed:
            self._write(caller, "CancelKeyDeletion", key, {"keyId": self._name(key)})
        key.usable = True
        return self._write(caller, "EnableKey", key, {"keyId": self._name(key)})

    def remember(self, caller: Caller, key: Key, role: Role) -> str:
        """`PutKeyPolicy` that names the role again."""
        key.usable, key.closed = True, False
        return self._put(caller, key, self._policy(role))

    def _put(self, caller: Caller, key: Key, policy: Json) -> str:
        request = {"keyId": self._name(key), "policyName": "default", "policy": json.dumps(policy)}
        return self._write(caller, "PutKeyPolicy", key, {**request, "bypassPolicyLockoutSafetyCheck": False})

    def _harm(self, key: Key, event_id: str) -> str:
        key.usable = False
        key.broken_by.append(event_id)
        return event_id

    def _name(self, key: Key) -> str:
        return key.arn if self.world.dice.chance(0.5) else key.arn.rsplit("/", 1)[1]

    def _policy(self, role: Role | None) -> Json:
        admin = f"arn:{self.world.partition}:iam::{self.account.id}:role/key-admin"
        manage = ["kms:Create*", "kms:Describe*", "kms:Enable*", "kms:Put*", "kms:Disable*", "kms:ScheduleKeyDeletion"]
        statements: list[Json] = [
            {"Sid": "Admin", "Effect": "Allow", "Principal": {"AWS": admin}, "Action": manage, "Resource": "*"}
        ]
        if role is not None:
            use, user = list(self.use), {"AWS": role.arn}
            statements.append({"Sid": "Ecs", "Effect": "Allow", "Principal": user, "Action": use, "Resource": "*"})
        return {"Version": "2012-10-17", "Statement": statements}

    def _write(self, caller: Caller, name: str, key: Key, request: Json, response: Json | None = None) -> str:
        resources = ({"accountId": self.account.id, "type": "AWS::KMS::Key", "ARN": key.arn},)
        call = Call("kms", name, self.account.id, self.region, request, response, resources=resources)
        return self.world.ledger.write(self.world.now, caller, call)
