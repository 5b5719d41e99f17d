"""The README of `sample_logs/`: the story without the answer first, the answer at the end."""

from typing import Final

README: Final = """\
# Sample logs

A made-up story in the layout of a real CloudTrail bucket: two accounts, two working Regions, IAM in us-east-1, a
little more than a day of daily life, and some things in it that went wrong. Accounts, names, addresses and ids are
invented (`111122223333`, `444455556666`, addresses of RFC 5737). Nothing here comes from a real trail.

```
AWSLogs/<account>/CloudTrail/<region>/<yyyy>/<mm>/<dd>/*.json.gz    what CloudTrail delivered
task-states/describe-tasks-prod.json                                what `aws ecs describe-tasks` showed one afternoon
```

## The story

* `111122223333` is production. In eu-west-1 the cluster `prod` runs `checkout`, `ledger-db` and `search`, each
  task with an EBS volume managed by ECS, and two services that speak TLS through Service Connect. In us-west-2
  the cluster `batch` runs jobs.
* `444455556666` is staging, in us-west-2: the same services, fewer tasks.
* On Monday, 2 March 2026, several people and pipelines change roles and policies. In the afternoon somebody
  notices tasks that do not go away, and a bill for volumes that nobody uses.

Which change hurt, which tasks hang on it, and which changes only look guilty?

```
ecs-trail investigate sample_logs
```

The files are written by `ecs_trail.practice.write_sample`, the same every time.

<br><br><br><br><br><br>

## The answer (do not read before you have tried)

<details>
<summary>Show it</summary>

1. **Still open: the role of production is gone.** At 14:20:07 UTC a Terraform run detached
   `AmazonECSInfrastructureRolePolicyForVolumes` from `ecsInfrastructureRole` and two seconds later deleted the
   role. Only then, at 14:21:40, it deleted the service `ledger-db`. ECS cannot assume the role any more and
   says nothing in CloudTrail: three tasks of `ledger-db` hang in DEPROVISIONING, and one of `search` since its
   container exited at 15:05 (only the saved task state shows that one). `checkout` and the other `search` task
   still run and will hang as soon as they stop. Way out: make the role again under the same name, with trust
   for `ecs.amazonaws.com` and the policy.
2. **Over: the policy of staging.** At 09:12:31 Carol detached the same policy from `staging-ecs-infrastructure`
   in the console. Three tasks hung. Dmitri deleted one of their volumes by hand at 10:05; the pipeline attached
   the policy again at 10:41 and ECS finished the other two by itself.
3. **Innocent:** `batch` got a new policy before the old one went (08:30); `ecsInfrastructureRole-legacy` was
   tidied up at 14:11, nine minutes before the incident, but it never was a role of ECS; a tag on
   `ecsInfrastructureRole` at 14:02 changed nothing; the volume that survived the job of 02:00 was meant to be
   kept (`deleteOnTermination: false`).
4. **Healthy:** the Service Connect certificates. `gateway` was issued on 25 February and rotated on 2 March;
   the secret of `quotes` was deleted by ECS with its service.

</details>
"""
