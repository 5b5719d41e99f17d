"""AWS's words in a person's words."""

import pytest

from ecs_trail.views import words


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("APN/1.0 HashiCorp/1.0 Terraform/1.9.5 (+https://www.terraform.io) aws-sdk-go-v2/1.30", "Terraform"),
        ("APN/1.0 OpenTofu/1.8 terraform-provider-aws/5.6 aws-sdk-go-v2/1.30", "OpenTofu"),
        ("aws-cli/2.17.1 md/awscrt#0.20.11 ua/2.0 os/linux", "the AWS CLI"),
        ("console.amazonaws.com", "the AWS console"),
        ("AWS Internal", "the AWS console"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "the AWS console"),
        ("cloudformation.amazonaws.com", "CloudFormation"),
        ("Boto3/1.34.0 md/Botocore#1.34.0", "a Python script (boto3)"),
        ("aws-sdk-go-v2/1.30.3 os/linux", "an AWS SDK"),
        ("curl/8.5.0 something", "curl/8.5.0"),
        ("\x1b[31mevil", "\\x1b[31mevil"),
        (None, ""),
    ],
)
def test_the_tool_behind_a_user_agent(agent, name):
    assert words.tool(agent) == name


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ("arn:aws:sts::111122223333:assumed-role/ci/pipeline-4711", "pipeline-4711 (role ci)"),
        ("arn:aws-cn:sts::111122223333:assumed-role/ci/x", "x (role ci)"),
        (
            "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_PowerUserAccess_4135679e4a8272cb/ines@example.com",
            "ines@example.com (role SSO PowerUserAccess)",
        ),
        ("arn:aws:iam::111122223333:user/division/maria", "user maria"),
        ("arn:aws:iam::111122223333:root", "the root user"),
        ("ecs.amazonaws.com", "Amazon ECS"),
        ("cloudformation.amazonaws.com", "the service cloudformation.amazonaws.com"),
        ("", "somebody unknown"),
        (None, "somebody unknown"),
        ("arn:aws:sts::111122223333:assumed-role/ci/\u202eevil", "\\u202eevil (role ci)"),
    ],
)
def test_who_acted(identity, name):
    assert words.actor(identity) == name


def test_confidence_names_its_grounds():
    assert words.confidence("likely", ["silence"]) == (
        "Likely: one kind of proof (calls of ECS that should have come and did not)."
    )
    assert words.confidence(None, []) == ""


def test_names_of_tasks_keep_their_cluster():
    assert words.task_name("arn:aws:ecs:eu-west-1:1:task/payments/0f") == "payments/0f"
    assert words.task_name("arn:aws:ecs:eu-west-1:1:task/0f") == "0f"
    assert words.tail("arn:aws:iam::1:role/a/b/infra") == "infra"
