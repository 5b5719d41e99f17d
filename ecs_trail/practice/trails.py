"""The trail itself: stopped, narrowed, started and set right again, or touched without harm.

Shapes: *AWS CloudTrail API Reference*, StopLogging, StartLogging, PutEventSelectors, UpdateTrail, and *AWS CloudTrail
User Guide*, "Logging management events" (read on 2026-11-24).
"""

from ecs_trail.practice.records import Call, Caller, Json
from ecs_trail.practice.world import Account

_DATA = [{"type": "AWS::S3::Object", "values": ["arn:aws:s3:::prod-data-lake/"]}]


class Trail:
    """One trail of an account, for all Regions, with all management events."""

    def __init__(self, account: Account, region: str) -> None:
        """`region` is the home Region, in which changes of the trail are logged."""
        self.account = account
        self.world = account.world
        self.dice = account.world.dice
        self.region = region
        name = self.dice.choice(("management-events", "org-trail", "audit"))
        self.arn = f"arn:{self.world.partition}:cloudtrail:{region}:{account.id}:trail/{name}"

    def stop(self, caller: Caller) -> str:
        """`StopLogging`: from now on nothing is recorded."""
        return self._write(caller, "StopLogging", {"name": self._name()})

    def start(self, caller: Caller) -> str:
        """`StartLogging`."""
        return self._write(caller, "StartLogging", {"name": self._name()})

    def delete(self, caller: Caller) -> str:
        """`DeleteTrail`."""
        return self._write(caller, "DeleteTrail", {"name": self._name()})

    def create(self, caller: Caller) -> str:
        """`CreateTrail` and `StartLogging`, as after a deletion; returns the id of the latter."""
        name = self.arn.rsplit("/", 1)[1]
        request: Json = {"name": name, "s3BucketName": "trail-archive", "isMultiRegionTrail": True}
        request["includeGlobalServiceEvents"] = True
        self._write(caller, "CreateTrail", request, {**request, "trailARN": self.arn})
        return self.start(caller)

    def select(
        self, caller: Caller, *, management: bool = True, excluded: tuple[str, ...] = (), kind: str = "All"
    ) -> str:
        """`PutEventSelectors`: data events of S3, and management events unless they are left out or `excluded`.

        `kind` is All or WriteOnly.
        """
        advanced = self.dice.chance(0.5)
        request: Json = {"trailName": self._name()}
        if advanced:
            request["advancedEventSelectors"] = self._advanced(management=management, excluded=excluded, kind=kind)
        else:
            selector: Json = {"readWriteType": kind, "includeManagementEvents": management, "dataResources": _DATA}
            selector["excludeManagementEventSources"] = list(excluded)
            request["eventSelectors"] = [selector]
        shown = {"trailARN": self.arn, **{key: value for key, value in request.items() if key != "trailName"}}
        return self._write(caller, "PutEventSelectors", request, shown)

    def update(self, caller: Caller) -> str:
        """`UpdateTrail` that takes nothing away: log file validation is switched on."""
        request: Json = {"name": self._name(), "enableLogFileValidation": True}
        shown = {"name": self.arn.rsplit("/", 1)[1], "trailARN": self.arn, "logFileValidationEnabled": True}
        return self._write(caller, "UpdateTrail", request, {**shown, "isMultiRegionTrail": True})

    def refused(self, caller: Caller, name: str) -> str:
        """A call that was refused: the trail goes on."""
        who = f"User: {caller.arn} is not authorized to perform: cloudtrail:{name} on resource: {self.arn}"
        error = ("AccessDenied", f"{who} because no identity-based policy allows the cloudtrail:{name} action")
        return self._write(caller, name, {"name": self._name()}, None, error)

    def _advanced(self, *, management: bool, excluded: tuple[str, ...], kind: str) -> list[Json]:
        data = [
            {"field": "eventCategory", "equals": ["Data"]},
            {"field": "resources.type", "equals": ["AWS::S3::Object"]},
        ]
        selectors: list[Json] = [{"name": "data", "fieldSelectors": data}]
        if management:
            fields: list[Json] = [{"field": "eventCategory", "equals": ["Management"]}]
            if kind == "WriteOnly":
                fields.append({"field": "readOnly", "equals": ["false"]})
            if excluded:
                fields.append({"field": "eventSource", "notEquals": list(excluded)})
            selectors.insert(0, {"name": "management", "fieldSelectors": fields})
        return selectors

    def _name(self) -> str:
        return self.arn if self.dice.chance(0.5) else self.arn.rsplit("/", 1)[1]

    def _write(
        self, caller: Caller, name: str, request: Json, response: Json | None = None,
        error: tuple[str, str] | None = None,
    ) -> str:  # fmt: skip
        call = Call("cloudtrail", name, self.account.id, self.region, request, response, error)
        return self.world.ledger.write(self.world.now, caller, call)
