"""Services with Service Connect TLS on the stage: their role, certificate authority, secrets, and innocent changes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ecs_trail.practice.iam import aws_managed
from ecs_trail.practice.keys import FOR_TLS, Keys
from ecs_trail.practice.papers import Paper, managed_tls, trust
from ecs_trail.practice.records import Call, Caller, Json
from ecs_trail.practice.stage import HOUR, MINUTE, Stage
from ecs_trail.practice.things import Key, Secret
from ecs_trail.practice.tls import ROTATION
from ecs_trail.practice.world import Policy, Role

_NAMES: Final = ("ecsServiceConnectTls", "mesh-tls", "EcsInfraTLS", "platform-service-connect")
_POLICY: Final = "AmazonECSInfrastructureRolePolicyForServiceConnectTransportLayerSecurity"


@dataclass(slots=True)
class Mesh:
    """What a mesh is made of; the secrets come to life when the world runs."""

    role: Role
    policy: Policy
    inline: str
    keys: Keys
    key: list[Key] = field(default_factory=list)
    secrets: list[Secret] = field(default_factory=list)


def mesh(
    stage: Stage,
    *,
    paper: Paper | None = None,
    with_key: bool = False,
    count: int = 0,
    bare: bool = False,
    span: int = ROTATION,
) -> Mesh:
    """Found a mesh at dawn: its role has the managed policy, or `paper` inline (nothing at all where `bare`).

    The evidence spans the first rotation, or other `span` seconds. `with_key`: a customer's key encrypts the secrets.
    """
    dice, iam = stage.dice, stage.iam
    stage.strike = stage.dawn + span + dice.randint(2, 20) * HOUR
    stage.reach(stage.strike + 8 * HOUR)
    stage.cast()
    role = iam.new_role(dice.choice(_NAMES), dice.choice(("/", "/mesh/", "/ecs/infra/")))
    role.scopes = [stage.scope]
    made = Mesh(
        role,
        aws_managed(stage.world, _POLICY, managed_tls()),
        dice.choice(("tls", "service-connect", "mesh-certificates")),
        Keys(stage.home, stage.region, use=FOR_TLS),
    )
    who = stage.anyone()
    authority: list[str] = []

    def begin() -> None:
        iam.create_role(who, role, trust(dice))
        if paper is not None:
            iam.put_inline(who, role, made.inline, paper)
        elif not bare:
            iam.attach(who, role, made.policy)
        authority.append(stage.tls.authority(who, stage.home.id, stage.scope))
        if with_key:
            made.key.append(made.keys.create(who, role))

    def serve() -> None:
        name, key = stage.service_name(), made.key[0] if made.key else None
        made.secrets.append(stage.tls.create_service(who, role, stage.scope, name, authority[0], key=key))

    stage.world.at(stage.dawn + dice.randint(20, 50), begin)
    for number in range(count or dice.randint(1, 2)):
        stage.world.at(stage.dawn + (10 + 7 * number) * MINUTE + dice.randint(0, 200), serve)
    stage.past()
    stage.runners()
    return made


def harm_time(stage: Stage) -> int:
    """A moment between the first certificate and the first rotation."""
    return stage.dawn + stage.dice.randint(20, 110) * HOUR + stage.dice.randrange(HOUR)


def heal(stage: Stage, make: Callable[[Caller], object], *, share: float = 0.5) -> bool:
    """Perhaps somebody repairs it some hours after the rotation was due; the evidence sees ECS finish."""
    if not stage.dice.chance(share):
        return False
    back = stage.dawn + ROTATION + stage.dice.randint(2, 5) * HOUR
    stage.change(back, make)
    stage.reach(back + 6 * HOUR)
    return True


def innocents(stage: Stage, made: Mesh, near: int) -> None:
    """Changes around a moment that take nothing from anybody: tags, refused calls, another authority."""
    dice, place = stage.dice, (stage.home.id, stage.region)
    other = f"arn:{stage.world.partition}:acm-pca:{stage.region}:{stage.home.id}:certificate-authority/{dice.uuid()}"

    def write(call: Call) -> Callable[[Caller], str]:
        return lambda who: stage.world.ledger.write(stage.world.now, who, call)

    def refused(name: str, request: Json) -> Call:
        words = f"User is not authorized to perform: acm-pca:{name} because no identity-based policy allows it"
        return Call("acm-pca", name, *place, request, error=("AccessDeniedException", words))

    def about_mine(name: str, more: Json) -> Callable[[Caller], str]:
        def act(who: Caller) -> str:
            authority = made.secrets[0].authority_arn if made.secrets else other
            return write(refused(name, {"certificateAuthorityArn": authority, **more}))(who)

        return act

    tag: Json = {"roleName": made.role.name, "tags": [{"key": "owner", "value": "mesh"}]}
    disable = {"certificateAuthorityArn": other, "status": "DISABLED"}
    options: tuple[Callable[[Caller], str], ...] = (
        lambda who: stage.iam.harmless(who, "TagRole", tag),
        write(Call("acm-pca", "UpdateCertificateAuthority", *place, disable)),
        about_mine("UpdateCertificateAuthority", {"status": "DISABLED"}),
        about_mine("DeleteCertificateAuthority", {"permanentDeletionTimeInDays": 7}),
    )
    for make in dice.sample(options, dice.randint(1, 3)):
        stage.change(near + dice.randint(-600, 600), make, harmless=True)
