"""Every kind, several seeds: well-formed records, an answer that speaks of them, and the plot the kind promises."""

import gzip
import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from ecs_trail.errors import UsageError
from ecs_trail.practice import incident, kinds, run, write, write_answer
from ecs_trail.practice.__main__ import main
from ecs_trail.practice.kinds import FAR
from ecs_trail.vocabulary import FindingKind, Phase, Purpose, TaskState, TlsState

SEEDS = range(6)
REQUIRED = {
    "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress",
    "userAgent", "requestParameters", "responseElements", "requestID", "eventID", "readOnly", "eventType",
    "managementEvent", "recipientAccountId", "eventCategory",
}  # fmt: skip
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
KEY = re.compile(
    r"AWSLogs/(\d{12})/CloudTrail/([a-z]+-[a-z]+-\d)/(\d{4})/(\d\d)/(\d\d)/"
    r"\1_CloudTrail_\2_\3\4\5T(\d\d)(\d\d)Z_[A-Za-z0-9]{16}\.json\.gz"
)
#: Kind -> names of the events that may be blamed for a stuck or failed task; an empty set: nothing may be blamed.
BLAMED = {
    "managed_detached": {"DetachRolePolicy"},
    "inline_deleted": {"DeleteRolePolicy"},
    "inline_narrowed": {"PutRolePolicy"},
    "inline_explicit_deny": {"PutRolePolicy"},
    "customer_version_created": {"CreatePolicyVersion"},
    "default_version_set_back": {"SetDefaultPolicyVersion"},
    "customer_policy_deleted": {"DetachRolePolicy"},
    "describe_only_lost": {"PutRolePolicy"},
    "boundary_put": {"PutRolePermissionsBoundary"},
    "boundary_version_changed": {"CreatePolicyVersion"},
    "creation_rights_lost": {"PutRolePolicy"},
    "failed_to_start": {"DetachRolePolicy", "DeleteRolePolicy"},
    "two_policies_same_action": {"DetachRolePolicy", "DeleteRolePolicy"},
    "partial_repair": {"DetachRolePolicy", "DeleteRolePolicy"},
    "loss_in_stop_second": {"DetachRolePolicy", "DeleteRolePolicy"},
    "old_wording": {"DetachRolePolicy", "DeleteRolePolicy"},
    "china_partition": {"DetachRolePolicy", "DeleteRolePolicy"},
    "two_outages_one_task": {"DetachRolePolicy", "DeleteRolePolicy", "PutRolePolicy"},
    "older_role": {"DetachRolePolicy", "DeleteRolePolicy"},
    "role_deleted": {"DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"},
    "role_deleted_silent": {"DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"},
    "role_recreated_with_policies": {"DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"},
    "role_recreated_without_policies": {"DetachRolePolicy", "DeleteRolePolicy", "DeleteRole"},
    "trust_emptied": {"UpdateAssumeRolePolicy"},
    "trust_other_service": {"UpdateAssumeRolePolicy"},
    "trust_deny": {"UpdateAssumeRolePolicy"},
    "trust_condition": {"UpdateAssumeRolePolicy"},
    "assume_role_denied_recorded": {"UpdateAssumeRolePolicy"},
    "session_held_finishes": {"UpdateAssumeRolePolicy"},
    "scp_attached": {"AttachPolicy", "UpdatePolicy"},
    "account_moved": {"MoveAccount"},
    "reserved_tags_removed": {"DeleteTags", "CreateTags"},
    "kms_key_disabled": {"DisableKey"},
    "kms_key_deletion": {"ScheduleKeyDeletion"},
    "kms_key_policy": {"PutKeyPolicy"},
    "minimal_teardown_kept": {"DetachRolePolicy", "DeleteRolePolicy"},
    "deleted_by_person": {"DetachRolePolicy", "DeleteRolePolicy"},
    "kept_by_design": {"PutRolePolicy"},
    "two_regions_clusters": {"PutRolePolicy"},
    "loss_mid_cleanup": {"PutRolePolicy"},
    "two_roles_broken": {"DetachRolePolicy", "DeleteRolePolicy"},
    "volumes_left_behind": {"DetachRolePolicy", "DeleteRolePolicy"},
    "launch_leftovers": {"PutRolePolicy"},
}
#: Kinds in which no task may be blocked.
UNHURT = {
    "creation_rights_lost", "failed_to_start", "at_risk_running", "older_role_no_denials", "kms_key_disabled",
    "kms_key_deletion", "kms_key_policy", "pass_role_denied", "swap_new_first", "superset", "minimal_teardown_kept",
    "trust_gains_principal", "failed_change", "lookalike_role", "same_name_other_account", "deny_other_region",
    "repaired_before_stop", "loss_after_all_stopped", "success_within_grace", "tags_and_description",
    "volume_in_use_heals", "throttled_heals", "tls_lifecycle_healthy", "tls_policy_detached",
    "tls_role_deleted", "session_impersonated", "tls_authority_untagged", "tls_authority_disabled",
    "tls_authority_deleted", "tls_secret_deleted", "tls_secret_replicated", "tls_key_disabled", "tls_key_policy",
    "tls_rotation_narrowed", "tls_issue_refused", "tls_role_repaired_in_time", "tls_authority_tagged_in_time",
    "load_balancer_policy_detached", "lattice_targets_refused", "managed_instances_pass_role",
    "managed_instances_policy_detached", "all_purposes_healthy", "role_assumed_by_person", "secret_read_by_person",
    "secret_read_by_role", "secret_looked_at", "trail_stopped", "selectors_narrowed", "trail_touched",
    "launch_leftovers", "pass_role_denied_service", "role_too_young", "tls_undone_in_time", "secret_read_in_ecs_name",
}  # fmt: skip
UNEXPLAINED = {"scp_unseen", "denied_no_change"}
#: Kinds in which nothing is to be found: no finding of any kind.
HARMLESS = {
    "swap_new_first", "superset", "trust_gains_principal", "failed_change", "lookalike_role", "deny_other_region",
    "repaired_before_stop", "loss_after_all_stopped", "tags_and_description",
    "volume_in_use_heals", "throttled_heals", "tls_lifecycle_healthy", "same_name_other_account",
    "tls_role_repaired_in_time", "tls_authority_tagged_in_time", "tls_undone_in_time", "all_purposes_healthy",
    "secret_looked_at", "trail_touched",
}  # fmt: skip
#: Findings that no incident leads to: the files of the range are whole.
NEVER = {"integrity_failure"}
#: Kinds that must name changes which only look guilty.
INNOCENT = {
    "customer_policy_deleted", "two_policies_same_action", "denied_no_change", "swap_new_first", "superset",
    "minimal_teardown_kept", "trust_gains_principal", "failed_change", "lookalike_role", "deny_other_region",
    "tags_and_description", "tls_authority_tagged_in_time", "tls_undone_in_time", "trail_touched",
    "all_purposes_healthy",
}  # fmt: skip
HURT_STATES = {"stuck", "recovered"}


def when(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def made():
    return {(kind, seed): incident(kind, seed) for kind in kinds() for seed in SEEDS}


def of_kind(made, kind):
    return [made[kind, seed] for seed in SEEDS]


def all_kinds(test):
    return pytest.mark.parametrize("kind", kinds())(test)


def hurt(item):
    return {arn for arn, row in item.answer["tasks"].items() if row["state"] in HURT_STATES}


@all_kinds
def test_records_are_well_formed(made, kind):
    for item in of_kind(made, kind):
        ids = [record["eventID"] for record in item.records]
        assert len(ids) == len(set(ids))
        for record in item.records:
            assert set(record) >= REQUIRED
            assert UUID.fullmatch(record["eventID"])
            assert when(record["eventTime"]) < when(item.answer["as_of"])
            assert re.fullmatch(r"\d{12}", record["recipientAccountId"])
            if "errorCode" in record:
                assert record["responseElements"] is None
                assert isinstance(record["errorCode"], str)
                assert isinstance(record["errorMessage"], str)
                assert len(record["errorMessage"]) <= 1024
        json.dumps(item.records)


@all_kinds
def test_records_come_unordered(made, kind):
    assert any(
        [r["eventTime"] for r in item.records] != sorted(r["eventTime"] for r in item.records)
        for item in of_kind(made, kind)
    )


@all_kinds
def test_ecs_sessions_look_like_a_service(made, kind):
    for item in of_kind(made, kind):
        acting = [
            record
            for record in item.records
            if record["userIdentity"].get("arn", "").endswith("/ECSTaskVolumesForEBS")
            and (kind != "session_impersonated" or "invokedBy" in record["userIdentity"])
        ]
        assert acting
        for record in acting:
            identity = record["userIdentity"]
            assert "accessKeyId" not in identity
            assert "tlsDetails" not in record
            assert record["sourceIPAddress"] == record["userAgent"] == identity["invokedBy"]


@all_kinds
def test_answer_speaks_of_the_records(made, kind):
    for item in of_kind(made, kind):
        answer, ids = item.answer, {record["eventID"] for record in item.records}
        rows = [*answer["tasks"].values(), *answer["outages"], *answer["findings"], *answer["tls"].values()]
        named = {event_id for row in rows for event_id in row["cause_event_ids"]}
        restored = {event_id for row in answer["outages"] for event_id in row["restore_event_ids"]}
        assert named | restored | set(answer["pass_role_denials"]) <= ids
        assert set(answer["harmless_event_ids"]) <= ids
        assert list(item.harmless_event_ids) == answer["harmless_event_ids"]
        assert not named & set(answer["harmless_event_ids"])
        text = json.dumps(item.records)
        assert all(volume_id in text for volume_id in answer["volumes"])
        assert all(arn in text or item.task_files for arn in answer["tasks"])


@all_kinds
def test_answer_uses_the_words_of_the_contract(made, kind):
    for item in of_kind(made, kind):
        answer = item.answer
        assert answer["schema"] == "ecs-trail/answer/1"
        assert {row["state"] for row in answer["tasks"].values()} <= set(TaskState)
        assert {row["state"] for row in answer["tls"].values()} <= set(TlsState)
        assert {row["kind"] for row in answer["findings"]} <= set(FindingKind)
        assert {row["purpose"] for row in answer["outages"]} <= set(Purpose)
        assert {row["phase"] for row in answer["outages"]} <= set(Phase)
        starts = {(row["role_arn"], row["purpose"], row["phase"], row["start"]) for row in answer["outages"]}
        for row in answer["tasks"].values():
            if row["outage"]:
                assert tuple(row["outage"].values()) in starts
            assert not (row["at_risk"] and row["state"] != "running")
        assert json.loads(json.dumps(answer)) == answer


@all_kinds
def test_only_applied_changes_are_causes_and_come_before_the_harm(made, kind):
    for item in of_kind(made, kind):
        records = {record["eventID"]: record for record in item.records}
        refused = defaultdict(list)
        for record in item.records:
            if record.get("errorCode") == "Client.UnauthorizedOperation":
                text = json.dumps(record["requestParameters"])
                for volume_id in re.findall(r"vol-0[0-9a-f]{16}", text):
                    refused[volume_id].append(record["eventTime"])
        for row in item.answer["tasks"].values():
            causes = [records[event_id] for event_id in row["cause_event_ids"]]
            assert all("errorCode" not in cause for cause in causes)
            times = [cause["eventTime"] for cause in causes]
            assert times == sorted(times)
            if times and row["state"] in HURT_STATES:
                harm = [time for volume_id in row["volume_ids"] for time in refused[volume_id]]
                assert all(times[0] <= time for time in harm)
                assert harm or row["stop_started_at"] >= times[0]
            if row["resolved_at"]:
                assert row["stop_started_at"] <= row["resolved_at"] <= item.answer["as_of"]


@all_kinds
def test_blamed_events_are_those_of_the_kind(made, kind):
    blamed, seen = BLAMED.get(kind, set()), set()
    for item in of_kind(made, kind):
        names = {record["eventID"]: record["eventName"] for record in item.records}
        seen |= {names[event_id] for row in item.answer["tasks"].values() for event_id in row["cause_event_ids"]}
    assert seen <= blamed
    assert bool(seen) == bool(blamed)


@all_kinds
def test_who_is_hurt(made, kind):
    items = of_kind(made, kind)
    for item in items:
        if kind in UNHURT:
            assert not hurt(item)
        elif kind not in {"session_held_finishes", "kept_by_design"}:
            assert hurt(item)
        for arn in hurt(item) if kind != "volumes_left_behind" else ():
            assert bool(item.answer["tasks"][arn]["cause_event_ids"]) == (kind not in UNEXPLAINED)
        if kind in UNEXPLAINED:
            assert item.answer["outages"] == []
            assert not any(row["at_risk"] for row in item.answer["tasks"].values())
    if kind in INNOCENT:
        assert all(item.harmless_event_ids for item in items)


@all_kinds
def test_stuck_tasks_findings_partition_the_hurt(made, kind):
    for item in of_kind(made, kind):
        listed = [arn for row in item.answer["findings"] if row["kind"] == "stuck_tasks" for arn in row["task_arns"]]
        assert sorted(listed) == sorted(hurt(item))
        failed = {arn for arn, row in item.answer["tasks"].items() if row["state"] == "failed_to_start"}
        blocked = [row for row in item.answer["findings"] if row["kind"] == "provisioning_blocked"]
        assert bool(blocked) >= bool(failed)
        assert {arn for row in blocked for arn in row["task_arns"]} == failed


@all_kinds
def test_same_seed_same_incident(made, kind):
    again = incident(kind, 3)
    assert again == made[kind, 3]
    assert again.records != made[kind, 4].records


@pytest.mark.parametrize("finding", sorted(set(FindingKind) - NEVER))
def test_every_kind_of_finding_comes_of_two_kinds_of_incident(made, finding):
    of = {kind for (kind, _), item in made.items() for row in item.answer["findings"] if row["kind"] == finding}
    assert len(of) >= 2, of


def test_the_harmless_kinds_lead_to_no_finding(made):
    assert set(kinds()) >= HARMLESS
    assert [row for (kind, _), item in made.items() if kind in HARMLESS for row in item.answer["findings"]] == []
    quiet = {kind for kind in kinds() if not any(item.answer["findings"] for item in of_kind(made, kind))}
    assert quiet == HARMLESS
    assert not any(row["kind"] in NEVER for item in made.values() for row in item.answer["findings"])


@all_kinds
def test_findings_about_people_stand_on_their_calls(made, kind):
    covered = {"pass_role_denied", "session_impersonation", "secret_read_by_other", "logging_gap"}
    for item in of_kind(made, kind):
        records = {record["eventID"]: record for record in item.records}
        for row in (row for row in item.answer["findings"] if row["kind"] in covered):
            assert row["event_ids"]
            for event_id in row["event_ids"]:
                # Who poses as ECS does so in refused calls too.
                if row["kind"] != "session_impersonation":
                    assert ("errorCode" in records[event_id]) == (row["kind"] == "pass_role_denied")
        for row in (row for row in item.answer["findings"] if row["kind"] == "leaked_volumes"):
            assert set(row["volume_ids"]) <= set(item.answer["volumes"])
            assert all(item.answer["volumes"][one]["deleted_at"] is None for one in row["volume_ids"])


def test_healthy_tasks_are_everywhere(made):
    for item in made.values():
        states = [row["state"] for row in item.answer["tasks"].values()]
        assert "stopped" in states


def test_two_outages_name_both_changes(made):
    rows = [row for item in of_kind(made, "two_outages_one_task") for row in item.answer["tasks"].values()]
    assert {len(row["cause_event_ids"]) for row in rows if row["state"] in HURT_STATES} == {2}


def test_a_detached_volume_needs_no_right_to_detach(made):
    for item in of_kind(made, "loss_mid_cleanup"):
        (outage,) = [row for row in item.answer["outages"] if row["phase"] == "teardown"]
        first, second = outage["cause_event_ids"]
        causes = [item.answer["tasks"][arn]["cause_event_ids"] for arn in hurt(item)]
        assert [second] in causes
        assert all(found in ([second], [first, second]) for found in causes)


def test_impersonated_calls_change_nothing(made):
    for item in of_kind(made, "session_impersonated"):
        false = [
            record
            for record in item.records
            if record["userIdentity"].get("arn", "").endswith("/ECSTaskVolumesForEBS")
            and "invokedBy" not in record["userIdentity"]
        ]
        assert any("errorCode" in record for record in false)
        assert "running" in {row["state"] for row in item.answer["tasks"].values()}


def test_two_roles_have_an_outage_each(made):
    for item in of_kind(made, "two_roles_broken"):
        rows = [row for row in item.answer["outages"] if row["phase"] == "teardown"]
        assert len({row["role_arn"] for row in rows}) == 2
        assert len([row for row in item.answer["findings"] if row["kind"] == "stuck_tasks"]) == 2


def test_role_deleted_names_detach_then_delete(made):
    for item in of_kind(made, "role_deleted"):
        names = {record["eventID"]: record["eventName"] for record in item.records}
        for arn in hurt(item):
            first, second = (names[event_id] for event_id in item.answer["tasks"][arn]["cause_event_ids"])
            assert first in {"DetachRolePolicy", "DeleteRolePolicy"}
            assert second == "DeleteRole"


def test_silent_role_leaves_no_denied_call_and_a_saved_state(made):
    for item in of_kind(made, "role_deleted_silent"):
        assert item.task_files
        assert not any(record.get("errorCode") == "Client.UnauthorizedOperation" for record in item.records)


def test_tags_hurt_single_volumes_without_an_outage(made):
    for item in of_kind(made, "reserved_tags_removed"):
        assert item.answer["outages"] == []
        assert all(item.answer["tasks"][arn]["outage"] is None for arn in hurt(item))


def test_china_speaks_china(made):
    for item in of_kind(made, "china_partition"):
        assert {record["awsRegion"] for record in item.records} <= {"cn-north-1", "cn-northwest-1"}
        assert all(arn.startswith("arn:aws-cn:ecs:cn-") for arn in item.answer["tasks"])


def test_pass_role_denials_are_launches(made):
    for item in of_kind(made, "pass_role_denied"):
        records = {record["eventID"]: record for record in item.records}
        assert item.answer["pass_role_denials"]
        for event_id in item.answer["pass_role_denials"]:
            assert "iam:PassRole" in records[event_id]["errorMessage"]


def called(item, *names, failed=None):
    """Records of these event names; `failed`: only refused (true) or only answered ones (false)."""
    named = [record for record in item.records if record["eventName"] in names]
    return [record for record in named if failed is None or ("errorCode" in record) == failed]


def test_the_cause_of_a_tls_kind_is_what_its_name_says(made):
    expected = {
        "tls_authority_disabled": [["UpdateCertificateAuthority"]],
        "tls_authority_deleted": [["UpdateCertificateAuthority", "DeleteCertificateAuthority"]],
        "tls_secret_deleted": [["DeleteSecret"], []],
        "tls_secret_replicated": [["ReplicateSecretToRegions"], []],
        "tls_key_disabled": [["DisableKey"]],
        "tls_key_policy": [["PutKeyPolicy"]],
        "tls_rotation_narrowed": [["PutRolePolicy"]],
        "tls_issue_refused": [[]],
        "tls_role_repaired_in_time": [[]],
        "tls_authority_tagged_in_time": [[]],
        "tls_undone_in_time": [[]],
    }
    for kind, wanted in expected.items():
        told = []
        for item in of_kind(made, kind):
            names = {record["eventID"]: record["eventName"] for record in item.records}
            told += [[names[one] for one in row["cause_event_ids"]] for row in item.answer["tls"].values()]
        assert all(causes in wanted for causes in told), kind
        assert all(causes in told for causes in wanted if causes), kind


def test_only_the_role_is_in_an_outage_never_what_lies_outside(made):
    outside = ("tls_authority_disabled", "tls_authority_deleted", "tls_secret_deleted", "tls_secret_replicated")
    for kind in (*outside, "tls_key_disabled", "tls_key_policy", "tls_issue_refused"):
        assert all(item.answer["outages"] == [] for item in of_kind(made, kind))
    for item in of_kind(made, "tls_rotation_narrowed"):
        assert {(row["purpose"], row["phase"]) for row in item.answer["outages"]} == {("tls", "rotate")}


def test_other_purposes_are_refused_for_the_reason_of_their_kind(made):
    for item in of_kind(made, "load_balancer_policy_detached"):
        assert called(item, "RegisterTargets", failed=True)
        (finding,) = item.answer["findings"]
        assert finding["cause_event_ids"]
    for item in of_kind(made, "lattice_targets_refused"):
        assert not called(item, "RegisterTargets", failed=True)
        hidden = [one for one in called(item, "RegisterTargets") if one["responseElements"].get("unsuccessful")]
        assert hidden
    sessions = set()
    for item in of_kind(made, "managed_instances_pass_role"):
        refused = called(item, "RunInstances", "CreateFleet", failed=True)
        assert refused
        assert all("iam:PassRole" in one["errorMessage"] for one in refused)
        sessions |= {one["userIdentity"]["arn"].rsplit("/", 1)[1] for one in refused}
        assert item.answer["pass_role_denials"] == []
    assert sessions == {"ECSManagedInstances", "ECSManagedInstancesForCompute"}
    for item in of_kind(made, "all_purposes_healthy"):
        assert called(item, "RegisterTargets", "RunInstances", "CreateFleet", "CreateVolume", "PutSecretValue")
        ecs = [one for one in item.records if one["userIdentity"].get("invokedBy", "").startswith("ecs.")]
        assert {one.get("errorCode") for one in ecs} <= {None, "Client.InvalidVolume.NotFound"}


def test_a_gap_hides_what_happened_in_it(made):
    seen, opening = set(), ("StartLogging", "CreateTrail", "PutEventSelectors")
    for kind in ("trail_stopped", "selectors_narrowed"):
        for item in [incident(kind, seed) for seed in range(20)]:
            (finding,) = item.answer["findings"]
            (closing,) = [one for one in item.records if one["eventID"] in finding["event_ids"]]
            home, start = closing["recipientAccountId"], closing["eventTime"]
            text = json.dumps(closing["requestParameters"])
            again = min((one["eventTime"] for one in called(item, *opening) if one["eventTime"] > start), default="9")
            assert (again == "9") == (finding["status"] == "ongoing")
            inside = [
                one for one in item.records if one["recipientAccountId"] == home and start < one["eventTime"] < again
            ]
            states = {row["state"] for row in item.answer["tasks"].values()}
            if "kms.amazonaws.com" in text:
                seen.add("kms")
                assert inside
                assert not any(one["eventSource"] == "kms.amazonaws.com" for one in inside)
            elif "WriteOnly" in text or "readOnly" in text:
                seen.add("reads")
                assert not any(one["readOnly"] for one in inside)
            else:
                seen |= {closing["eventName"], finding["status"]}
                assert inside == []
                seen |= states & {"unknown"}
    wanted = {"StopLogging", "DeleteTrail", "PutEventSelectors", "ongoing", "resolved", "unknown", "kms", "reads"}
    assert seen == wanted


def test_one_read_is_two_findings_where_a_person_posed_as_ecs(made):
    for item in of_kind(made, "secret_read_in_ecs_name"):
        one, two = item.answer["findings"]
        assert {one["kind"], two["kind"]} == {"session_impersonation", "secret_read_by_other"}
        assert one["event_ids"] == two["event_ids"]


def test_a_young_role_is_too_young_and_the_saved_state_says_what_ecs_saw(made):
    for item in of_kind(made, "role_too_young"):
        assert item.answer["outages"] == []
        assert "unable to assume" in json.dumps(item.task_files)
        assert "TaskFailedToStart" in json.dumps(item.task_files)
        (finding,) = item.answer["findings"]
        assert (finding["kind"], finding["cause_event_ids"]) == ("provisioning_blocked", [])


def test_the_new_kinds_play_in_china_too(made):
    partitions = {arn.split(":")[1] for (kind, _), item in made.items() if kind in FAR for arn in item.answer["roles"]}
    assert partitions == {"aws", "aws-cn"}


def test_tls_states(made):
    healthy = {row["state"] for item in of_kind(made, "tls_lifecycle_healthy") for row in item.answer["tls"].values()}
    broken = {row["state"] for item in of_kind(made, "tls_policy_detached") for row in item.answer["tls"].values()}
    assert healthy == {"healthy", "deleted"}
    assert broken == {"blocked", "recovered"}


def test_tls_causes(made):
    expected = {
        "tls_policy_detached": ["DetachRolePolicy"],
        "tls_role_deleted": ["DetachRolePolicy", "DeleteRole"],
        "tls_authority_untagged": ["UntagCertificateAuthority"],
    }
    for kind, wanted in expected.items():
        for item in of_kind(made, kind):
            names = {record["eventID"]: record["eventName"] for record in item.records}
            for row in item.answer["tls"].values():
                assert [names[event_id] for event_id in row["cause_event_ids"]] == wanted
            (finding,) = [row for row in item.answer["findings"] if row["kind"] == "tls_blocked"]
            assert finding["secret_arns"] == sorted(item.answer["tls"])


def test_some_outages_are_only_possible(made):
    for item in of_kind(made, "older_role_no_denials"):
        assert all(row["maybe"] for row in item.answer["outages"])
        assert item.answer["outages"]


# --- delivery ---------------------------------------------------------------------------------------------------


def delivered(folder):
    for path in sorted(folder.rglob("*.json.gz")):
        match = KEY.fullmatch(path.relative_to(folder).as_posix())
        assert match, path
        account, region, *digits = match.groups()
        stamp = datetime(*map(int, digits), tzinfo=UTC)
        for record in json.loads(gzip.decompress(path.read_bytes()))["Records"]:
            assert (record["recipientAccountId"], record["awsRegion"]) == (account, region)
            yield stamp, record


@all_kinds
def test_written_evidence_holds_all_and_not_the_answer(made, kind, tmp_path):
    item = made[kind, 1]
    write(item, tmp_path / "evidence")
    write_answer(item, tmp_path / "known" / "answer.json")
    rows = list(delivered(tmp_path / "evidence"))
    assert {record["eventID"] for _, record in rows} == {record["eventID"] for record in item.records}
    files = [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()]
    assert not any("answer" in path.name for path in files)
    assert not any(b"ecs-trail/answer" in path.read_bytes() for path in files)
    saved = [json.loads(path.read_text())["time"] for path in files if path.name.startswith("task-state-change")]
    newest = max([*(stamp for stamp, _ in rows), *map(when, saved)])
    assert item.answer["as_of"] == newest.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert json.loads((tmp_path / "known" / "answer.json").read_text()) == item.answer


def test_delivery_is_late_doubled_and_mixed_as_asked(made, tmp_path):
    item = made["managed_detached", 2]
    write(item, tmp_path / "wild")
    write(item, tmp_path / "tame", late=False, duplicated=False, shuffled=False)
    wild, tame = list(delivered(tmp_path / "wild")), list(delivered(tmp_path / "tame"))
    assert len(tame) == len(item.records) < len(wild)
    delays = [stamp - when(record["eventTime"]) for stamp, record in tame]
    assert timedelta(0) < min(delays)
    assert max(delays) <= timedelta(minutes=10)
    assert max(stamp - when(record["eventTime"]) for stamp, record in wild) > timedelta(minutes=10)


def test_writing_twice_gives_the_same_bytes(made, tmp_path):
    for name in ("one", "two"):
        write(made["scp_attached", 0], tmp_path / name)
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.gz")}
        for name in ("one", "two")
    )
    assert one == two


def test_run_and_command_line(tmp_path, capsys):
    assert run(5, "role_deleted", tmp_path / "a") == incident("role_deleted", 5)
    assert main(["--seed", "5", "--kind", "role_deleted", "--output", str(tmp_path / "b")]) == 0
    assert "Terraform order" in capsys.readouterr().out
    assert (tmp_path / "a" / "answer.json").read_text() == (tmp_path / "b" / "answer.json").read_text()
    assert not list((tmp_path / "b" / "evidence").rglob("answer*"))
    assert main(["--kind", "no_such", "--output", str(tmp_path / "c")]) == 2
    assert "no kind" in capsys.readouterr().err


def test_unknown_kind_is_refused():
    with pytest.raises(UsageError, match="no kind of practice"):
        incident("no_such", 1)
