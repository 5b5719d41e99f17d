"""How ECS serves Service Connect TLS: one secret per service, certificates from a private CA, rotation every five days.

Actions and interval: *ECS Developer Guide*, "Encrypt Service Connect traffic"; record shapes: the CloudTrail pages of
AWS Private CA, AWS Secrets Manager and AWS KMS (read on 2026-11-24). The order of the calls is not documented.
"""

from collections.abc import Callable, Generator
from typing import Final, TypeAlias

from ecs_trail.practice.agent import Agent, Session
from ecs_trail.practice.dice import clock_text
from ecs_trail.practice.papers import Scope
from ecs_trail.practice.records import Call, Caller, Json
from ecs_trail.practice.things import Authority, Block, Key, Secret
from ecs_trail.practice.world import Process, Role
from ecs_trail.vocabulary import ASSUME_ROLE, SECRET_PREFIX, TAG_CREATED, TAG_MANAGED

SESSION: Final = "ECSServiceConnectForTLS"
ROTATION: Final = 5 * 86400
_ON_SECRET: Final = frozenset({"DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"})
_TEMPLATE: Final = "acm-pca:::template/EndEntityCertificate/V1"

Attempt: TypeAlias = Generator[int, None, bool]
Step: TypeAlias = Callable[[Secret, Session], Attempt]


class TlsWork:
    """ECS's TLS work for services."""

    def __init__(self, agent: Agent) -> None:
        """Secrets are kept in order of issue."""
        self.agent = agent
        self.world = agent.world
        self.dice = agent.world.dice
        self.secrets: list[Secret] = []
        #: every secret that was ever asked for, issued or not
        self.wanted: list[Secret] = []
        self.authorities: dict[str, Authority] = {}

    def authority(self, caller: Caller, account: str, scope: Scope) -> str:
        """A private CA, tagged so that ECS may use it; returns its ARN."""
        arn = f"arn:{self.world.partition}:acm-pca:{scope.region}:{account}:certificate-authority/{self.dice.uuid()}"
        request = {"certificateAuthorityArn": arn, "tags": [{"key": TAG_MANAGED, "value": "true"}]}
        call = Call("acm-pca", "TagCertificateAuthority", account, scope.region, request)
        self.world.ledger.write(self.world.now, caller, call)
        self.authorities[arn] = Authority(arn)
        return arn

    def create_service(
        self, caller: Caller, role: Role, scope: Scope, name: str, authority: str, *, key: Key | None = None
    ) -> Secret:
        """`CreateService` with Service Connect TLS; ECS then issues the first certificate."""
        place = f"{scope.region}:{role.account.id}"
        service_arn = f"arn:{self.world.partition}:ecs:{place}:service/{scope.cluster}/{name}"
        secret_name = f"{SECRET_PREFIX}{self.dice.hex(20)}"
        arn = f"arn:{self.world.partition}:secretsmanager:{place}:secret:{secret_name}-{self.dice.letters(6)}"
        secret = Secret(arn, secret_name, service_arn, authority, role, scope, self.world.now, key=key)
        self.wanted.append(secret)
        role.used = True
        tls: Json = {"issuerCertificateAuthority": {"awsPcaAuthorityArn": authority}, "roleArn": role.arn}
        if key is not None:
            tls["kmsKey"] = key.arn
        request: Json = {
            "cluster": scope.cluster,
            "serviceName": name,
            "taskDefinition": f"{name}:{self.dice.randint(1, 60)}",
            "desiredCount": 2,
            "serviceConnectConfiguration": {
                "enabled": True,
                "namespace": f"{scope.cluster}.internal",
                "services": [{"portName": "http", "clientAliases": [{"port": 443}], "tls": tls}],
            },
        }
        response = {"service": {"serviceArn": service_arn, "serviceName": name, "status": "ACTIVE"}}
        call = Call("ecs", "CreateService", role.account.id, scope.region, request, response)
        self.world.ledger.write(self.world.now, caller, call)
        self.world.spawn(self._life(secret), self.world.now + self.dice.randint(5, 20))
        return secret

    def delete_service(self, caller: Caller, secret: Secret) -> None:
        """`DeleteService`: ECS deletes the secret after it."""
        request = {"cluster": secret.scope.cluster, "service": secret.service_arn.rsplit("/", 1)[1], "force": True}
        response = {"service": {"serviceArn": secret.service_arn, "status": "DRAINING"}}
        call = Call("ecs", "DeleteService", secret.role.account.id, secret.scope.region, request, response)
        self.world.ledger.write(self.world.now, caller, call)
        secret.ending = True
        self.world.spawn(self._remove(secret), self.world.now + self.dice.randint(30, 90))

    # --- a secret's life --------------------------------------------------------------------------------------------

    def _life(self, secret: Secret) -> Process:
        yield from self._until_done(secret, self._issue)
        self.secrets.append(secret)
        while not secret.ending:
            yield ROTATION
            if not secret.ending:
                yield from self._until_done(secret, self._rotate)

    def _remove(self, secret: Secret) -> Process:
        yield from self._until_done(secret, self._delete)

    def _until_done(self, secret: Secret, step: Step) -> Process:
        pause = self.dice.randint(600, 1800)
        while True:
            session = self.agent.session(secret.role, SESSION, secret.scope)
            if session is None:
                secret.blocks.append(Block(self.world.now, ASSUME_ROLE, recorded=False))
            elif (yield from step(secret, session)):
                if secret.blocks and secret.freed_at is None:
                    secret.freed_at = self.world.now
                return
            yield pause
            pause = min(int(pause * 1.5), 4 * 3600)

    def _issue(self, secret: Secret, session: Session) -> Attempt:
        authority = {"certificateAuthorityArn": secret.authority_arn}
        tags = [
            {"key": TAG_CREATED, "value": secret.service_arn},
            {"key": TAG_MANAGED, "value": "true"},
            {"key": "aws:secretsmanager:owningService", "value": "ecs-sc"},
        ]
        create: Json = {"name": secret.name, "clientRequestToken": self.dice.uuid(), "tags": tags}
        create["forceOverwriteReplicaSecret"] = False
        if secret.key is not None:
            create["kmsKeyId"] = secret.key.arn
        made = {"arn": secret.arn, "name": secret.name, "versionId": create["clientRequestToken"]}
        if not self._call(secret, session, "acm-pca:DescribeCertificateAuthority", authority, reading=True):
            return False
        yield 1
        if not (yield from self._certificate(secret, session)):
            return False
        if not self._call(secret, session, "secretsmanager:CreateSecret", create, made):
            return False
        self._key_use(secret, session, create["clientRequestToken"])
        secret.issued_at, secret.issued = self.world.now, True
        return True

    def _certificate(self, secret: Secret, session: Session) -> Attempt:
        authority = {"certificateAuthorityArn": secret.authority_arn}
        certificate = f"{secret.authority_arn}/certificate/{self.dice.hex(32)}"
        if secret.key is not None and not self._key_pair(secret, session, secret.key):
            return False
        order: Json = {
            **authority,
            # AWS Private CA logs the request as the dump of a byte buffer.
            "csr": {
                "hb": [45, 45, 45, 45, 45, 66, 69, 71, 73, 78, *self.dice.choices(range(48, 123), k=24)],
                "offset": 0,
            },
            "signingAlgorithm": "SHA256WITHRSA",
            "templateArn": f"arn:{self.world.partition}:{_TEMPLATE}",
            "validity": {"value": 7, "type": "DAYS"},
            "idempotencyToken": self.dice.hex(16),
        }
        if not self._call(secret, session, "acm-pca:IssueCertificate", order, {"certificateArn": certificate}):
            return False
        yield self.dice.randint(1, 4)
        fetch = {**authority, "certificateArn": certificate}
        if not self._call(secret, session, "acm-pca:GetCertificate", fetch, reading=True):
            return False
        return self._call(secret, session, "acm-pca:GetCertificateAuthorityCertificate", authority, reading=True)

    def _rotate(self, secret: Secret, session: Session) -> Attempt:
        target, token = {"secretId": secret.arn}, self.dice.uuid()
        if not self._call(secret, session, "secretsmanager:DescribeSecret", target, reading=True):
            self._rotation_event(secret, "RotationFailed")
            return False
        if not (yield from self._certificate(secret, session)):
            self._rotation_event(secret, "RotationFailed")
            return False
        value = {"arn": secret.arn, "name": secret.name, "versionId": token}
        stage = {**target, "versionStage": "AWSCURRENT", "moveToVersionId": token}
        if not (
            self._call(secret, session, "secretsmanager:PutSecretValue", {**target, "clientRequestToken": token}, value)
            and self._call(secret, session, "secretsmanager:UpdateSecretVersionStage", stage, {"arn": secret.arn})
        ):
            self._rotation_event(secret, "RotationFailed")
            return False
        self._key_use(secret, session, token)
        self._rotation_event(secret, "RotationSucceeded")
        secret.last_rotation_at = self.world.now
        return True

    def _delete(self, secret: Secret, session: Session) -> Attempt:
        target = {"secretId": secret.arn}
        if not self._call(secret, session, "secretsmanager:DescribeSecret", target, reading=True):
            return False
        yield 1
        shown = {"aRN": secret.arn, "name": secret.name, "deletionDate": clock_text(self.world.now, comma=True)}
        request = {**target, "forceDeleteWithoutRecovery": True}
        if not self._call(secret, session, "secretsmanager:DeleteSecret", request, shown):
            return False
        secret.deleted_at, secret.deleted_by = self.world.now, session.caller.arn
        return True

    # --- one call ---------------------------------------------------------------------------------------------------

    def _call(
        self, secret: Secret, session: Session, action: str, request: Json, response: Json | None = None, *,
        reading: bool = False,
    ) -> bool:  # fmt: skip
        source, name = action.split(":")
        outside: tuple[str, ...] = ()
        reason = self.world.refusal(secret.role, action, secret.scope)
        authority = self.authorities[secret.authority_arn]
        if not reason and source == "acm-pca" and not authority.tagged:
            reason = f"because no identity-based policy allows the {action} action"
            outside = tuple(authority.broken_by)
        error: tuple[str, str] | None = None
        if reason:
            target = secret.authority_arn if source == "acm-pca" else secret.arn
            text = f"User: {session.caller.arn} is not authorized to perform: {action} on resource: {target} {reason}"
            error = ("AccessDeniedException" if source == "acm-pca" else "AccessDenied", text)
        else:
            error, outside = self._trouble(secret, session, name, authority)
        if error is not None:
            secret.blocks.append(Block(self.world.now, action, recorded=True, outside=outside))
        place = (secret.role.account.id, secret.scope.region)
        self.world.ledger.write(
            self.world.now, session.caller, Call(source, name, *place, request, response, error, reading)
        )
        return error is None

    def _trouble(
        self, secret: Secret, session: Session, name: str, authority: Authority
    ) -> tuple[tuple[str, str] | None, tuple[str, ...]]:
        """What fails although the role may do it: error (None: nothing) and the changes that made it so."""
        key = secret.key
        if name == "IssueCertificate" and authority.status != "ACTIVE":
            text = f"The certificate authority is in state {authority.status}."
            return ("InvalidStateException", text), tuple(authority.broken_by)
        if secret.removed == "gone" and name in _ON_SECRET:
            text = "Secrets Manager can't find the specified secret."
            return ("ResourceNotFoundException", text), tuple(secret.harmed_by)
        if secret.removed and name in _ON_SECRET and name != "DescribeSecret":
            text = "You can't perform this operation on the secret because it was marked for deletion."
            return ("InvalidRequestException", text), tuple(secret.harmed_by)
        if secret.replicated and name == "DeleteSecret":
            text = "You can't delete secret that still has replica regions."
            return ("InvalidRequestException", text), tuple(secret.harmed_by)
        if key is not None and not key.usable and name in {"CreateSecret", "PutSecretValue"}:
            self._key_use(secret, session, self.dice.uuid())
            closed = ("AccessDeniedException", "Access to KMS is not allowed")
            text = "Secrets Manager can't encrypt the protected secret text using the provided KMS key."
            return (closed if key.closed else ("EncryptionFailure", text)), tuple(key.broken_by)
        return None, ()

    def _key_error(self, session: Session, action: str, key: Key) -> tuple[str, str] | None:
        if key.usable:
            return None
        if not key.closed:
            return "DisabledException", f"{key.arn} is disabled."
        who = f"User: {session.caller.arn} is not authorized to perform: {action} on resource: {key.arn}"
        return "AccessDenied", f"{who} because no resource-based policy allows the {action} action"

    def _key_pair(self, secret: Secret, session: Session, key: Key) -> bool:
        """ECS makes the key pair of a certificate with the customer's key."""
        account, region = secret.role.account.id, secret.scope.region
        request: Json = {"keyId": key.arn, "keyPairSpec": "RSA_2048", "encryptionContext": {"SecretARN": secret.arn}}
        resources = ({"accountId": account, "type": "AWS::KMS::Key", "ARN": key.arn},)
        action = "kms:GenerateDataKeyPair"
        error = self._key_error(session, action, key)
        if error is not None:
            secret.blocks.append(Block(self.world.now, action, recorded=True, outside=tuple(key.broken_by)))
        call = Call("kms", "GenerateDataKeyPair", account, region, request, None, error, True, resources)
        self.world.ledger.write(self.world.now, session.caller, call)
        return error is None

    def _rotation_event(self, secret: Secret, name: str) -> None:
        """Secrets Manager's own event: an identity without type and ARN."""
        host = "secretsmanager.amazonaws.com"
        account, region = secret.role.account.id, secret.scope.region
        caller = Caller({"accountId": account, "invokedBy": host}, host, host, tls=False)
        extra: Json = {"eventType": "AwsServiceEvent", "additionalEventData": {"SecretId": secret.arn}}
        extra["requestID"] = f"Rotation-{secret.arn}-{self.dice.uuid()}"
        if name == "RotationFailed":
            extra["errorMessage"] = "Error when executing the rotation by ecs.amazonaws.com"
        self.world.ledger.write(self.world.now, caller, Call("secretsmanager", name, account, region, extra=extra))

    def _key_use(self, secret: Secret, session: Session, version: str) -> None:
        """Secrets Manager encrypts with its default key, or the customer's, on behalf of the session."""
        host = "secretsmanager.amazonaws.com"
        account, region = secret.role.account.id, secret.scope.region
        caller = Caller({**session.caller.identity, "invokedBy": host}, host, host, tls=False)
        context = {"SecretARN": secret.arn, "SecretVersionId": version}
        request: Json = {"keyId": "alias/aws/secretsmanager", "keySpec": "AES_256", "encryptionContext": context}
        # The key is the account's default one, so it has the same id every time.
        arn = f"arn:{self.world.partition}:kms:{region}:{account}:key/{account[:8]}-0000-4000-8000-{account}"
        error = None
        if secret.key is not None:
            arn = request["keyId"] = secret.key.arn
            error = self._key_error(session, "kms:GenerateDataKey", secret.key)
        resources = ({"accountId": account, "type": "AWS::KMS::Key", "ARN": arn},)
        call = Call("kms", "GenerateDataKey", account, region, request, None, error, True, resources)
        self.world.ledger.write(self.world.now, caller, call)
