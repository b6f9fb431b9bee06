"""Keyed hashes: names for patients and images that only the holder of a secret can connect with them."""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import tempfile
from functools import cache
from pathlib import Path

from concord.errors import DataError

VARIABLE = "CONCORD_SECRET"
"""Environment variable that holds the secret, for clusters whose machines share no home folder."""

DIGITS = 20
"""Hexadecimal digits of a name: among a hundred million, two get the same with a chance of 1 in 200 million."""

SHORTEST = 16
"""Characters of a secret. A shorter one is found by trying, and with it every patient's number."""


def keyed(name: str) -> str:
    """20 hexadecimal digits that stand for an identifier. Without the secret they cannot be traced back: a plain hash of an
    eight-digit number is found by trying all numbers.

    Raises:
        DataError: see `secret`.
    """
    return hmac.digest(secret(), name.encode("utf-8", "surrogatepass"), "sha256").hex()[:DIGITS]


@cache
def secret() -> bytes:
    """What is in `CONCORD_SECRET`, else a random one that is kept, readable by its owner alone, in the user's own folder.

    Raises:
        DataError: when it can be neither read nor made, is shorter than 16 characters, or others can read it.
    """
    if given := os.environ.get(VARIABLE, "").strip():
        return _long_enough(given.encode(), VARIABLE)
    way_out = f"set {VARIABLE} to a secret of your own, which names patients in the logs"
    try:
        path = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "concord" / "secret"
    except RuntimeError:
        raise DataError(f"there is no home folder to keep a secret in; {way_out}") from None
    try:
        kept = _kept(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise DataError(f"{path} can be read by others, who could name the patients in the logs; chmod 600 {path}")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; {way_out}") from None
    return _long_enough(kept, str(path))


def _long_enough(found: bytes, place: str) -> bytes:
    if len(found) < SHORTEST:
        raise DataError(f"{place}: a secret must have at least {SHORTEST} characters, this has {len(found)}")
    return found


def _kept(path: Path) -> bytes:
    """The content of the file, made at its first use; of several processes that make it at once, all get the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=".secret.")  # readable by its owner alone
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(fresh)
    return path.read_bytes().strip()
