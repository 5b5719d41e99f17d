"""Kinds about what an analyst asks next: who posed as ECS, who read a secret, when nobody watched, what was left."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from ecs_trail.practice.dice import clock_text
from ecs_trail.practice.mesh import harm_time, innocents, mesh
from ecs_trail.practice.papers import Paper, allow, document, trust, trust_principal
from ecs_trail.practice.records import Call, Caller, Json
from ecs_trail.practice.stage import MINUTE, Crew, Stage
from ecs_trail.practice.things import Secret
from ecs_trail.practice.trails import Trail
from ecs_trail.practice.truth import READS, Deed, Gap
from ecs_trail.practice.world import Role, role_resource
from ecs_trail.vocabulary import FindingKind

Act: TypeAlias = Callable[[Caller], str]

_CLI = "aws-cli/2.24.11 md/awscrt#0.23.8 ua/2.0 os/linux#6.1 lang/python#3.12.9"


# --- somebody else in ECS's name ------------------------------------------------------------------------------------


def role_assumed_by_person(stage: Stage) -> None:
    """A person assumes the role under another session name of ECS; another does so under a name of their own."""
    dice = stage.dice
    stage.cast()
    both = trust(dice)
    root = trust_principal(f"arn:{stage.world.partition}:iam::{stage.home.id}:root")
    paper = Paper(document(*both.json["Statement"], *root.json["Statement"]), both.rules)
    stage.change(stage.strike - 60, lambda who: stage.iam.set_trust(who, stage.role, paper), harmless=True)
    names = ("ECSServiceConnectForTLS", "ECSNetworkingWithELB", "ecs-service-scheduler", "ECSManagedInstances")
    name = dice.choice((*names, "ECSNetworkingWithVPCLattice", "ECSManagedInstancesForCompute"))
    stage.world.at(stage.strike, lambda: _pose(stage, name, guilty=True))
    own = stage.strike - dice.randint(2, 30) * MINUTE
    stage.world.at(own, lambda: _pose(stage, dice.choice(("alice-debug", "break-glass", "jonas")), guilty=False))
    stage.usual()


def _pose(stage: Stage, session: str, *, guilty: bool) -> None:
    dice, world, role = stage.dice, stage.world, stage.role
    person, place = stage.people.user(), (stage.home.id, stage.region)
    who, taken = _assume(stage, person, role, session)
    group = f"arn:{world.partition}:elasticloadbalancing:{stage.region}:{stage.home.id}:targetgroup/web/{dice.hex(16)}"
    options = (
        Call("ec2", "DescribeInstances", *place, {"instancesSet": {}, "filterSet": {}}, read_only=True),
        Call("ec2", "DescribeVolumes", *place, {"volumeSet": {}, "filterSet": {}}, read_only=True),
        Call("elasticloadbalancing", "DescribeTargetHealth", *place, {"targetGroupArn": group}, read_only=True),
        Call("ec2", "DescribeSecurityGroups", *place, {"securityGroupSet": {}, "filterSet": {}}, read_only=True),
    )
    calls = dice.sample(options, dice.randint(1, 3))
    ids = [world.ledger.write(world.now + 3 * step, who, call) for step, call in enumerate(calls, start=1)]
    if guilty:
        stage.deeds.append(Deed(FindingKind.SESSION_IMPERSONATION, tuple(ids), role=role, beside=(taken,)))


def _assume(stage: Stage, person: Caller, role: Role, session: str) -> tuple[Caller, str]:
    world = stage.world
    identity = stage.people.role_session(role.name, session, path=role.path)
    identity["sessionContext"]["sessionIssuer"]["principalId"] = role.role_id
    identity["principalId"] = f"{role.role_id}:{session}"
    response: Json = {
        "credentials": {
            "accessKeyId": identity["accessKeyId"],
            "sessionToken": world.blob[:70],
            "expiration": clock_text(world.now + 3600, comma=True),
        },
        "assumedRoleUser": {"assumedRoleId": identity["principalId"], "arn": identity["arn"]},
    }
    request = {"roleArn": role.arn, "roleSessionName": session, "durationSeconds": 3600}
    call = Call(
        "sts", "AssumeRole", stage.home.id, stage.region, request, response, read_only=True,
        resources=(role_resource(role),),
    )  # fmt: skip
    return Caller(identity, person.ip, _CLI), world.ledger.write(world.now, person, call)


# --- somebody else at the secret ------------------------------------------------------------------------------------


def secret_read_by_person(stage: Stage) -> None:
    """A person reads the certificate and its private key out of a secret of ECS; others look or are refused."""
    made, at = mesh(stage), harm_time(stage)
    person = stage.people.person()
    for step in range(stage.dice.randint(1, 2)):
        stage.world.at(at + 40 * step, lambda: _read(stage, person, made.secrets[0]))
    _onlookers(stage, made.secrets, at)
    innocents(stage, made, at)


def secret_read_by_role(stage: Stage) -> None:
    """An application's role reads secrets of ECS in a batch, or only KMS shows that it had one decrypted."""
    made, at = mesh(stage), harm_time(stage)
    app = stage.people.workload(stage.dice.choice(("backup-job", "inventory-scan", "debug-shell")), "run")
    how = stage.dice.choice((_read_batch, _decrypt))
    stage.world.at(at, lambda: how(stage, app, made.secrets))
    _onlookers(stage, made.secrets, at)
    innocents(stage, made, at)


def secret_read_in_ecs_name(stage: Stage) -> None:
    """A person takes the TLS role under ECS's own session name and reads a secret: posed as ECS, and read."""
    made, at = mesh(stage), harm_time(stage)
    root = trust_principal(f"arn:{stage.world.partition}:iam::{stage.home.id}:root")
    both = trust(stage.dice)
    paper = Paper(document(*both.json["Statement"], *root.json["Statement"]), both.rules)
    stage.change(at - 900, lambda who: stage.iam.set_trust(who, made.role, paper), harmless=True)

    def act() -> None:
        who, taken = _assume(stage, stage.people.user(), made.role, "ECSServiceConnectForTLS")
        stage.world.at(stage.world.now + 5, lambda: read(who, taken))

    def read(who: Caller, taken: str) -> None:
        _read(stage, who, made.secrets[0])
        event_ids = stage.deeds[-1].event_ids
        stage.deeds.append(Deed(FindingKind.SESSION_IMPERSONATION, event_ids, role=made.role, beside=(taken,)))

    stage.world.at(at, act)
    _onlookers(stage, made.secrets, at)
    innocents(stage, made, at)


def secret_looked_at(stage: Stage) -> None:
    """People and monitoring look at secrets of ECS without reading their values, or are refused."""
    made, at = mesh(stage), harm_time(stage)
    for _ in range(2):
        _onlookers(stage, made.secrets, at)
    innocents(stage, made, at)


def _onlookers(stage: Stage, secrets: list[Secret], near: int) -> None:
    """Metadata is read, reading is refused, and an application reads a secret of its own: nothing is found here."""
    place, app = (stage.home.id, stage.region), stage.people.workload("config-recorder", "scan")
    text = "because no identity-based policy allows the secretsmanager:GetSecretValue action"

    def look() -> None:
        request, source = {"secretId": secrets[0].arn}, "secretsmanager"
        refused = ("AccessDeniedException", f"User: {app.arn} is not authorized to perform: GetSecretValue {text}")
        calls = (
            Call(source, "DescribeSecret", *place, request, read_only=True),
            Call(source, "GetSecretValue", *place, request, error=refused, read_only=True),
            Call(source, "GetSecretValue", *place, {"secretId": "prod/ecs-sc/notes"}, read_only=True),
            Call(source, "ListSecrets", *place, {"maxResults": 50}, read_only=True),
        )
        for call in stage.dice.sample(calls, stage.dice.randint(1, 4)):
            stage.world.ledger.write(stage.world.now, app, call)

    stage.world.at(near + stage.dice.randint(-3600, 3600), look)


def _found(stage: Stage, event_id: str, secrets: list[Secret]) -> None:
    stage.deeds.append(Deed(FindingKind.SECRET_READ_BY_OTHER, (event_id,), secrets=tuple(secrets)))


def _read(stage: Stage, who: Caller, secret: Secret) -> None:
    name = secret.arn if stage.dice.chance(0.6) else secret.name
    request: Json = {"secretId": name}
    if stage.dice.chance(0.3):
        request["versionStage"] = "AWSCURRENT"
    call = Call("secretsmanager", "GetSecretValue", stage.home.id, stage.region, request, read_only=True)
    _found(stage, stage.world.ledger.write(stage.world.now, who, call), [secret])


def _read_batch(stage: Stage, who: Caller, secrets: list[Secret]) -> None:
    names = ["prod/orders/db", *(secret.arn for secret in secrets)]
    stage.dice.shuffle(names)
    request = {"secretIdList": names}
    call = Call("secretsmanager", "BatchGetSecretValue", stage.home.id, stage.region, request, read_only=True)
    _found(stage, stage.world.ledger.write(stage.world.now, who, call), secrets)


def _decrypt(stage: Stage, who: Caller, secrets: list[Secret]) -> None:
    """Secrets Manager decrypts for the reader and keeps the reader's identity in the record."""
    host, secret = "secretsmanager.amazonaws.com", secrets[0]
    caller = Caller({**who.identity, "invokedBy": host}, host, host, tls=False)
    context = {"SecretARN": secret.arn, "SecretVersionId": stage.dice.uuid()}
    request = {"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": context}
    key = f"arn:{stage.world.partition}:kms:{stage.region}:{stage.home.id}:key/{stage.dice.uuid()}"
    resources = ({"accountId": stage.home.id, "type": "AWS::KMS::Key", "ARN": key},)
    call = Call("kms", "Decrypt", stage.home.id, stage.region, request, read_only=True, resources=resources)
    _found(stage, stage.world.ledger.write(stage.world.now, caller, call), [secret])


# --- nobody watched -------------------------------------------------------------------------------------------------


def trail_stopped(stage: Stage) -> None:
    """The trail is stopped or deleted, and perhaps started or made again."""
    trail = Trail(stage.home, stage.region)
    close, reopen = stage.dice.choice(
        ((trail.stop, trail.start), (trail.stop, trail.start), (trail.delete, trail.create))
    )
    _gap(stage, close, reopen, only="")


def selectors_narrowed(stage: Stage) -> None:
    """The trail goes on without management events, without those of KMS, or without reads."""
    trail, host = Trail(stage.home, stage.region), "kms.amazonaws.com"
    narrow, only = stage.dice.choice(
        (
            (partial(trail.select, management=False), ""),
            (partial(trail.select, excluded=(host,)), host),
            (partial(trail.select, kind="WriteOnly"), READS),
        )
    )
    _gap(stage, narrow, trail.select, only=only)


def _gap(stage: Stage, close: Act, reopen: Act, *, only: str) -> None:
    dice = stage.dice
    stage.cast()
    stage.past()
    stage.runners(0.8)
    back = stage.strike + dice.randint(20, 90) * MINUTE if dice.chance(0.5) else None
    by = stage.people.person()

    def shut(who: Caller) -> None:
        stage.deeds.append(Deed(FindingKind.LOGGING_GAP, (close(who),), ongoing=back is None))

    stage.change(stage.strike, shut, by=by)
    if dice.chance(0.5):
        # Stopped in the last seconds before: whether it was cleaned up, nobody can say where nothing is recorded.
        stage.crew(stage.before_strike(), stage.strike - dice.randint(1, 4), how="stop_task")
    if back is not None:
        stage.change(back, reopen, by=by)
        launch = back + dice.randint(2, 10) * MINUTE
        stage.crew(launch, launch + dice.randint(12, 30) * MINUTE, count=dice.randint(1, 2))
        stage.reach(back + 60 * MINUTE)
    stage.reach(stage.strike + dice.randint(30, 60) * MINUTE)
    stage.blind.append(Gap(stage.strike, back if back is not None else stage.end + 1, only))


def trail_touched(stage: Stage) -> None:
    """The trail is changed without taking anything from it, and somebody may not stop it: no gap."""
    dice, trail = stage.dice, Trail(stage.home, stage.region)
    stage.cast()
    options = (
        trail.select, trail.update, lambda who: trail.refused(who, "StopLogging"),
        lambda who: trail.refused(who, "DeleteTrail"), trail.start,
    )  # fmt: skip
    for make in dice.sample(options, dice.randint(2, 4)):
        stage.change(stage.strike + dice.randint(-1800, 1800), make, harmless=True)
    stage.usual()


# --- what was left --------------------------------------------------------------------------------------------------


def volumes_left_behind(stage: Stage) -> None:
    """ECS gives up a cleanup that is refused: a saved state shows the tasks gone, their volumes are still there."""
    dice = stage.dice
    stage.cast()
    if dice.chance(0.6):
        stage.change(stage.strike, stage.revoke)
    else:
        words = "because no session policy allows the ec2:DeleteVolume action"

        def curse() -> None:
            stage.role.veto = {"ec2:DeleteVolume": words}
            stage.world.note("")

        stage.world.at(stage.strike, curse)
    stage.decoys()
    stage.past()
    crews = stage.victims(crews=dice.randint(1, 2))
    # Meant to stay: its task is gone, its volume is there, and that is as it should be.
    kept = stage.crew(stage.dawn + 12 * MINUTE, stage.strike - 9 * MINUTE, keep=True)
    given_up = stage.strike + dice.randint(60, 100) * MINUTE
    stage.reach(given_up + dice.randint(20, 40) * MINUTE)
    stage.world.at(given_up, lambda: _give_up(crews, given_up))
    stage.save(given_up + dice.randint(2, 15) * MINUTE, [*crews, kept])
    stage.bystander()


def _give_up(crews: list[Crew], at: int) -> None:
    for task in [task for crew in crews for task in crew.tasks]:
        if task.stopping and task.resolved_at is None:
            task.given_up_at = at


def launch_leftovers(stage: Stage) -> None:
    """New tasks get a volume but cannot attach it, and ECS may not delete it again."""
    dice = stage.dice
    stage.cast("inline")
    narrow = allow(dice, frozenset({"ec2:CreateVolume", "ec2:CreateTags", "ec2:DescribeVolumes", "ec2:DetachVolume"}))
    stage.change(stage.strike, lambda who: stage.iam.put_inline(who, stage.role, stage.inline_name, narrow))
    stage.decoys()
    stage.past()
    crews: list[Crew] = []
    for _ in range(dice.randint(1, 2)):
        at = stage.strike + stage.world.lag + dice.randint(60, 1200)
        crews.append(stage.crew(at, count=dice.randint(1, 2), how="stop_task"))
    if dice.chance(0.3):
        person = stage.people.person()
        stage.world.at(stage.strike + 38 * MINUTE, lambda: _tidy(stage, person, crews))
    stage.bystander()
    stage.reach(stage.strike + dice.randint(40, 90) * MINUTE)


def _tidy(stage: Stage, person: Caller, crews: list[Crew]) -> None:
    """A person deletes what was left: then nothing is."""
    for task in [task for crew in crews for task in crew.tasks]:
        stage.fleet.delete_by_hand(person, task)


# --- launches refused -----------------------------------------------------------------------------------------------


def pass_role_denied_service(stage: Stage) -> None:
    """Somebody creates or updates a service and may not pass the role; another refusal is about something else."""
    dice = stage.dice
    stage.cast()
    callers = (stage.people.user, stage.people.terraform, stage.people.cloudformation)
    for _ in range(dice.randint(1, 3)):
        caller = dice.choice(callers)()

        def refuse(who: Caller = caller) -> None:
            stage.pass_role_denials.append(_refused(stage, who, "iam:PassRole"))

        stage.world.at(stage.strike + dice.randint(0, 1800), refuse)
    other = stage.people.user()
    stage.world.at(stage.strike + dice.randint(0, 1800), lambda: _refused(stage, other, "ecs:UpdateService"))
    stage.usual()


def _refused(stage: Stage, who: Caller, action: str) -> str:
    dice, role, scope = stage.dice, stage.role, stage.scope
    name = "UpdateService" if action.startswith("ecs:") else dice.choice(("CreateService", "UpdateService"))
    service = dice.choice(("web", "gateway", "billing"))
    place = f"arn:{stage.world.partition}:ecs:{scope.region}:{stage.home.id}:service/{scope.cluster}/{service}"
    request: Json = {"cluster": scope.cluster, "taskDefinition": f"{service}:{dice.randint(1, 60)}"}
    request["serviceName" if name == "CreateService" else "service"] = service
    request |= dice.choice(_with_role(role))
    target = role.arn if action == "iam:PassRole" else place
    text = f"User: {who.arn} is not authorized to perform: {action} on resource: {target} "
    error = (
        dice.choice(("AccessDenied", "AccessDeniedException")),
        text + f"because no identity-based policy allows the {action} action",
    )
    call = Call("ecs", name, stage.home.id, scope.region, request, error=error)
    return stage.world.ledger.write(stage.world.now, who, call)


def _with_role(role: Role) -> list[Json]:
    """The places of a service request in which an infrastructure role is passed."""
    volume = {"roleArn": role.arn, "sizeInGiB": 20, "volumeType": "gp3", "filesystemType": "xfs"}
    tls = {"issuerCertificateAuthority": {"awsPcaAuthorityArn": "arn:aws:acm-pca:::x"}, "roleArn": role.arn}
    connect = {"enabled": True, "namespace": "mesh", "services": [{"portName": "http", "tls": tls}]}
    balancer = {"containerName": "app", "containerPort": 80, "advancedConfiguration": {"roleArn": role.arn}}
    return [
        {"volumeConfigurations": [{"name": "data", "managedEBSVolume": volume}]},
        {"serviceConnectConfiguration": connect},
        {"loadBalancers": [balancer]},
        {"vpcLatticeConfigurations": [{"roleArn": role.arn, "targetGroupArn": "tg-1", "portName": "http"}]},
    ]


def role_too_young(stage: Stage) -> None:
    """A task is launched seconds after its role was made: IAM has not spread it yet, and ECS cannot assume it."""
    dice = stage.dice
    stage.world.lag = dice.randint(270, 295)
    stage.cast()
    stage.past()
    stage.runners()
    young = stage.iam.new_role(stage.names[2], dice.choice(("/", "/ecs/")))
    stage.found(young, dice.choice(("managed", "inline", "customer")), at=stage.strike, scopes=(stage.scope,))
    place = (young, stage.scope)
    crew = stage.crew(stage.strike + dice.randint(4, 15), count=dice.randint(1, 2), how="stop_task", place=place)
    later = stage.strike + dice.randint(11, 20) * MINUTE
    if dice.chance(0.6):
        stage.crew(later, later + dice.randint(11, 20) * MINUTE, how="stop_task", place=place)
    stage.reach(stage.strike + dice.randint(50, 90) * MINUTE)
    stage.save(stage.strike + dice.randint(8, 30) * MINUTE, [crew])
