"""Secrets as files that only the owner of the data folder can read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from hometrip.ports.secrets import LENGTH, SecretsDown


class FileSecrets:
    """One file per service and name under `folder`, made on first use with random bytes, mode 0600."""

    def __init__(self, folder: Path, service: str) -> None:
        self._folder, self._service = folder, service
        self._known: dict[str, bytes] = {}

    def secret(self, name: str) -> bytes:
        if name not in self._known:
            self._known[name] = self._read_or_make(self._folder / f"{self._service}-{name}.key")
        return self._known[name]

    def _read_or_make(self, path: Path) -> bytes:
        try:
            if not path.exists():
                self._make(path)
            key = path.read_bytes()
        except OSError as failed:
            raise SecretsDown(f"The key {path.name} cannot be kept: {failed.strerror}.") from failed
        if len(key) != LENGTH:
            raise SecretsDown(f"The key {path.name} is damaged: it has {len(key)} bytes instead of {LENGTH}.")
        return key

    def _make(self, path: Path) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{secrets.token_hex(4)}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(LENGTH))
                file.flush()
                os.fsync(file.fileno())
            # A link is made only where there is none yet: of two at once, both keep the first one's.
            with contextlib.suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            fresh.unlink()
