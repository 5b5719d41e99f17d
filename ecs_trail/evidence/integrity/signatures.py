"""Signatures of digests: the string that is signed, the public keys, and whether a signature fits.

*AWS CloudTrail User Guide*, "Custom implementations of CloudTrail log file integrity validation", and *AWS CloudTrail
API Reference*, ListPublicKeys; read on 2026-11-24.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ecs_trail.errors import MissingExtraError, UsageError
from ecs_trail.evidence.integrity.digests import SIGNATURE_ALGORITHM, Digest, is_hex

#: IAM action that gives the public keys.
ACTION: Final = "cloudtrail:ListPublicKeys"
_SAVE: Final = "save them with: aws cloudtrail list-public-keys --region R --start-time T --end-time T > keys.json"


class PublicKeys:
    """Public keys by fingerprint, DER as AWS gives them (PKCS #1, or wrapped as SubjectPublicKeyInfo)."""

    def __init__(self) -> None:
        """No key is known yet."""
        self._keys: dict[str, list[bytes]] = {}

    def __len__(self) -> int:
        """How many fingerprints are known."""
        return len(self._keys)

    def add(self, fingerprint: str, der: bytes) -> None:
        """Know one key more."""
        known = self._keys.setdefault(fingerprint, [])
        if der not in known:
            known.append(der)

    def get(self, fingerprint: str) -> list[bytes]:
        """The keys of a fingerprint; more than one where sources disagree."""
        return self._keys.get(fingerprint, [])


def require_cryptography() -> None:
    """Raise `MissingExtraError` now, before anything is read, where signatures could not be checked."""
    try:
        import cryptography  # noqa: F401, PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError.for_feature("verifying the signatures of digests", "verify") from error


def string_to_sign(digest: Digest) -> bytes:
    """The data CloudTrail signs: end time, S3 path, hash of the uncompressed digest, signature of the one before.

    A starting digest has the word `null` in the last place.
    """
    before = "null" if digest.previous_signature is None else digest.previous_signature
    return f"{digest.end_text}\n{digest.bucket}/{digest.key}\n{digest.sha256}\n{before}".encode()


def fits(digest: Digest, signature: str, keys: PublicKeys) -> bool | None:
    """Whether a signature (hexadecimal) is CloudTrail's for a digest; None where no usable key is known.

    RSA with PKCS #1 v1.5 padding and SHA-256.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    usable = [key for der in keys.get(digest.fingerprint) if (key := _rsa_key(der)) is not None]
    if not usable:
        return None
    if digest.algorithm != SIGNATURE_ALGORITHM or not is_hex(signature):
        return False
    for key in usable:
        try:
            key.verify(bytes.fromhex(signature), string_to_sign(digest), PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
        return True
    return False


def _rsa_key(der: bytes) -> Any:
    """The RSA key, or None for bytes that are none."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPublicKey) else None


def read_public_keys(path: Path, into: PublicKeys) -> None:
    """Add the keys of a saved `aws cloudtrail list-public-keys` answer. Raises `UsageError` for any other file."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"the public keys '{path}' cannot be read: {error.strerror or error}.", hint=_SAVE) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the public keys '{path}' are no JSON: {error}.", hint=_SAVE) from error
    found = list(_keys_in(saved))
    if not found:
        raise UsageError(f"there are no public keys in '{path}': no PublicKeyList.", hint=_SAVE)
    for one in found:
        fingerprint, value = one.get("Fingerprint"), one.get("Value")
        if not isinstance(fingerprint, str) or not isinstance(value, str):
            raise UsageError(f"a public key in '{path}' has no Fingerprint or no Value.", hint=_SAVE)
        try:
            into.add(fingerprint, base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError) as error:
            raise UsageError(f"the key {fingerprint[:64]} in '{path}' is no base64.", hint=_SAVE) from error


def _keys_in(saved: object) -> Iterator[dict[str, Any]]:
    """The keys of one answer, or of a list of answers (one for each Region, say)."""
    if isinstance(saved, list):
        for one in saved:
            yield from _keys_in(one)
    elif isinstance(saved, dict):
        listed = saved.get("PublicKeyList") or saved.get("publicKeyList")
        if isinstance(listed, list):
            yield from (one for one in listed if isinstance(one, dict))
        elif "Fingerprint" in saved:
            yield saved
