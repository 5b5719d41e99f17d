"""Evidence of an attacker: the records of a practice incident with hostile words in every string they could choose."""

import gzip
import json
import re
from pathlib import Path

import ecs_trail as et
from ecs_trail import practice

#: Ends a tag, an attribute, a script and a style; asks for something outside; speaks to templates and plotly.
POISON = (
    "\"'><script>window.pwned=1</script><img src=x onerror=window.pwned=2><b>B</b></title></style>{{7*7}}%{x}$y$&amp;"
)
#: The same for names inside ARNs, where a slash or a colon would end the name.
NAME_POISON = "<img src=x onerror=window.pwned=3>'\"{{7*7}}$x$"
#: What makes a record the record it is; everything else may have been chosen by its caller.
FIXED = frozenset(
    {
        *("eventTime", "eventVersion", "eventSource", "eventName", "awsRegion", "recipientAccountId", "accountId"),
        *("eventType", "eventCategory", "invokedBy", "errorCode", "type", "arn", "creationDate", "key", "eventID"),
        *("roleName", "roleArn", "policyArn", "policyDocument", "assumeRolePolicyDocument", "policyName", "volumeId"),
        *("taskArn", "clusterArn", "serviceArn", "instanceId", "cluster", "value", "infrastructureRoleArn", "task"),
        *("clientToken", "roleSessionName", "ARN", "accessKeyId", "sessionToken", "lastStatus", "desiredStatus"),
    }
)


def poisoned(value, key=""):
    """A record's value with the poison behind every string that is not fixed."""
    if isinstance(value, dict):
        return {name: poisoned(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [poisoned(inner, key) for inner in value]
    return f"{value}{POISON}" if isinstance(value, str) and key not in FIXED else value


def hostile_incident(folder: Path, kind: str = "managed_detached", seed: int = 3) -> Path:
    """Write a practice incident and poison it: role, services and sessions by name, every other free string behind."""
    practice.run(seed, kind, folder)
    evidence = folder / "evidence"
    files = sorted(evidence.rglob("*.json.gz"))
    texts = {file: gzip.decompress(file.read_bytes()).decode() for file in files}
    case = et.investigate(evidence)
    names = {arn.rpartition("/")[2] for arn in case.roles["role_arn"]}
    names |= {service.rpartition("/")[2] for service in case.tasks["service"].dropna()}
    for text in texts.values():
        names |= set(re.findall(r'"arn": ?"arn:aws:sts::\d+:assumed-role/[^/"]+/([^/"]+)"', text))
    names = {name for name in names if not name.startswith("ECS")}
    pattern = re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)))
    spoken = json.dumps(NAME_POISON)[1:-1]
    for file, text in texts.items():
        document = json.loads(pattern.sub(lambda match: match[0] + spoken, text))
        document["Records"] = [poisoned(record) for record in document["Records"]]
        file.write_bytes(gzip.compress(json.dumps(document).encode(), mtime=0))
    return evidence
