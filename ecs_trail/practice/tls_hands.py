"""What people do to certificate authorities and secrets of Service Connect TLS.

Shapes: *AWS Private CA User Guide* and *AWS Secrets Manager User Guide*, pages on CloudTrail, and the API references
of both (read on 2026-11-24).
"""

from ecs_trail.practice.dice import clock_text
from ecs_trail.practice.records import Call, Caller, Json
from ecs_trail.practice.things import Authority, Secret
from ecs_trail.practice.tls import TlsWork
from ecs_trail.vocabulary import TAG_MANAGED


class TlsHands:
    """Hands on what ECS looks after. Each method names the secret whose authority, or which itself, is touched."""

    def __init__(self, work: TlsWork) -> None:
        """Bind to ECS's TLS work, which keeps the authorities."""
        self.work = work
        self.world = work.world
        self.dice = work.dice

    # --- the certificate authority ----------------------------------------------------------------------------------

    def untag(self, caller: Caller, secret: Secret) -> str:
        """`UntagCertificateAuthority`: ECS may no longer use the authority of this secret."""
        self._authority(secret).tagged = False
        return self._harm(secret, self._pca(caller, secret, "UntagCertificateAuthority", {"tags": _TAGS}))

    def tag(self, caller: Caller, secret: Secret) -> str:
        """`TagCertificateAuthority`: the tag is back."""
        self._authority(secret).tagged = True
        self._authority(secret).broken_by.clear()
        return self._pca(caller, secret, "TagCertificateAuthority", {"tags": _TAGS})

    def disable(self, caller: Caller, secret: Secret) -> str:
        """`UpdateCertificateAuthority` to DISABLED: it issues nothing any more."""
        self._authority(secret).status = "DISABLED"
        return self._harm(secret, self._pca(caller, secret, "UpdateCertificateAuthority", {"status": "DISABLED"}))

    def enable(self, caller: Caller, secret: Secret) -> str:
        """`UpdateCertificateAuthority` to ACTIVE; one that was deleted is restored first, which leaves it DISABLED."""
        authority = self._authority(secret)
        if authority.status == "DELETED":
            self._pca(caller, secret, "RestoreCertificateAuthority", {})
        authority.status = "ACTIVE"
        authority.broken_by.clear()
        return self._pca(caller, secret, "UpdateCertificateAuthority", {"status": "ACTIVE"})

    def delete_authority(self, caller: Caller, secret: Secret) -> str:
        """`DeleteCertificateAuthority`: only a disabled one can be deleted; it can be restored for some days."""
        self._authority(secret).status = "DELETED"
        days = {"permanentDeletionTimeInDays": self.dice.randint(7, 30)}
        return self._harm(secret, self._pca(caller, secret, "DeleteCertificateAuthority", days))

    def _authority(self, secret: Secret) -> Authority:
        return self.work.authorities[secret.authority_arn]

    def _harm(self, secret: Secret, event_id: str) -> str:
        self._authority(secret).broken_by.append(event_id)
        return event_id

    def _pca(self, caller: Caller, secret: Secret, name: str, more: Json) -> str:
        request = {"certificateAuthorityArn": secret.authority_arn, **more}
        call = Call("acm-pca", name, secret.role.account.id, secret.scope.region, request)
        return self.world.ledger.write(self.world.now, caller, call)

    # --- the secret -------------------------------------------------------------------------------------------------

    def delete_secret(self, caller: Caller, secret: Secret, *, force: bool) -> str:
        """`DeleteSecret` by a person: at once, or with a window in which it can be restored."""
        days = self.dice.randint(7, 30)
        request: Json = {"secretId": self._name(secret)}
        request |= {"forceDeleteWithoutRecovery": True} if force else {"recoveryWindowInDays": days}
        ends = clock_text(self.world.now + (0 if force else days * 86400), comma=True)
        shown = {"aRN": secret.arn, "name": secret.name, "deletionDate": ends}
        secret.removed, secret.deleted_by = "gone" if force else "marked", caller.arn
        secret.deleted_at = self.world.now
        secret.harmed_by.append(self._secrets(caller, secret, "DeleteSecret", request, shown))
        return secret.harmed_by[-1]

    def restore_secret(self, caller: Caller, secret: Secret) -> str:
        """`RestoreSecret`: the deletion is called off."""
        secret.removed, secret.deleted_by, secret.deleted_at = "", "", None
        shown = {"arn": secret.arn, "name": secret.name}
        return self._secrets(caller, secret, "RestoreSecret", {"secretId": self._name(secret)}, shown)

    def replicate(self, caller: Caller, secret: Secret, region: str) -> str:
        """`ReplicateSecretToRegions`: ECS cannot delete it any more."""
        replicas = [{"region": region}]
        request: Json = {"secretId": self._name(secret), "addReplicaRegions": replicas}
        request["forceOverwriteReplicaSecret"] = False
        shown = {"arn": secret.arn, "replicationStatus": [{"region": region, "status": "InProgress"}]}
        secret.replicated = True
        secret.harmed_by.append(self._secrets(caller, secret, "ReplicateSecretToRegions", request, shown))
        return secret.harmed_by[-1]

    def take_back(self, caller: Caller, secret: Secret, region: str) -> str:
        """`RemoveRegionsFromReplication`: the replica is gone."""
        secret.replicated = False
        request = {"secretId": self._name(secret), "removeReplicaRegions": [region]}
        return self._secrets(caller, secret, "RemoveRegionsFromReplication", request, {"arn": secret.arn})

    def _name(self, secret: Secret) -> str:
        return secret.arn if self.dice.chance(0.6) else secret.name

    def _secrets(self, caller: Caller, secret: Secret, name: str, request: Json, response: Json) -> str:
        call = Call("secretsmanager", name, secret.role.account.id, secret.scope.region, request, response)
        return self.world.ledger.write(self.world.now, caller, call)


_TAGS = [{"key": TAG_MANAGED, "value": "true"}]
