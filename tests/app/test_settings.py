"""Settings: where they come from, who wins, and that all that is wrong is named at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hometrip.app.cli import main
from hometrip.app.settings import BadSettings, Settings, folder_of, load
from hometrip.services.auth.actions.deps import AuthSettings
from hometrip.services.listing.actions.deps import ListingSettings
from hometrip.services.notification.actions.deps import NotificationSettings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hometrip.toml"


def wrong(environment: dict[str, str], file: Path | None = None, **overrides: Any) -> list[str]:
    with pytest.raises(BadSettings) as bad:
        load(environment, overrides, file or Path("no-such-file.toml"))
    return bad.value.wrong


def right(environment: dict[str, str], file: Path | None = None, **overrides: Any) -> Settings:
    return load(environment, overrides, file or Path("no-such-file.toml"))


def test_nothing_needs_to_be_set() -> None:
    settings = right({})
    assert (settings.url, settings.sandbox, settings.demo) == ("http://127.0.0.1:3001", True, True)
    assert settings.data == Path("var").absolute()
    assert folder_of(settings.database_url) == Path("var/databases").absolute()


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(file: Path) -> None:
    file.write_text("port = 4000\nlog_level = 'debug'\nhost = 'localhost'\n")
    settings = right({"HOMETRIP_PORT": "5000", "HOMETRIP_LOG_LEVEL": "error"}, file, port=6000)
    assert (settings.port, settings.log_level, settings.host) == (6000, "error", "localhost")


def test_a_wrong_value_that_is_overridden_is_no_matter(file: Path) -> None:
    file.write_text("port = 'many'\n")
    assert right({"HOMETRIP_PORT": "5000"}, file).port == 5000


def test_everything_that_is_wrong_is_named_at_once(file: Path) -> None:
    file.write_text("demo = 'perhaps'\nhosst = 'here'\n[listing]\nguest_fee_bp = 'much'\n")
    found = wrong(
        {
            "HOMETRIP_PORT": "abc",
            "HOMETRIP_LOG_LEVEL": "loud",
            "HOMETRIP_LOG_FORMAT": "xml",
            "HOMETRIP_BUS_URL": "kafka:",
            "HOMETRIP_BOOKING_DATABASE_URL": "oracle://there",
            "HOMETRIP_AUTH_ACCESS_SECONDS": "-1",
            "HOMETRIP_REQUEST_SECONDS": "0",
            "HOMETRIP_PROCESSES": "65",
            "HOMETRIP_PROT": "1",
        },
        file,
    )
    assert sorted(found) == sorted(
        [
            f"{file}: demo: 'perhaps' is not on or off",
            f"{file}: hosst: there is no such setting; did you mean HOMETRIP_HOST?",
            f"{file}: [listing] guest_fee_bp: 'much' is not a whole number, not below 0",
            "HOMETRIP_PORT: 'abc' is not a whole number, not below 0",
            "HOMETRIP_LOG_LEVEL: 'loud' is not debug, info, warning or error",
            "HOMETRIP_LOG_FORMAT: 'xml' is not text or json",
            "HOMETRIP_BUS_URL: kafka: is not one of memory:, amqp:, amqps:",
            "HOMETRIP_BOOKING_DATABASE_URL: oracle: is not one of sqlite:, postgresql:",
            "HOMETRIP_AUTH_ACCESS_SECONDS: '-1' is not a whole number, not below 0",
            "HOMETRIP_REQUEST_SECONDS: must be more than 0",
            "HOMETRIP_PROCESSES: 65 is not 1 to 64",
            "HOMETRIP_PROT: there is no such setting; did you mean HOMETRIP_PORT?",
        ]
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("port = [1]", "port: [1] is not a whole number, not below 0"),
        ("port = 1.5", "port: 1.5 is not a whole number, not below 0"),
        ("port = true", "port: True is not a whole number, not below 0"),
        ("port = inf", "port: inf is not a whole number, not below 0"),
        ("request_seconds = nan", "request_seconds: nan is not a number, not below 0"),
        ("host = ['a']", "host: ['a'] is not text"),
        ("cors_origins = 3", "cors_origins: 3 is not a list of texts"),
        ("cors_origins = [1]", "cors_origins: [1] is not a list of texts"),
        ("demo = 2", "demo: 2 is not on or off"),
        ("[auth]\naccess_seconds = {}", "[auth] access_seconds: {} is not a whole number, not below 0"),
        ("[own]\na = 1", "[own] a: there is no such setting"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(file: Path, line: str, said: str) -> None:
    file.write_text(line)
    assert wrong({}, file) == [f"{file}: {said}"]


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"[a", b"port = 1\nport = 2"])
def test_a_file_that_cannot_be_read_is_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    (found,) = wrong({}, file)
    assert found.startswith(f"{file}: cannot be read: ")


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "gone.toml"
    assert wrong({"HOMETRIP_CONFIG": str(missing)}) == [f"HOMETRIP_CONFIG: there is no file {missing}"]
    missing.write_text("port = 4321")
    assert load({"HOMETRIP_CONFIG": str(missing)}).port == 4321


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "0", "0 is not a port (1 to 65535)"),
        ("PORT", "65536", "65536 is not a port (1 to 65535)"),
        ("HOST", "", "is empty; it is the address to listen on, such as 127.0.0.1"),
        ("DATA", "", "is empty; it is the folder where everything is kept"),
        ("MAX_BODY", "0", "must be more than 0"),
        ("ANONYMOUS_LIMIT", "0", "must be more than 0"),
        ("CORS_ORIGINS", "*", "'*' is not like https://homes.example.com"),
        ("CORS_ORIGINS", "https://a.test/", "'https://a.test/' is not like https://homes.example.com"),
        ("PUBLIC_URL", "homes.test", "'homes.test' is not like https://homes.example.com"),
        (
            "SEARCH_URL",
            "tantivy:",
            "'tantivy:' names no folder, as tantivy:///search or tantivy:////var/search does",
        ),
        ("BLOBS_URL", "files", "'files' is not one of file:, s3:"),
    ],
)
def test_a_value_out_of_its_bounds_is_named(name: str, value: str, said: str) -> None:
    assert wrong({f"HOMETRIP_{name}": value}) == [f"HOMETRIP_{name}: {said}"]


def test_an_unknown_name_of_a_service_is_named_with_the_nearest() -> None:
    assert wrong({"HOMETRIP_LISTING_GUEST_FEE": "1"}) == [
        "HOMETRIP_LISTING_GUEST_FEE: there is no such setting; did you mean HOMETRIP_LISTING_GUEST_FEE_BP?"
    ]
    # A port that the whole process shares is not a service's to choose.
    (found,) = wrong({"HOMETRIP_PAYMENT_PAYMENTS_URL": "sandbox:"})
    assert "there is no such setting" in found


def test_what_is_read_elsewhere_is_no_wrong_setting() -> None:
    right({"HOMETRIP_BUILD_COMMIT": "abc", "HOMETRIP_TEST_SEED": "7", "PATH": "/bin"})


def test_a_service_has_values_of_its_own(file: Path) -> None:
    file.write_text("[listing]\nguest_fee_bp = 1500\n[booking]\ndatabase_url = 'sqlite:////srv/booking'\n")
    settings = right({"HOMETRIP_AUTH_REFRESH_SECONDS": "60"}, file)
    assert settings.of_service("listing", ListingSettings).guest_fee_bp == 1500
    assert settings.of_service("listing", ListingSettings).host_fee_bp == ListingSettings().host_fee_bp
    assert settings.of_service("auth", AuthSettings).refresh_seconds == 60
    assert folder_of(settings.engine("database", "booking")) == Path("/srv/booking")
    assert settings.engine("database", "auth") == settings.database_url


def test_the_house_has_one_public_address_unless_a_service_has_another() -> None:
    settings = right({"HOMETRIP_PUBLIC_URL": "https://homes.test"})
    assert settings.of_service("notification", NotificationSettings).public_url == "https://homes.test"
    settings = right({"HOMETRIP_NOTIFICATION_PUBLIC_URL": "https://mail.test"})
    assert settings.of_service("notification", NotificationSettings).public_url == "https://mail.test"
    assert right({"HOMETRIP_HOST": "::1"}).url == "http://[::1]:3001"


def test_origins_are_a_list_with_commas() -> None:
    settings = right({"HOMETRIP_CORS_ORIGINS": "https://a.test, http://b.test:8080,"})
    assert settings.cors_origins == ("https://a.test", "http://b.test:8080")


@pytest.mark.parametrize("name", ["a#b", "a?b", "a b", "a%20b", "ü"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    settings = right({}, data=tmp_path / name)
    assert folder_of(settings.blobs_url) == tmp_path / name / "files"


def test_the_sandbox_is_on_by_itself_only_where_nobody_else_can_come() -> None:
    assert right({"HOMETRIP_HOST": "localhost"}).sandbox
    assert right({"HOMETRIP_HOST": "127.9.9.9"}).sandbox
    assert not right({"HOMETRIP_HOST": "0.0.0.0"}).sandbox
    assert not right({"HOMETRIP_SANDBOX": "off"}).sandbox


def test_the_sandbox_is_refused_where_others_can_come_or_money_is_real() -> None:
    assert wrong({"HOMETRIP_SANDBOX": "on", "HOMETRIP_HOST": "0.0.0.0"}) == [
        "HOMETRIP_SANDBOX: refused, because HOMETRIP_HOST=0.0.0.0 can be reached from outside"
    ]
    found = wrong(
        {"HOMETRIP_SANDBOX": "on", "HOMETRIP_PAYMENTS_URL": "stripe:", "HOMETRIP_COURIER_URL": "smtp://mail"}
    )
    assert "HOMETRIP_SANDBOX: refused, because a real provider is configured for payments, courier" in found


def test_limits_may_be_lifted_in_the_sandbox_only() -> None:
    assert not right({"HOMETRIP_LIMITS": "off"}).limits
    assert wrong({"HOMETRIP_LIMITS": "off", "HOMETRIP_SANDBOX": "off"}) == [
        "HOMETRIP_LIMITS: can be off only with the sandbox on"
    ]


def test_config_check_says_what_is_in_force(tmp_path: Path) -> None:
    environment = {"HOMETRIP_LISTING_QUOTE_MINUTES": "20", "HOMETRIP_DEMO": "no"}
    answer = CliRunner().invoke(main, ["config", "check", "--data", str(tmp_path)], env=environment)
    assert answer.exit_code == 0, answer.output
    lines = [line.split() for line in answer.output.splitlines()]
    assert ["data", str(tmp_path)] in lines
    assert ["demo", "off"] in lines
    assert ["listing_quote_minutes", "20"] in lines
    assert list(tmp_path.iterdir()) == []


def test_config_check_says_all_that_is_wrong_with_code_2(tmp_path: Path) -> None:
    environment = {"HOMETRIP_PORT": "x", "HOMETRIP_PROT": "1", "HOMETRIP_CACHE_URL": "memcached://r"}
    answer = CliRunner().invoke(main, ["config", "check", "--data", str(tmp_path)], env=environment)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    for name in environment:
        assert f"  - {name}: " in answer.stderr
