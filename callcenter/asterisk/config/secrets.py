"""Secrets this instance made for itself: `<HOME>/secrets`, readable by its owner alone."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from callcenter.asterisk.config.sip import REALM


def agent_digest(agent_id: str, password: str) -> str:
    """HA1 of RFC 2617, all Asterisk needs to check a phone: MD5(user:realm:password).

    MD5 is what SIP phones speak; the password is random, so that a stolen digest cannot be turned
    back into one. It still opens this phone's account: the files that hold it are mode 0600.
    """
    text = f"{agent_id}:{REALM}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def new_password() -> str:
    """For a phone or an account; letters, digits, `-` and `_` (some phones take no more)."""
    return secrets.token_urlsafe(18)


def secret(folder: Path, name: str) -> str:
    """The secret `name`, made at the first request. Two processes asking at once get the same."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    path = folder / name
    temporary = folder / f".{name}.{os.getpid()}"
    if not path.exists():
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # fails when another process was first
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_text(encoding="ascii").strip()
