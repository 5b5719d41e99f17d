"""What each column means, in one line, for the README of an export. Columns of events: `ecs_trail.schema`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ecs_trail.schema import EVENT_COLUMNS

_WORDS: Final = """
id | name of the row inside this investigation; it may be another one in the next
kind | what the finding is about
severity | critical, high, medium or low
status | ongoing or resolved
title | the finding in one sentence
role_arn | the infrastructure role
outage_id | the outage that blocked it; `outages.id`
cause_event_ids | the changes that took away what was needed, oldest first; `changes.event_id`
task_arns | the tasks that hang on it; `tasks.task_arn`
volume_ids | the volumes that hang on it; `volumes.volume_id`
secret_arns | the secrets that hang on it; `tls.secret_arn`
started_at | when it began
ended_at | when it ended; empty while it lasts
confidence | certain: replay and denied calls agree; likely: one of the two; possible: silence or timing only
basis | what the claim stands on
explanation | why, in words
evidence | events the row stands on; `events.event_id`
repair | steps of repair: title and commands
task_definition | the task definition that was to be started
started | tasks that were started
reasons | the reasons ECS gave for what it did not start
step | what ECS did for the secret: issue, rotate or delete
failed_action | the IAM action of the call that failed
volume_type | EBS volume type
age_days | days since it was made
monthly_cost_usd | roughly what it costs a month, in US dollars
is_attached | whether it is attached to an instance
why | why it counts as left behind
rivals | other changes that might have been the cause, and why they are not or may be
task_arn | the task
cluster | ECS cluster
service | ECS service; empty for a task run alone
state | where it stands at the moment of the investigation
at_risk | true when the task runs and its role cannot clean up after it now
stop_started_at | when the stop began
blocked_since | when the work of ECS was first blocked
resolved_at | when the block was over
cleaned_up_at | when the last volume was gone
account | AWS account
region | AWS Region
launched_at | when the task was launched
denied_event_ids | refused calls of ECS; `events.event_id`
blocked_action | the IAM action that was refused first
resolved_by | who finished the cleanup
kept_by_design | true when the volume outlives its task on purpose
saved_status | lastStatus in the saved task state
saved_reason | reason given in the saved task state
failed_error | why the volume could not be made or attached
stop_event_ids | calls that stopped the task; `events.event_id`
volume_id | the EBS volume
size_gib | size in GiB
kms_key_id | the encryption key
created_at | when it was created
attached_at | when it was attached
detached_at | when it was detached
deleted_at | when it was deleted
detached_by | who detached it
deleted_by | who deleted it
deleted_by_ecs | true when ECS deleted it
gone_at | when it was last known to be gone
delete_on_termination | false when the volume is to outlive its task
attempts | calls made for it
failures | calls refused
last_error | error code of the last refused call
secret_arn | the Service Connect secret
secret_name | its name
service_arn | the ECS service that uses it
certificate_authority_arn | the AWS Private CA that issues for it
issued_at | first certificate
last_rotation_at | newest certificate
next_rotation_due_at | when the next certificate is due
certificate_valid_until | when the newest certificate ends
phase | provision, teardown, issue, rotate or delete
purpose | what the role is for: volumes, tls, lattice, load_balancers or managed_instances
start | first moment
end | last moment; empty while it lasts
actions | IAM actions that were missing
restore_event_ids | changes that gave the actions back; `changes.event_id`
role_arns | the roles it reaches
actor | who did it
source_ip | from where
applied | true when the call succeeded
effect | breaks, restores, none or unknown
purposes | what the role is for
lost | IAM actions that ECS needs and that were taken
gained | IAM actions that ECS needs and that were given
policy | the policy that was changed
policy_known | true when the documents of that policy are known
document | the document after the change, JSON
document_before | the document before it, JSON
target | what an organization policy was attached to
moved_from | where the account was in the organization
moved_to | where it was moved
role_name | name of the role
exists | true when the role was there
trust | trust policy, JSON
lets_ecs_assume | whether the trust policy lets ECS assume the role
policies | permissions policies
boundary | permissions boundary
known | what of the role is known from the evidence
unable | actions ECS needs and the role lacks
since | valid from here on
until | valid up to here
attached | attached managed policies
inline | inline policies, JSON
complete | true when all of it is known
documents | policy documents, JSON
versions | default versions of the policies, JSON
principal_arn | who called
action | the IAM action
replayed | what the replayed policies say
observed | what the call showed
policy_type | the kind of policy that AWS named in the refusal
by_ecs | true when ECS called
outcome | how the call ended
policy_arn | the policy that AWS named in the refusal
tags_lost | reserved tags taken away
tags_set | reserved tags set
principal | who called
known_role | true for an infrastructure role of this investigation
signs | what shows that it was not ECS
calls | number of calls
refused | how many were refused
event_names | the calls
first_at | first call
last_at | last call
event_ids | the events; `events.event_id`
secret | the secret
resource | what the call was for
targets_failed | targets that failed in calls that went through
reads | successful reads
trail | the trail
how | the call that did it
hides | what was no longer recorded
end_event_id | the call that ended it; `events.event_id`
seen_inside | events of the account seen inside this span all the same
blind | true when nothing else recorded
chain | who stood behind the session, nearest first
via | the way in
stack | the CloudFormation stack behind the call
user_agents | the tools
changes | number of changes
breaking | how many took something away
subject | what was changed
cluster_arn | ECS cluster
group | group of the task
started_by | startedBy of the task
last_status | lastStatus
desired_status | desiredStatus
stop_code | stopCode
stopped_reason | stoppedReason
stopping_at | stoppingAt
execution_stopped_at | executionStoppedAt
stopped_at | stoppedAt
version | version of the task's state
seen_at | when the state was saved
attachment_id | id of the volume attachment
attachment_status | status of the attachment
attachment_status_reason | AWS's reason for that status
"""

#: Column -> meaning, those of events included.
MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    {name: meaning for name, (_, meaning) in EVENT_COLUMNS.items()}
    | {
        name.strip(): meaning.strip()
        for name, _, meaning in (line.partition(" | ") for line in _WORDS.strip().split("\n"))
    }
)
