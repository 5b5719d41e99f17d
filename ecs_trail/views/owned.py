"""What in a text is AWS's own and gives nobody away: actions, hosts, managed policies, Regions, random ids.

Forms: *AWS General Reference*, "Amazon Resource Names (ARNs)", and *IAM User Guide*, "IAM identifiers" (unique ids and
their prefixes), read on 2026-11-24.
"""

import re
from collections.abc import Iterator
from typing import Final

from ecs_trail.vocabulary import MANAGED_POLICY_PURPOSES, RESERVED_TAGS, SESSION_NAMES, TAG_CLUSTER, TAG_SERVICE

_SERVICES: Final = (
    r"sts|ec2|iam|ecs|kms|acm-pca|acm|secretsmanager|elasticloadbalancing|vpc-lattice|organizations|cloudtrail|s3|logs"
    r"|ebs|autoscaling|cloudformation|events|lambda|sns|sqs|ssm|servicediscovery|application-autoscaling|aws"
)
ACTION: Final = rf"(?:{_SERVICES}):(?:[A-Z][A-Za-z]{{2,60}}\*?|\*)"
REGION: Final = r"(?:af|ap|ca|cn|eu|il|me|mx|sa|us|us-gov|us-iso[bf]?|eu-isoe|eusc)-[a-z]{2,9}(?:-[a-z]{2})?-\d[a-z]?"
HOST: Final = rf"(?:[a-z][a-z0-9-]{{1,40}}\.)(?:{REGION}\.)?amazonaws\.com(?:\.cn)?"
MANAGED: Final = r"arn:aws[a-z-]*:iam::aws:policy/[\w+=,.@/-]{1,256}"
_NAMES: Final = "|".join(
    re.escape(name)
    for name in sorted(
        {*SESSION_NAMES, *MANAGED_POLICY_PURPOSES, *RESERVED_TAGS, TAG_CLUSTER, TAG_SERVICE}, key=len, reverse=True
    )
)
UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: Ids AWS draws at random. Twelve digits in a row are an account wherever they stand, so such a UUID is none here.
RANDOM: Final = (
    r"(?:vol|i|snap|eni|subnet|sg|vpc|lt|fleet|ami|igw|rtb|acl|eipalloc|tgw|vpce|key|mrk)-[0-9a-f]{8,32}"
    r"|ecs-sc![0-9a-f]{8,64}(?:-[A-Za-z0-9]{6})?|[0-9a-f]{32}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-(?!\d{12})[0-9a-f]{12}"
)
_TIME: Final = r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z)?"
#: In running text: these stretches are left alone.
PROTECTED: Final = rf"(?<![\w.-])(?:{MANAGED}|{ACTION}|{HOST}|{_TIME}|(?:{_NAMES})|(?:{RANDOM})|{REGION})(?![\w-])"
_WHOLE: Final = re.compile(rf"(?:{MANAGED}|{ACTION}|{HOST}|{_TIME}|{_NAMES}|{RANDOM}|{REGION}|\d{{1,10}}|[*]?)")
_AWS_ROLE: Final = re.compile(r"AWSServiceRoleFor[A-Z][A-Za-z0-9]{2,60}|aws-service-role|service-role")
#: Words of policy and request documents that are everybody's.
_DOCUMENT_WORDS: Final = frozenset(
    {"Allow", "Deny", "true", "false", "2012-10-17", "2008-10-17", "gp2", "gp3", "io1", "io2", "st1", "sc1", "standard"}
    | {
        "ext3",
        "ext4",
        "xfs",
        "ntfs",
        "FARGATE",
        "EC2",
        "EXTERNAL",
        "volume",
        "All",
        "WriteOnly",
        "ReadOnly",
        "AWSCURRENT",
    }
    | {
        "AWSPENDING",
        "AWSPREVIOUS",
        "RSASHA256",
        "SHA256WITHRSA",
        "EndEntity",
        "GENERAL_PURPOSE",
        "SHORT_LIVED_CERTIFICATE",
    }
)
#: AWS's names of calls, types and errors.
CAMEL: Final = r"[A-Z](?=[A-Za-z0-9]{0,60}[a-z])[A-Za-z0-9]{1,60}"


def is_owned(value: str) -> bool:
    """True for a text that is wholly AWS's own."""
    return bool(_WHOLE.fullmatch(value) or _AWS_ROLE.fullmatch(value)) or value in _DOCUMENT_WORDS


def shown_tool(user_agent: str) -> str:
    """A user agent without what tells hosts and people apart: known products with their numbers; `other` for none."""
    if _AGENT.fullmatch(user_agent):
        return user_agent
    return " ".join(_products(user_agent)) or "other"


_AGENT: Final = re.compile(rf"{HOST}|AWS Internal")
_PRODUCT: Final = re.compile(
    r"(?<!\S)((?:APN|HashiCorp|Terraform|terraform-provider-aws|OpenTofu|Pulumi|Crossplane|Ansible|eksctl|aws-cli|Boto3"
    r"|Botocore|botocore|aws-sdk-[a-z]{2,10}(?:-v\d)?|aws-cdk|CloudFormation|Python|Mozilla|AppleWebKit|Chrome|Safari"
    r"|Gecko|Firefox|ua)/v?\d[\d.]{0,19}|(?:os/(?:linux|macos|windows)|lang/(?:python|go|js|java|rust|ruby|php))"
    r"(?:#[\d.]{1,12})?)(?=[\s;+#-]|\Z)"
)


def _products(user_agent: str) -> Iterator[str]:
    return (match[1] for match in _PRODUCT.finditer(user_agent))
