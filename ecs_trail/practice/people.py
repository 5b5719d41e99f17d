"""Principals that change things: people in the console, at the command line, through SSO, Terraform, CloudFormation."""

from typing import Final

from ecs_trail.practice.dice import Dice, iso
from ecs_trail.practice.records import Caller, Json

_NAMES: Final = ("alice", "bob", "carol", "dmitri", "emeka", "fatima", "grace", "hiro", "ines", "jonas")
_BROWSER: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36"
)
_CLI: Final = "aws-cli/2.24.{} md/awscrt#0.23.8 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.12.9 md/prompt#off"
_TERRAFORM: Final = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.{}.2 (+https://www.terraform.io) terraform-provider-aws/5.88.0 "
    "(+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.36.1 ua/2.1 os/linux lang/go#1.23.6"
)


class People:
    """Makes callers of one account; each keeps its ids for the whole incident."""

    def __init__(self, dice: Dice, partition: str, account: str, since: int) -> None:
        """`since` is when their sessions were opened, seconds UTC."""
        self._dice = dice
        self._partition = partition
        self._account = account
        self._since = since

    def anyone(self) -> Caller:
        """Any of the kinds below."""
        makers = (self.user, self.console, self.sso, self.terraform, self.cloudformation)
        return self._dice.choice(makers)()

    def person(self) -> Caller:
        """A human being, not a deployment tool."""
        return self._dice.choice((self.user, self.console, self.sso))()

    def user(self, name: str = "") -> Caller:
        """An IAM user at the command line."""
        dice = self._dice
        return Caller(self._iam_user(name), dice.public_ip(), _CLI.format(dice.randint(1, 30)))

    def console(self, name: str = "") -> Caller:
        """An IAM user in the console."""
        identity = self._iam_user(name)
        identity["accessKeyId"] = self._dice.unique_id("ASIA")[:20]
        identity["sessionContext"] = {"attributes": {"creationDate": iso(self._since), "mfaAuthenticated": "true"}}
        return Caller(identity, self._dice.public_ip(), self._dice.choice(("AWS Internal", _BROWSER)), console=True)

    def sso(self, name: str = "") -> Caller:
        """Somebody with an IAM Identity Center permission set."""
        dice = self._dice
        role = f"AWSReservedSSO_{dice.choice(('AdministratorAccess', 'PowerUserAccess'))}_{dice.hex(16)}"
        person = name or dice.choice(_NAMES)
        identity = self.role_session(role, f"{person}@example.com", path="/aws-reserved/sso.amazonaws.com/")
        return Caller(identity, dice.public_ip(), _BROWSER, console=True)

    def terraform(self, role: str = "") -> Caller:
        """A Terraform run in CI."""
        dice = self._dice
        name = role or dice.choice(("terraform-deploy", "ci-terraform", "github-actions-deploy"))
        session = dice.choice(("GitHubActions", "terraform", "aws-go-sdk-1772400000000000000"))
        return Caller(self.role_session(name, session), dice.public_ip(), _TERRAFORM.format(dice.randint(5, 11)))

    def cloudformation(self, role: str = "") -> Caller:
        """CloudFormation with a role of its own: host name for address and agent, no TLS details."""
        identity = self.role_session(role or "cfn-exec", "AWSCloudFormation", path="/")
        identity["invokedBy"] = "cloudformation.amazonaws.com"
        identity.pop("accessKeyId")
        return Caller(identity, "cloudformation.amazonaws.com", "cloudformation.amazonaws.com", tls=False)

    def workload(self, role: str, session: str) -> Caller:
        """An application with an SDK."""
        agent = "Boto3/1.36.21 md/Botocore#1.36.21 ua/2.0 os/linux#5.10 md/arch#x86_64 lang/python#3.12.8"
        return Caller(self.role_session(role, session), self._dice.public_ip(), agent)

    def role_session(self, role: str, session: str, *, path: str = "/") -> Json:
        """`userIdentity` of an assumed role; the path of the role shows in the session issuer only."""
        account, partition = self._account, self._partition
        unique = self._dice.unique_id("AROA")
        return {
            "type": "AssumedRole",
            "principalId": f"{unique}:{session}",
            "arn": f"arn:{partition}:sts::{account}:assumed-role/{role}/{session}",
            "accountId": account,
            "accessKeyId": self._dice.unique_id("ASIA")[:20],
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": unique,
                    "arn": f"arn:{partition}:iam::{account}:role{path}{role}",
                    "accountId": account,
                    "userName": role,
                },
                "attributes": {"creationDate": iso(self._since), "mfaAuthenticated": "false"},
            },
        }

    def _iam_user(self, name: str) -> Json:
        user = name or self._dice.choice(_NAMES)
        return {
            "type": "IAMUser",
            "principalId": self._dice.unique_id("AIDA"),
            "arn": f"arn:{self._partition}:iam::{self._account}:user/{user}",
            "accountId": self._account,
            "accessKeyId": self._dice.unique_id("AKIA")[:20],
            "userName": user,
        }
