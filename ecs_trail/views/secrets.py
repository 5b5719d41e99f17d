"""Secret material taken out of whatever leaves: tokens, secret keys, private keys, passwords, authorisation blobs.

What is known by its name (`sessionToken`, `secretString`, `Authorization`, an environment variable `DB_PASSWORD`) loses
its value; what is known by its form (a PEM private key, a `Bearer` header, a signature in a URL, a token of STS) is
replaced where it stands, in any text. Ids stay: an access key id names a caller and opens nothing ("Managing access
keys for IAM users"; "Understanding unique ID prefixes", *IAM User Guide*, read on 2026-11-24). Beside a secret key, in
a pair, the id is all that is left.

Text that holds nothing of the kind comes back unchanged, byte for byte.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

REMOVED: Final = "removed by ecs-trail"
_DEEPEST: Final = 64
#: What a name says once case, blanks, `_`, `-` and `.` are gone: its value is secret material.
_SECRET_NAMES: Final = (
    *("sessiontoken", "securitytoken", "secretaccesskey", "secretkey", "secretstring", "secretbinary", "privatekey"),
    *(
        "authorization",
        "authorizationtoken",
        "authorizationmessage",
        "encodedmessage",
        "password",
        "passwd",
        "passphrase",
    ),
    *("plaintext", "clientsecret", "accesstoken", "refreshtoken", "idtoken", "bearertoken", "webidentitytoken"),
    *("samlassertion", "authtoken", "apikey", "signingkey", "keymaterial", "masteruserpassword", "decodedmessage"),
    *("secretvalue", "credentialtoken", "pgpassword", "connectionstring", "privatekeyplaintext"),
)
#: Ends of the names of environment variables and headers that hold such material.
_SECRET_ENDS: Final = (
    *("password", "passwd", "passphrase", "secretaccesskey", "secretkey", "privatekey", "sessiontoken", "apikey"),
    *("accesstoken", "authtoken", "refreshtoken", "securitytoken", "clientsecret", "secretstring", "apitoken"),
)
#: Shorter ends that count only for a variable or header, whose name is a value beside it.
_VARIABLE_ENDS: Final = ("token", "secret", "pwd", "pass", "credential", "credentials", "authorization", "cookie")
_SQUEEZED: Final = re.compile(r"[\s_.\-]+")
#: Keys under which a name stands beside its value: environment overrides of ECS, headers, tags.
_NAME_KEYS: Final = ("name", "Name", "key", "Key")
_VALUE_KEYS: Final = ("value", "Value")
#: One of these stands in every text that holds secret material, in whatever case; the rest is not looked at closely.
#: A token of idempotency (`clientToken`, `nextToken`) opens nothing: a `t` before `token` is passed over. Every refusal
#: says "authorized", which is no sign.
_SIGNS: Final = (
    *("secret", "passw", "passphrase", "private", "authorizati", "credential", "connection", "plaintext", "assertion"),
    *("apikey", "api_key", "api-key", "keymaterial", "signingkey", "signature", "bearer", "basic ", "pwd", "cookie"),
    *("encodedmessage", "encoded message", "decodedmessage", "iqojb3jp", "fwogzxiv", "fqogzxiv", "aqodyxdz", "eyj"),
    *("access_key", "access-key", "access key", "x-amz-", "_pass", "-pass", "://", "akia", "asia", "\\u00"),
)
#: The same as one pattern that needs no lookaround, for whole columns.
SIGN: Final = "|".join(("(?:^|[^t])token", *map(re.escape, _SIGNS)))
_WORD: Final = (
    r"(?:session.?token|security.?token|secret.?access.?key|secret.?key|secret.?string|secret.?binary|private.?key"
    r"|pass(?:word|wd|phrase)|client.?secret|access.?token|refresh.?token|auth.?token|id.?token|api.?key|api.?token)"
)
#: Forms of secret material in running text; each has bounded repeats, so that no text costs more than its length.
_FORMS: Final = re.compile(
    r"(?P<pem>-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----[^-]{0,20000}(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----)?)"
    r"|(?P<header>(?<![A-Za-z0-9_])(?:Bearer|Basic) +)[A-Za-z0-9+/=_.~-]{8,8192}"
    r"|(?P<signed>(?:AWS4-HMAC-SHA256 [^\r\n]{0,400}?Signature=|X-Amz-(?:Signature|Security-Token|Credential)=))"
    r"[^&\s\"'<>\\]{1,8192}"
    r"|(?P<sts>(?<![A-Za-z0-9])(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz|AQoDYXdz)[A-Za-z0-9+/=_-]{8,8192})"
    r"|(?P<jwt>(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,8192}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{0,8192})"
    # a bare colon may be one of an ARN (`…:secret:api-key:…`), which names and opens nothing
    r"|(?P<stated>authorization(?:\\{0,8}[\"'])?\s{0,4}[:=]\s{0,4}(?:\\{0,8}[\"'])?(?:(?:Bearer|Basic|Token) {1,4})?)"
    r"(?!AWS4-HMAC)[^\s\"'\\,;&}\]]{1,8192}"
    rf"|(?P<said>{_WORD}(?:\\{{0,8}}[\"']\s{{0,4}}[=:]|\s{{0,4}}=|\s{{0,4}}:(?=[\s\"'\\]))\s{{0,4}}"
    rf"(?:\\{{0,8}}[\"'])?|(?<![\w:/.-]){_WORD}:)[^\s\"'\\,;&}}\]]{{1,8192}}"
    r"|(?P<url>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'<>\\]{0,200}:)[^\s/@\"'<>\\]{1,200}(?=@)"
    r"|(?P<encoded>(?:authorization failure message|encoded message): ?)[A-Za-z0-9_+/=-]{16,16384}",
    re.IGNORECASE,
)
#: A secret access key is 40 characters of base64; beside an access key id it is taken for one.
_PAIR: Final = re.compile(
    r"(?<![A-Za-z0-9])((?:AKIA|ASIA)[A-Z0-9]{12,28})([^A-Za-z0-9+]{1,8}(?:[A-Za-z_]{1,24}[^A-Za-z0-9+]{1,8}){0,2})"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)


def scrub(text: str) -> str:
    """The text with secret material replaced, wherever it is nested, JSON inside strings included.

    Text without any comes back as it is. JSON text that changes is spelled anew, compactly; text that names a
    secret and looks like JSON but is none is withheld whole.
    """
    if not _may_hold(text):
        return text
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(text)
            made = _scrubbed(value, _DEEPEST)
            return text if made == value else json.dumps(made, ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            if _names_one(text):
                return json.dumps(f"{REMOVED}: names a credential and cannot be read")
    return scrub_text(text)


def scrub_text(text: str) -> str:
    """Running text (a message, a user agent, a command) with what has the form of a secret replaced."""
    if not _may_hold(text):
        return text
    return _PAIR.sub(rf"\1\2{REMOVED}", _FORMS.sub(_replaced, text))


def scrub_value(value: Any) -> Any:
    """A plain value (dictionaries, lists, texts) with secret material replaced in every text; the rest as it is."""
    return _scrubbed(value, _DEEPEST)


def _may_hold(text: str) -> bool:
    lowered = text.lower()
    return any(sign in lowered for sign in _SIGNS) or "token" in lowered.replace("ttoken", "")


def _names_one(text: str) -> bool:
    return re.search(_WORD, text, re.IGNORECASE) is not None


def _replaced(match: re.Match[str]) -> str:
    kept = next((match[name] for name in ("header", "signed", "stated", "said", "url", "encoded") if match[name]), "")
    already = match[0][len(kept) :]
    return match[0] if REMOVED.startswith(already) else f"{kept}{REMOVED}"


def is_secret_name(name: str, *, is_variable: bool = False) -> bool:
    """Whether the value under such a name is secret material; `is_variable` for environment variables and headers."""
    plain = _SQUEEZED.sub("", name[:200]).lower()
    if plain in _SECRET_NAMES or plain.endswith(_SECRET_ENDS):
        return True
    return is_variable and plain.endswith(_VARIABLE_ENDS)


def _scrubbed(value: Any, depth: int) -> Any:
    if depth == 0:
        return REMOVED if isinstance(value, (dict, list, str)) else value
    if isinstance(value, Mapping):
        hidden = _hidden_keys(value)
        return {
            (scrub_text(key) if isinstance(key, str) else key): REMOVED
            if key in hidden
            else _scrubbed(inner, depth - 1)
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(_scrubbed(inner, depth - 1) for inner in value)
    return scrub(value) if isinstance(value, str) else value


def _hidden_keys(fields: Mapping[Any, Any]) -> set[Any]:
    """The keys of an object whose values are secret: by their own name, or by the name that stands beside."""
    hidden = {
        key
        for key, inner in fields.items()
        if isinstance(key, str) and inner not in (None, "", True, False) and is_secret_name(key) and not _is_flag(inner)
    }
    named = [fields[key] for key in _NAME_KEYS if isinstance(fields.get(key), str)]
    if any(is_secret_name(name, is_variable=True) for name in named):
        hidden |= {key for key in _VALUE_KEYS if fields.get(key) not in (None, "")}
    return hidden


def _is_flag(value: Any) -> bool:
    """Numbers under such a name (a length, a count) are no secret."""
    return isinstance(value, (bool, int, float))
