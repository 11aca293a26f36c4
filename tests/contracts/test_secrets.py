"""What every keeper of secrets promises."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hometrip.adapters.secrets.files import FileSecrets
from hometrip.ports.secrets import Secrets, SecretsDown

ADAPTERS: dict[str, Callable[[Path, str], Secrets]] = {"adapters.secrets.files": FileSecrets}


@pytest.fixture(params=ADAPTERS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Secrets]:
    return lambda service: ADAPTERS[request.param](tmp_path / "secrets", service)


def test_a_secret_is_32_bytes_and_the_same_ever_after(make: Callable[[str], Secrets]) -> None:
    first = make("auth").secret("mail")
    assert len(first) == 32
    assert make("auth").secret("mail") == first


def test_names_and_services_have_secrets_of_their_own(make: Callable[[str], Secrets]) -> None:
    secrets = {make(service).secret(name) for service in ("auth", "listing") for name in ("mail", "quotes")}
    assert len(secrets) == 4


def test_of_many_that_make_it_at_once_all_keep_the_same(make: Callable[[str], Secrets]) -> None:
    seen: list[bytes] = []
    threads = [threading.Thread(target=lambda: seen.append(make("auth").secret("mail"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1


def test_only_the_owner_of_the_folder_can_read_it(tmp_path: Path) -> None:
    FileSecrets(tmp_path / "secrets", "auth").secret("mail")
    [file] = (tmp_path / "secrets").iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0


def test_what_is_no_whole_key_is_never_used(tmp_path: Path) -> None:
    keeper = FileSecrets(tmp_path / "secrets", "auth")
    keeper.secret("mail")
    for damaged in (b"", b"half"):
        (tmp_path / "secrets" / "auth-mail.key").write_bytes(damaged)
        with pytest.raises(SecretsDown, match=r"auth-mail\.key is damaged"):
            FileSecrets(tmp_path / "secrets", "auth").secret("mail")


def test_a_key_that_cannot_be_kept_is_not_made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk nothing half written is left, and once there is room the key is made."""

    def no_room(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    keeper = FileSecrets(tmp_path / "secrets", "listing")
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_room)
        with pytest.raises(SecretsDown, match=r"listing-quotes\.key cannot be kept: No space left on device"):
            keeper.secret("quotes")
    assert list((tmp_path / "secrets").iterdir()) == []
    assert len(keeper.secret("quotes")) == 32
