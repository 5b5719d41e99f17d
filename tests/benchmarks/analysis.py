"""How the analysis grows: one role, N tasks, about 20 N selected events; time and peak memory for N/2 and N.

    python -m tests.benchmarks.analysis --tasks 10000

Each size runs in an interpreter of its own, so that its peak memory is its own. The records are made in a temporary
folder first; their making is not measured.
"""

import argparse
import gzip
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import ecs_trail as et

ACCOUNT: Final = "111122223333"
REGION: Final = "eu-west-1"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/ecsInfra"
SESSION: Final = f"arn:aws:sts::{ACCOUNT}:assumed-role/ecsInfra/ECSTaskVolumesForEBS"
POLICY: Final = "arn:aws:iam::aws:policy/service-role/AmazonECSInfrastructureRolePolicyForVolumes"
TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
START: Final = datetime(2026, 3, 2, tzinfo=UTC)
#: Seconds after the start: the policy goes, and comes back.
LOST, BACK = 40_000, 60_000
#: Reads of a volume after its creation, and again after its detachment.
READS: Final = 8
_COUNTS: Final = frozenset({"tasks", "events", "recovered", "peak"})
ECS: Final = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLEEXAMPLE:ECSTaskVolumesForEBS",
    "arn": SESSION,
    "accountId": ACCOUNT,
    "sessionContext": {
        "sessionIssuer": {
            "type": "Role",
            "principalId": "AROAEXAMPLEEXAMPLE",
            "arn": ROLE,
            "accountId": ACCOUNT,
            "userName": "ecsInfra",
        },
        "attributes": {"creationDate": "2026-03-02T00:00:00Z", "mfaAuthenticated": "false"},
    },
    "invokedBy": "ecs.amazonaws.com",
}
ADMIN: Final = {
    "type": "IAMUser",
    "principalId": "AIDAEXAMPLEEXAMPLE",
    "arn": f"arn:aws:iam::{ACCOUNT}:user/admin",
    "accountId": ACCOUNT,
    "userName": "admin",
}
Record = dict[str, Any]


class Writer:
    """Makes records with random ids, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def record(self, source: str, name: str, at: int, request: Record, response: Record | None = None) -> Record:
        """One successful call, `at` seconds after the start: of ECS, or of the administrator where it is IAM's."""
        iam = source == "iam"
        number = self.dice.getrandbits(128)
        event_id = f"{number:032x}"
        return {
            "eventVersion": "1.11",
            "userIdentity": ADMIN if iam else ECS,
            "eventTime": (START + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": f"{source}.amazonaws.com",
            "eventName": name,
            "awsRegion": "us-east-1" if iam else REGION,
            "sourceIPAddress": "192.0.2.1" if iam else "ecs.amazonaws.com",
            "userAgent": "ecs.amazonaws.com",
            "requestParameters": request,
            "responseElements": response,
            "requestID": event_id,
            "eventID": "-".join((event_id[:8], event_id[8:12], event_id[12:16], event_id[16:20], event_id[20:])),
            "readOnly": name.startswith("Describe"),
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
        }

    def role(self) -> Iterator[Record]:
        """The role is made, loses its policy and gets it back."""
        request = {"roleName": "ecsInfra", "assumeRolePolicyDocument": json.dumps(TRUST)}
        response = {"role": {"arn": ROLE, "roleId": "AROAEXAMPLEEXAMPLE", "roleName": "ecsInfra"}}
        yield self.record("iam", "CreateRole", 0, request, response)
        for at, name in ((1, "AttachRolePolicy"), (LOST, "DetachRolePolicy"), (BACK, "AttachRolePolicy")):
            yield self.record("iam", name, at, {"roleName": "ecsInfra", "policyArn": POLICY})

    def task(self) -> Iterator[Record]:
        """About twenty calls on the volume of one task; where it stops inside the outage, some are refused."""
        dice = self.dice
        task = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/prod/{dice.getrandbits(128):032x}"
        volume = {"volumeId": f"vol-{dice.getrandbits(68):017x}"}
        start = dice.randrange(10, 30_000)
        stop = dice.randrange(start + 600, 79_000)
        tags = [{"key": "AmazonECSCreated", "value": task}, {"key": "AmazonECSManaged", "value": "true"}]
        made = {"size": "10", "zone": f"{REGION}a"}
        tagged = {"tagSpecificationSet": {"items": [{"resourceType": "volume", "tags": tags}]}}
        yield self.record("ec2", "CreateVolume", start, made | tagged, made | volume)
        yield from self.reads(volume, start + 5)
        yield self.record("ec2", "AttachVolume", start + 20, volume | {"instanceId": "i-0123456789abcdef0"}, volume)
        for _ in range(READS):
            if not LOST <= stop < BACK:
                break
            yield self.refused("DetachVolume", stop, volume)
            stop += dice.randrange(1500, 4000)
        if LOST <= stop < BACK:
            stop = BACK + 100 + dice.randrange(500)
        yield self.record("ec2", "DetachVolume", stop, volume, volume)
        yield from self.reads(volume, stop + 1)
        yield self.record("ec2", "DeleteVolume", stop + 15, volume, {"_return": True})

    def reads(self, volume: Record, at: int) -> Iterator[Record]:
        """ECS looks how far the volume is."""
        request = {"volumeSet": {"items": [volume]}, "filterSet": {}}
        return (self.record("ec2", "DescribeVolumes", at + number, request) for number in range(READS))

    def refused(self, name: str, at: int, volume: Record) -> Record:
        """A call EC2 refuses for want of a policy."""
        what = f"ec2:{name} on resource: arn:aws:ec2:{REGION}:{ACCOUNT}:volume/{volume['volumeId']}"
        why = f"because no identity-based policy allows the ec2:{name} action"
        return self.record("ec2", name, at, volume) | {
            "errorCode": "Client.UnauthorizedOperation",
            "errorMessage": f"You are not authorized to perform this operation. User: {SESSION} is not authorized to "
            f"perform: {what} {why}.",
        }


def write(tasks: int, path: Path) -> int:
    """Write an incident of this many tasks as gzipped lines, in random order; the number of records."""
    writer = Writer(1)
    records = [*writer.role(), *(record for _ in range(tasks) for record in writer.task())]
    writer.dice.shuffle(records)
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8") as stream:
        stream.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in records)
    return len(records)


def measure(path: Path) -> Record:
    """Read and analyse one file: seconds by the clock and of the processor, peak memory in MB, and what was found."""
    investigate = et.investigate  # loads the modules, which is not measured
    begun, begun_cpu = time.perf_counter(), time.process_time()
    case = investigate(path, max_expansion="2GB")  # one file of all records, larger than any that is delivered
    read, read_cpu = time.perf_counter(), time.process_time()
    document = case.document
    done, done_cpu = time.perf_counter(), time.process_time()
    states = [task["state"] for task in document["tasks"]]
    if not states:
        raise SystemExit(f"nothing was analysed: {document['evidence']['problems'][:1]}")
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "events": document["evidence"]["events_selected"],
        "tasks": len(states),
        "recovered": states.count("recovered"),
        "read": read - begun,
        "analysis": done - read,
        "read_cpu": read_cpu - begun_cpu,
        "analysis_cpu": done_cpu - read_cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
    }


def measured(path: Path) -> Record:
    """`measure` in an interpreter of its own."""
    words = [sys.executable, "-m", "tests.benchmarks.analysis", "--measure", str(path)]
    result: Record = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return result


def table(rows: list[Record]) -> str:
    """The figures of N/2 and N, and their ratios. On a busy machine the processor's seconds are the ones to read."""
    heads = ("tasks", "events", "recovered", "read", "analysis", "read_cpu", "analysis_cpu", "peak")
    lines = ["  ".join(f"{head:>12}" for head in heads)]
    lines += ["  ".join(f"{row[head]:>12,.{0 if head in _COUNTS else 2}f}" for head in heads) for row in rows]
    half, whole = rows
    ratios = "  ".join(f"{whole[head] / half[head]:>12.2f}" for head in heads)
    return "\n".join([*lines, f"{ratios}  ratio"])


def main() -> None:
    """Measure N/2 and N tasks, the best of some rounds each, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="the fastest of this many rounds counts")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is not None:
        print(json.dumps(measure(given.measure)))
        return
    rows = []
    with tempfile.TemporaryDirectory(prefix="ecs-trail-") as folder:
        for tasks in (given.tasks // 2, given.tasks):
            path = Path(folder) / f"{tasks}.jsonl.gz"
            write(tasks, path)
            rows.append(min((measured(path) for _ in range(given.rounds)), key=lambda row: row["analysis_cpu"]))
    print(table(rows))


if __name__ == "__main__":
    main()
