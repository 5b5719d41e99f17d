"""Clients of the AWS SDK, and its errors in this tool's words.

boto3 is imported here and inside functions only: without it everything but the AWS sources works. Profiles, SSO,
endpoints and certificates are the SDK's own business, read from its usual files and environment variables.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from ecs_trail.errors import AccessError, EcsTrailError, MissingExtraError, UsageError

_MAKING: Final = threading.Lock()
#: Client -> the session it was made of, for as long as somebody has the client.
_SESSIONS: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()
_PERFORM: Final = re.compile(r"perform: ([\w-]+:\w+)(?: on resource: (\S+))?")

DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled", "403", "Forbidden"}
)
THROTTLED: Final = frozenset(
    {"ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "SlowDown"}
    | {"RequestLimitExceeded", "RequestThrottled", "RequestThrottledException"}
)
EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
BAD_CREDENTIALS: Final = frozenset(
    {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
    | {"InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken", "OptInRequired"}
)
_SIGN_IN: Final = "sign in again (aws sso login, or new keys), then the same command; --profile NAME picks a profile."


class DeniedError(AccessError):
    """AWS does not allow a call; the message names the missing action."""


def make_client(service: str, region: str | None = None, *, connections: int = 10, own_retries: bool = False) -> Any:
    """A new client of a new session, so that credentials renewed on disk are seen.

    `own_retries`: the caller repeats by itself and the SDK never does. Raises `MissingExtraError` without boto3, and
    `AccessError` where the profile or Region cannot be used.
    """
    try:
        import boto3  # noqa: PLC0415 - optional
        from botocore.config import Config  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError.for_feature("reading from AWS", "aws") from error
    config = Config(
        retries={"total_max_attempts": 1 if own_retries else 6, "mode": "standard"},
        max_pool_connections=connections,
        connect_timeout=15,
        read_timeout=60,
        user_agent_extra="ecs-trail",
    )
    # Sessions may not be made by two threads at once (boto3 guide, "Multithreading or multiprocessing with sessions").
    with _MAKING, explained(f"{service}:*", service):
        session = get_session()
        client = boto3.session.Session(botocore_session=session).client(service, region_name=region, config=config)
        _SESSIONS[client] = session
        return client


def session_of(client: Any) -> Any:
    """The session of the SDK (botocore) that `make_client` made a client of; None for a client made elsewhere."""
    try:
        with _MAKING:
            return _SESSIONS.get(client)
    except TypeError:  # none that can be a key
        return None


def sdk_errors() -> tuple[type[Exception], ...]:
    """What the SDK raises; asked for once a client exists, so that botocore is there."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - optional

    return BotoCoreError, ClientError


def has_credentials() -> bool:
    """True when the SDK finds credentials in any of its usual places."""
    import boto3  # noqa: PLC0415 - a client exists, so boto3 does

    with _MAKING:
        return boto3.session.Session().get_credentials() is not None


def error_code(error: Exception) -> str:
    """AWS's own code of a refused call, or an empty text for any other error."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    return str(response.get("Error", {}).get("Code", ""))


def error_message(error: Exception) -> str:
    """AWS's own words about a refused call, on one line."""
    response = getattr(error, "response", None)
    words = response.get("Error", {}).get("Message", "") if isinstance(response, dict) else error
    return " ".join(str(words).split())


def denied_action(error: Exception, action: str) -> str:
    """The missing action: the one AWS names (`kms:Decrypt` of a bucket's key, say), else the one that was called."""
    match = _PERFORM.search(error_message(error))
    return match.group(1) if match else action


def denial(error: Exception, action: str, where: str) -> str:
    """A denial as a sentence: the missing action, where, and AWS's reason."""
    missing = denied_action(error, action)
    match = _PERFORM.search(error_message(error))
    on = f" on {match.group(2)}" if match and match.group(2) else f" for {where}"
    return f"{missing} is not allowed{on} ({error_code(error)})."


@contextmanager
def explained(action: str, where: str) -> Iterator[None]:
    """Turn what the SDK raises inside into `AccessError`; errors that are no matter of access pass."""
    errors = sdk_errors()
    try:
        yield
    except errors as error:
        raise access_error(error, action, where) from error


def access_error(error: Exception, action: str, where: str) -> EcsTrailError:
    """What the SDK raised as an error of this tool: denied, credentials, throttled, unreachable."""
    code = error_code(error)
    if code in DENIED:
        return DeniedError(
            f"access denied: {denial(error, action, where)}",
            hint=f"allow {denied_action(error, action)}; ecs-trail permissions prints the policy this tool needs.",
        )
    if code == "NoSuchBucket":
        return UsageError(f"there is no bucket for {where}.", hint="check the name; s3://BUCKET/PREFIX.")
    if code in EXPIRED or code in BAD_CREDENTIALS:
        return AccessError(f"AWS refused the credentials at {where} ({code}).", hint=_SIGN_IN)
    if code in THROTTLED:
        return AccessError(
            f"AWS refused {action} at {where} for speed, again and again ({code}).",
            hint="somebody else uses up the account's limit; try again later.",
        )
    if code:
        return AccessError(f"{action} failed at {where}: {code}: {error_message(error)[:300]}")
    return _without_code(error, action, where)


def _without_code(error: Exception, action: str, where: str) -> EcsTrailError:
    kind = type(error).__name__
    words = error_message(error)[:300]
    if "Connection" in kind or "Timeout" in kind or "Endpoint" in kind or "SSLError" in kind:
        return AccessError(
            f"{where} cannot be reached: {words}", hint="check the Region, the network, and a proxy or VPC endpoint."
        )
    if any(word in kind for word in ("Credential", "SSO", "Token", "Profile", "ConfigNotFound", "ConfigParse")):
        return AccessError(f"there are no usable AWS credentials for {where}: {words}", hint=_SIGN_IN)
    return AccessError(f"{action} failed at {where}: {kind}: {words}")
