"""Kinds about Service Connect TLS in depth: what befalls an authority, a key or a secret, and a role in part."""

from ecs_trail.practice.mesh import Mesh, harm_time, heal, innocents, mesh
from ecs_trail.practice.papers import full_tls, tls_without
from ecs_trail.practice.records import Caller
from ecs_trail.practice.stage import HOUR, Stage
from ecs_trail.practice.things import Secret
from ecs_trail.practice.tls import ROTATION


def tls_authority_disabled(stage: Stage) -> None:
    """The private CA is disabled; the next rotation gets no certificate."""
    made, hands = mesh(stage), stage.hands
    at = harm_time(stage)
    stage.change(at, lambda who: hands.disable(who, made.secrets[0]))
    heal(stage, lambda who: hands.enable(who, made.secrets[0]))
    innocents(stage, made, at)


def tls_authority_deleted(stage: Stage) -> None:
    """The private CA is disabled and then deleted, as AWS demands; both took it away."""
    made, hands = mesh(stage), stage.hands
    at, who = harm_time(stage), stage.anyone()
    stage.change(at, lambda caller: hands.disable(caller, made.secrets[0]), by=who)
    later = at + stage.dice.randint(2, 3600)
    stage.change(later, lambda caller: hands.delete_authority(caller, made.secrets[0]), by=who)
    heal(stage, lambda caller: hands.enable(caller, made.secrets[0]), share=0.4)
    innocents(stage, made, at)


def tls_secret_deleted(stage: Stage) -> None:
    """A person deletes a secret of ECS, at once or with a window: its rotation fails, others go on."""
    made, hands, dice = mesh(stage), stage.hands, stage.dice
    force, at = dice.chance(0.4), harm_time(stage)
    if dice.chance(0.2):
        # Just rotated: nothing fails for days.
        at = stage.dawn + ROTATION + dice.randint(2, 6) * HOUR
    person = stage.people.person()
    stage.change(at, lambda who: hands.delete_secret(who, made.secrets[0], force=force), by=person)

    if not force and at < stage.dawn + ROTATION:
        heal(stage, lambda who: hands.restore_secret(who, made.secrets[0]), share=0.5)
    innocents(stage, made, at)


def tls_secret_replicated(stage: Stage) -> None:
    """A person replicates a secret to another Region; then its service is deleted and ECS cannot delete the secret."""
    made, hands, dice = mesh(stage), stage.hands, stage.dice
    at = stage.dawn + dice.randint(20, 60) * HOUR
    person, region = stage.people.person(), stage.other_region
    stage.change(at, lambda who: hands.replicate(who, made.secrets[0], region), by=person)
    gone = at + dice.randint(1, 30) * HOUR
    stage.change(gone, lambda who: stage.tls.delete_service(who, made.secrets[0]))

    def take_back(who: Caller) -> None:
        hands.take_back(who, made.secrets[0], region)
        # Both words fit: it was blocked and the same step succeeded; ECS has deleted it with its service.
        made.secrets[0].unsure.append("state")

    heal(stage, take_back, share=0.4)
    innocents(stage, made, gone)


def tls_key_disabled(stage: Stage) -> None:
    """The customer's key of the secrets is disabled: neither key pairs nor new versions come about."""
    _key_story(stage, "disable", "enable")


def tls_key_policy(stage: Stage) -> None:
    """The policy of the customer's key no longer names the role."""
    _key_story(stage, "forget", "remember")


def _key_story(stage: Stage, harm: str, mend: str) -> None:
    made = mesh(stage, with_key=True)
    at = harm_time(stage)
    stage.change(at, lambda who: getattr(made.keys, harm)(who, made.key[0]))
    extra = (made.role,) if mend == "remember" else ()
    heal(stage, lambda who: getattr(made.keys, mend)(who, made.key[0], *extra))
    innocents(stage, made, at)


def tls_rotation_narrowed(stage: Stage) -> None:
    """The inline policy is replaced by one without an action that only rotation needs, `PutSecretValue` among them."""
    dice = stage.dice
    made = mesh(stage, paper=full_tls(dice))
    lost = {"secretsmanager:PutSecretValue", *dice.sample(_ONLY_ROTATION, dice.randint(0, 2))}
    narrow, at = tls_without(dice, frozenset(lost)), harm_time(stage)
    stage.change(at, lambda who: stage.iam.put_inline(who, made.role, made.inline, narrow))
    heal(stage, lambda who: stage.iam.put_inline(who, made.role, made.inline, full_tls(dice)))
    innocents(stage, made, at)


_ONLY_ROTATION = (
    "secretsmanager:UpdateSecretVersionStage",
    "secretsmanager:RotateSecret",
    "secretsmanager:UpdateSecret",
)


def tls_issue_refused(stage: Stage) -> None:
    """A new service gets no certificate, because its role never had the rights: nobody took them away."""
    dice = stage.dice
    lacking = dice.choice((None, {"acm-pca:IssueCertificate"}, {"secretsmanager:CreateSecret"}))
    paper = None if lacking is None else tls_without(dice, frozenset(lacking))
    made = mesh(stage, paper=paper, bare=True, span=0)
    if dice.chance(0.4):
        back = stage.dawn + dice.randint(2, 4) * HOUR

        def grant(who: Caller) -> None:
            stage.iam.put_inline(who, made.role, made.inline, full_tls(dice))
            for secret in made.secrets:
                # Where nothing names the secret before it is there, it begins its life in good health.
                secret.unsure.append("state")

        stage.change(back, grant)
    innocents(stage, made, stage.dawn + HOUR)


def tls_role_repaired_in_time(stage: Stage) -> None:
    """The TLS policy is detached and attached again before any rotation is due: nothing is blocked."""
    made, dice = mesh(stage), stage.dice
    at = stage.dawn + dice.randint(20, 90) * HOUR
    stage.change(at, lambda who: stage.iam.detach(who, made.role, made.policy))
    back = at + dice.randint(600, 20 * HOUR)
    stage.change(back, lambda who: stage.iam.attach(who, made.role, made.policy))
    innocents(stage, made, at)


def tls_authority_tagged_in_time(stage: Stage) -> None:
    """The private CA loses its tag, or is disabled, and gets it back before any rotation is due."""
    made, dice, hands = mesh(stage), stage.dice, stage.hands
    harm, mend = dice.choice(((hands.untag, hands.tag), (hands.disable, hands.enable)))
    at = stage.dawn + dice.randint(20, 90) * HOUR
    stage.change(at, lambda who: harm(who, _first(made)), harmless=True)
    stage.change(at + dice.randint(600, 20 * HOUR), lambda who: mend(who, _first(made)), harmless=True)
    innocents(stage, made, at)


def tls_undone_in_time(stage: Stage) -> None:
    """A key, a secret or its replica: what would have blocked ECS is undone before ECS comes to it."""
    made, dice, hands, away = mesh(stage, with_key=True), stage.dice, stage.hands, stage.other_region
    at = stage.dawn + dice.randint(20, 80) * HOUR
    back = at + dice.randint(600, 20 * HOUR)
    harm, mend = dice.choice(
        (
            (lambda who: made.keys.disable(who, made.key[0]), lambda who: made.keys.enable(who, made.key[0])),
            (
                lambda who: made.keys.forget(who, made.key[0]),
                lambda who: made.keys.remember(who, made.key[0], made.role),
            ),
            (
                lambda who: hands.delete_secret(who, _first(made), force=False),
                lambda who: hands.restore_secret(who, _first(made)),
            ),
            (
                lambda who: hands.replicate(who, _first(made), away),
                lambda who: hands.take_back(who, _first(made), away),
            ),
        )
    )
    person = stage.people.person()
    stage.change(at, harm, by=person, harmless=True)
    stage.change(back, mend, by=person, harmless=True)
    if dice.chance(0.5):
        stage.change(back + HOUR, lambda who: stage.tls.delete_service(who, _first(made)))
    innocents(stage, made, at)


def _first(made: Mesh) -> Secret:
    return made.secrets[0]
