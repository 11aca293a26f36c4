"""What every keeper of secrets promises."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hometrip.adapters.secrets.files import FileSecrets
from hometrip.ports.secrets import Secrets

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
