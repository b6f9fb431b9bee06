"""Keyed hashes: names for patients and images that only the holder of a secret can connect with them."""

from __future__ import annotations

import hmac
import os
import secrets
from functools import cache
from pathlib import Path

from concord.errors import DataError

VARIABLE = "CONCORD_SECRET"
"""Environment variable that holds the secret, for clusters whose machines share no home folder."""

DIGITS = 20


def keyed(name: str) -> str:
    """20 hexadecimal digits that stand for an identifier. Without the secret they cannot be traced back: a plain hash of an
    eight-digit number is found by trying all numbers."""
    return hmac.digest(secret(), name.encode("utf-8", "surrogatepass"), "sha256").hex()[:DIGITS]


@cache
def secret() -> bytes:
    """What is in `CONCORD_SECRET`, else a random one that is kept, readable by its owner alone, in the user's own folder.

    Raises:
        DataError: when it can be neither read nor written.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return given.encode()
    path = Path(os.environ.get("XDG_CONFIG_HOME", "~/.config")).expanduser() / "concord" / "secret"
    try:
        return _kept(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; set {VARIABLE} to a secret of your own, which names patients in the logs") from None


def _kept(path: Path) -> bytes:
    """The content of the file, made at its first use; of two processes that make it at once, both get the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes().strip()
