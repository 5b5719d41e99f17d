"""Digests and log files in S3, found by computed prefixes; public keys from CloudTrail.

*Amazon S3 API Reference*, GetObject (user metadata), and *AWS CloudTrail API Reference*, ListPublicKeys; read on
2026-11-24.
"""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final

from ecs_trail.errors import UsageError
from ecs_trail.evidence.aws import DeniedError, explained, make_client
from ecs_trail.evidence.integrity.digests import FOLDER, Location, digest_name
from ecs_trail.evidence.integrity.shelves import Item, Listing, Piece, Scope
from ecs_trail.evidence.integrity.signatures import ACTION, PublicKeys
from ecs_trail.evidence.ledger import Problem
from ecs_trail.evidence.moments import stamp_of
from ecs_trail.evidence.sources.bucket import Bucket, Listed
from ecs_trail.evidence.sources.layout import ACCOUNT, LOGS, ORGANIZATION, ROOT
from ecs_trail.evidence.sources.s3 import parse_location

_READERS: Final = 16
#: Folders looked into for `AWSLogs/` where it is not at the prefix itself.
_PROBED: Final = 50
_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+")
_DAY: Final = timedelta(days=1)


class BucketShelf:
    """`s3://BUCKET/PREFIX`: the bucket CloudTrail writes to. What lies elsewhere than CloudTrail put it was moved."""

    may_be_plain = False
    is_original = True
    readers = _READERS

    def __init__(self, text: str, *, client: Callable[[], Any] | None = None) -> None:
        """`text` is `BUCKET/PREFIX`, with `?requester-pays` where the reader pays; `client` makes an S3 client."""
        source = parse_location(text)
        self.name = source.name
        self.prefix = f"{source.prefix}/" if source.prefix else ""
        self._requester_pays = source.requester_pays
        self._client = client() if client else make_client("s3", connections=_READERS)
        self._bucket = self._open(source.bucket)

    def listing(self, scope: Scope) -> Listing:
        """The digests and log files of the accounts, Regions and days asked for. Raises `AccessError`."""
        found = Listing()
        places = list(self._places(scope))
        with ThreadPoolExecutor(_READERS) as pool:
            for listed in pool.map(lambda place: self._list(place, scope), places or [self.prefix]):
                found.digests.extend(listed.digests)
                found.logs.extend(listed.logs)
                found.problems.extend(listed.problems)
        found.problems.extend(self._bucket.remarks)
        if not places and not found.digests and not found.logs:
            raise UsageError(f"there are no CloudTrail files at {self.name}.", hint="aws s3 ls shows what is there.")
        return found

    def find(self, location: Location) -> list[Item]:
        """The one place where an object may be: its bucket and key."""
        bucket, key = location
        return [Item(f"s3://{bucket}/{key}", bucket, key)]

    def is_at(self, item: Item, location: Location) -> bool:
        """True for the same bucket and key."""
        return (item.bucket, item.key) == location

    def read(self, item: Item) -> Piece:
        """The object and its user metadata, names in small letters."""
        bucket = self._bucket if item.bucket == self._bucket.name else self._open(item.bucket)
        fetched, metadata = bucket.get(item.key)
        if fetched.problem is not None:
            is_absent = fetched.problem.kind == "vanished"
            return Piece(is_absent=is_absent, problem=None if is_absent else fetched.problem)
        return Piece(fetched.data or b"", {name.lower(): value for name, value in metadata.items()})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _open(self, name: str) -> Bucket:
        return Bucket(self._client, name, requester_pays=self._requester_pays)

    def _places(self, scope: Scope) -> Iterator[str]:
        """The prefixes of every account, kind of file and Region asked for."""
        for account_prefix, account, given in self._accounts():
            if scope.account not in {None, account}:
                continue
            for kind in (FOLDER, LOGS):
                above = f"{account_prefix}{kind}/"
                for region in [given] if given else self._bucket.folders(above):
                    if scope.has(account, region):
                        yield f"{above}{region}/"

    def _accounts(self) -> Iterator[tuple[str, str, str]]:
        """Prefix up to the account, account, and the Region where the user named one."""
        parts = [part for part in self.prefix.split("/") if part]
        if ROOT not in parts:
            for root in self._roots():
                yield from self._below(root)
            return
        cut = len(parts) - parts[::-1].index(ROOT)
        root, rest = "/".join(parts[:cut]) + "/", parts[cut:]
        if rest and ORGANIZATION.fullmatch(rest[0]):
            root, rest = f"{root}{rest[0]}/", rest[1:]
        if not rest:
            yield from self._below(root)
        elif ACCOUNT.fullmatch(rest[0]):
            region = rest[2] if len(rest) > 2 and _REGION.fullmatch(rest[2]) else ""
            yield f"{root}{rest[0]}/", rest[0], region

    def _below(self, root: str) -> Iterator[tuple[str, str, str]]:
        for name in self._bucket.folders(root):
            if ACCOUNT.fullmatch(name):
                yield f"{root}{name}/", name, ""
            elif ORGANIZATION.fullmatch(name):
                yield from self._below(f"{root}{name}/")

    def _roots(self) -> list[str]:
        """Every `AWSLogs/` at the prefix or one folder below it."""
        names = self._bucket.folders(self.prefix)
        near = [f"{self.prefix}{name}/" for name in names if name != ROOT][:_PROBED]
        roots = [f"{self.prefix}{ROOT}/"] if ROOT in names else []
        return roots + [f"{folder}{ROOT}/" for folder in near if ROOT in self._bucket.folders(folder)]

    def _list(self, prefix: str, scope: Scope) -> Listing:
        found = Listing()
        after, until = _bounds(prefix, scope) if prefix != self.prefix else ("", "")
        try:
            for one in self._bucket.objects(prefix, after=after, until=until):
                if isinstance(one, Problem):  # deleted behind a marker: what counts of it, digests tell
                    found.problems.append(Problem(one.source, "not_read", one.detail))
                else:
                    self._sort(one, found)
        except DeniedError as error:
            found.problems.append(Problem(self._bucket.name_of(prefix), "no_permission", error.message))
        return found

    def _sort(self, listed: Listed, found: Listing) -> None:
        item = Item(self._bucket.name_of(listed.key), self._bucket.name, listed.key)
        if digest_name(listed.key) is not None:
            found.digests.append(item)
        elif stamp_of(listed.key) is not None:
            found.logs.append(item)


def _bounds(prefix: str, scope: Scope) -> tuple[str, str]:
    """Keys between which the day folders of a window lie, a day more at the end."""
    start, end = scope.window.start, scope.window.end
    after = f"{prefix}{start:%Y/%m/%d}" if start is not None else ""
    until = f"{prefix}{end + 2 * _DAY:%Y/%m/%d}" if end is not None else ""
    return after, until


def list_public_keys(region: str, start: datetime, end: datetime, into: PublicKeys) -> None:
    """Add the keys that CloudTrail used in a Region and span. Raises `AccessError`."""
    client = make_client("cloudtrail", region)
    try:
        with explained(ACTION, region):
            for page in client.get_paginator("list_public_keys").paginate(StartTime=start, EndTime=end):
                for key in page.get("PublicKeyList", ()):
                    into.add(key["Fingerprint"], key["Value"])
    finally:
        client.close()
