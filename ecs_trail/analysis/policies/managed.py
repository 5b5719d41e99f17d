"""AWS managed policies, as far as the infrastructure role is concerned.

The data file ``managed_policies.json`` was made from the public repository zoph-io/IAMTrail, which polls the live
policies (https://github.com/zoph-io/IAMTrail, snapshot 2026-08-22, and one version of 2026-09-15; the commits stand in
``meta``).
It holds facts only: names, versions, create dates, statements. Versions AWS published between two polls are missing.

* The six ECS infrastructure policies: every version the history shows, whole.
* Every other policy: its current version, cut down to what touches the actions listed in ``meta.actions`` (NotAction
  statements stay whole). What is cut away says nothing about other actions: ask :func:`managed_policy_answers` first.
* A policy that cannot touch these actions, and one that only a service-linked role can hold (path
  ``/aws-service-role/``, using-service-linked-roles.html), stands by name alone: attaching it changes nothing here.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache, lru_cache
from pkgutil import get_data
from typing import Final

import msgspec

from ecs_trail.analysis.policies.documents import Policy, parse_policy

__all__ = ["is_aws_managed", "managed_policy", "managed_policy_answers", "managed_policy_known"]

_ARN: Final = re.compile(
    r"arn:(aws[a-z0-9-]{0,20}):iam::aws:policy/(?:[\w+=,.@-]{1,128}/){0,4}([\w+=,.@-]{1,128})", re.ASCII
)
_NOTHING: Final = '{"Version":"2012-10-17","Statement":[]}'


class _Version(msgspec.Struct, array_like=True, frozen=True):
    version_id: str
    created: datetime
    document: msgspec.Raw


class _Meta(msgspec.Struct, frozen=True):
    source: str
    commit: str
    snapshot: datetime
    full: frozenset[str]
    actions: frozenset[str]


class _Table(msgspec.Struct, frozen=True):
    meta: _Meta
    policies: dict[str, tuple[_Version, ...]]


@cache
def _table() -> _Table:
    # `importlib.resources` would load temporary files, archives and random numbers
    data = get_data("ecs_trail.analysis.policies", "managed_policies.json")
    return msgspec.json.decode(data or b"", type=_Table)


def _parts(arn: str) -> tuple[str, str] | None:
    """Partition and policy name; the path is not looked at, as names are unique among AWS managed policies."""
    found = _ARN.fullmatch(arn)
    return (found[1], found[2]) if found else None


def is_aws_managed(arn: str) -> bool:
    """Whether the ARN is one of AWS's own policies, in any partition, known here or not."""
    return _parts(arn) is not None


def managed_policy_known(arn: str) -> bool:
    """Whether :func:`managed_policy` has an answer for this ARN."""
    parts = _parts(arn)
    return parts is not None and parts[1] in _table().policies


def managed_policy(arn: str, at: datetime | None = None) -> Policy | None:
    """The AWS managed policy as it was at a moment (None: the newest version known).

    Its label is the ARN. In another partition than ``aws`` the ARNs inside the document carry that partition (AWS does
    not publish those texts; the rule is a guess). Before the first version known, the first one is returned. None when
    the ARN is no AWS managed policy in the table. Raises ValueError when ``at`` has no time zone.
    """
    if at is not None and at.utcoffset() is None:
        raise ValueError(f"managed_policy: at={at.isoformat()} has no time zone; pass an aware datetime, as in UTC")
    parts = _parts(arn)
    versions = _table().policies.get(parts[1]) if parts else None
    if versions is None:
        return None
    published = [number for number, version in enumerate(versions) if at is None or version.created <= at]
    return _compiled(arn, published[-1] if published else 0)


@lru_cache(maxsize=1024)
def _compiled(arn: str, number: int) -> Policy | None:
    parts = _parts(arn)
    if parts is None:
        return None
    versions = _table().policies[parts[1]]
    text = bytes(versions[number].document).decode() if versions else _NOTHING
    return parse_policy(text if parts[0] == "aws" else text.replace('"arn:aws:', f'"arn:{parts[0]}:'), arn)


def managed_policy_answers(arn: str, action: str) -> bool:
    """Whether the table holds all this policy says about the action (any case): else its silence proves nothing."""
    parts = _parts(arn)
    if parts is None or parts[1] not in _table().policies:
        return False
    return parts[1] in _table().meta.full or action.lower() in _table().meta.actions
