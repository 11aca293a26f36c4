"""Settings: what the registry keeps (see `app/kept.py`) over environment variables `HOMETRIP_…` over
`hometrip.toml` over defaults. All that is wrong is named at once.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from hometrip.app.sampling import bad_sampling
from hometrip.app.stripe_keys import bad_stripe
from hometrip.app.written import Given, is_loopback, is_origin, value_of
from hometrip.kernel.service import Settings as ServiceSettings

SERVICES = ("auth", "user", "listing", "booking", "payment", "search", "notification")

# The engines that each port can be put on, by the scheme of its url.
ENGINES = {
    "database": ("sqlite", "postgresql"),
    "documents": ("sqlite", "postgresql", "mongodb"),
    "bus": ("memory", "amqp", "amqps"),
    "cache": ("memory", "redis", "rediss"),
    "search": ("tantivy", "elasticsearch"),
    "blobs": ("file", "s3"),
    "registry": ("static", "consul"),
    "payments": ("sandbox", "stripe"),
    "courier": ("folder", "smtp", "smtps"),
    "geocoder": ("gazetteer",),
    "traces": ("memory", "otlp"),
}
# The storages, which every service has of its own; it shares the other ports with the rest of its process.
OWN_ENGINES = ("database", "documents")
IN_FOLDERS = frozenset({"sqlite", "tantivy", "file", "folder"})

# Read elsewhere, not settings of the house: where the file is, and what a build stamps into itself.
_NOT_SETTINGS = frozenset(
    {"HOMETRIP_CONFIG", "HOMETRIP_BUILD_COMMIT", "HOMETRIP_ENGINES_HOME", "HOMETRIP_ENGINES_SETS"}
)

# How the name of a setting begins that the registry keeps, and what leads to it or is each process's own.
KEPT = "Consul: settings/"
_NOT_KEPT = frozenset({"registry_url", "data", "host", "port"})


class BadSettings(Exception):
    """Some settings are wrong; `wrong` has a line for each, in words."""

    def __init__(self, wrong: list[str]) -> None:
        super().__init__("\n".join(wrong))
        self.wrong = wrong


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Each field is `HOMETRIP_<FIELD>` in the environment and `<field>` in hometrip.toml."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 3001
    processes: int = 1
    public_url: str = ""
    demo: bool = True
    sandbox: bool = False
    limits: bool = True
    review_listings: bool = False
    cors_origins: tuple[str, ...] = ()
    log_level: str = "info"
    log_format: str = "text"
    anonymous_limit: int = 100
    account_limit: int = 1000
    request_seconds: float = 30.0
    max_body: int = 1_000_000
    database_url: str
    documents_url: str
    bus_url: str = "memory:"
    cache_url: str = "memory:"
    search_url: str
    blobs_url: str
    registry_url: str = "static:"
    payments_url: str = "sandbox:"
    stripe_secret_key: str = ""
    stripe_webhook_secret: tuple[str, ...] = ()
    stripe_live: bool = False
    courier_url: str
    geocoder_url: str = "gazetteer:"
    traces_url: str = "memory:"
    own: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"

    def by_name(self) -> dict[str, Any]:
        """Every setting, those of the services among them, by the name that it is given under."""
        house = {name: getattr(self, name) for name in self.__struct_fields__ if name != "own"}
        return house | {f"{of}_{name}": value for of, own in self.own.items() for name, value in own.items()}

    def engine(self, port: str, service: str = "") -> str:
        """The url of a port's engine; a service's own value wins."""
        own = self.own.get(service, {}).get(f"{port}_url")
        return own or str(getattr(self, f"{port}_url"))

    def storage_url(self, port: str, service: str) -> str:
        """The url of a service's own database on a server: `hometrip_booking` where the house's url names
        `hometrip` or nothing; what a service's own url names, is the name as it is.
        """
        url = self.engine(port, service)
        if f"{port}_url" in self.own.get(service, {}):
            return url
        parts = urlsplit(url)
        return parts._replace(path=f"/{parts.path.strip('/') or 'hometrip'}_{service}").geturl()

    def of_service(self, service: str, kind: type[ServiceSettings]) -> Any:
        """The service's own settings, from `HOMETRIP_<SERVICE>_<FIELD>`; what the house has too, is the
        house's where it is not told.
        """
        fields = kind.__struct_fields__
        given = {name: value for name, value in self.own.get(service, {}).items() if name in fields}
        for name, value in (("public_url", self.url), ("review_listings", self.review_listings)):
            if name in fields:
                given.setdefault(name, value)
        return msgspec.convert(given, kind, strict=False)


def folder_of(url: str) -> Path:
    """The path in `sqlite:///relative` or `sqlite:////absolute`, with `%23` for a `#` in it."""
    return Path(unquote(urlsplit(url).path.removeprefix("/")))


def load(
    environment: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    file: Path | None = None,
    kept: Mapping[str, str] | None = None,
) -> Settings:
    """Raises `BadSettings` with everything that is wrong. `kept` is what the registry keeps; `overrides` (the
    command line's) win over all.
    """
    wrong: list[str] = []
    given = _written(environment, file, wrong)
    for name, value in (kept or {}).items():
        _put(given, name, Given(value, f"{KEPT}{name}"), wrong)
    for name, value in (overrides or {}).items():
        if value is not None:
            given[name] = Given(value, f"HOMETRIP_{name.upper()}")
    settings = _with_sandbox(_read(given, wrong), "sandbox" in given, wrong)
    _check(settings, wrong)
    if wrong:
        raise BadSettings(wrong)
    return settings


def registry_in(environment: Mapping[str, str]) -> str:
    """The url of the registry, before anything else is looked at."""
    found = _written(environment, None, []).get("registry_url")
    return str(found.value) if found else "static:"


def environment() -> Mapping[str, str]:
    return os.environ


# finding what is given


def _is_setting(name: str) -> bool:
    return (
        name.startswith("HOMETRIP_") and name not in _NOT_SETTINGS and not name.startswith("HOMETRIP_TEST_")
    )


def _written(environment: Mapping[str, str], file: Path | None, wrong: list[str]) -> dict[str, Given]:
    """What the environment says, over what the file says."""
    given = _from_file(file or Path(environment.get("HOMETRIP_CONFIG", "hometrip.toml")), wrong)
    if "HOMETRIP_CONFIG" in environment and not Path(environment["HOMETRIP_CONFIG"]).exists():
        wrong.append(f"HOMETRIP_CONFIG: there is no file {environment['HOMETRIP_CONFIG']}")
    for name, value in environment.items():
        if _is_setting(name):
            _put(given, name.removeprefix("HOMETRIP_").lower(), Given(value, name), wrong)
    return given


def _from_file(file: Path, wrong: list[str]) -> dict[str, Given]:
    given: dict[str, Given] = {}
    if not file.exists():
        return given
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as reason:
        wrong.append(f"{file}: cannot be read: {reason}")
        return given
    for name, value in written.items():
        if isinstance(value, dict):
            for key, part in value.items():
                _put(given, f"{name}_{key}", Given(part, f"{file}: [{name}] {key}"), wrong)
        else:
            _put(given, name, Given(value, f"{file}: {name}"), wrong)
    return given


def _put(given: dict[str, Given], name: str, value: Given, wrong: list[str]) -> None:
    if value.where.startswith(KEPT) and name in _NOT_KEPT:
        wrong.append(f"{value.where}: cannot be kept there; each process is told it by its environment")
        return
    if _owner(name):
        given[name] = value
        return
    near = difflib.get_close_matches(name, _known(), n=1)
    hint = f"; did you mean HOMETRIP_{near[0].upper()}?" if near else ""
    wrong.append(f"{value.where}: there is no such setting{hint}")


def _owner(name: str) -> tuple[str, str] | None:
    """The service that a setting is of (none for the house's) and its name there. Only the service that it
    may be of is looked into: to load them all takes a process of one service longer than to start.
    """
    from hometrip.app.rooms import settings_kind

    if name in Settings.__struct_fields__ and name != "own":
        return "", name  # `search_url` is the house's engine
    for service in SERVICES:
        field = name.removeprefix(f"{service}_")
        if field == name:
            continue
        if field in [f"{port}_url" for port in OWN_ENGINES]:
            return service, field
        kind = settings_kind(service)
        if kind and field in kind.__struct_fields__:
            return service, field
    return None


def _known() -> dict[str, tuple[str, str]]:
    """Every name, with the service that it is of (none for the house's) and its name there."""
    from hometrip.app.rooms import settings_kind  # reading settings of a service needs the service

    known: dict[str, tuple[str, str]] = {}
    for service in SERVICES:
        kind = settings_kind(service)
        fields = [f"{port}_url" for port in OWN_ENGINES] + list(kind.__struct_fields__ if kind else ())
        known |= {f"{service}_{field}": (service, field) for field in fields}
    # `search_url` is the house's engine.
    return known | {field: ("", field) for field in Settings.__struct_fields__ if field != "own"}


# reading it


def _read(given: Mapping[str, Given], wrong: list[str]) -> Settings:
    """What cannot be read is written down, and left at its default, so that the rest is looked at too."""
    house, own = dict[str, Any](), dict[str, dict[str, Any]]()
    for name, written in given.items():
        owner = _owner(name)
        assert owner
        service, field = owner
        value = value_of(written, _default(service, field), wrong)
        if value is None:
            continue
        if service:
            own.setdefault(service, {})[field] = value
        else:
            house[field] = value
    if not (folder := house.pop("data", "var")):
        wrong.append("HOMETRIP_DATA: is empty; it is the folder where everything is kept")
    data = Path(folder).absolute()
    return Settings(data=data, own=own, **(_defaults(data) | house))


def _default(service: str, field: str) -> Any:
    """The default of a setting; its type is the setting's. Text where it has none of its own."""
    from hometrip.app.rooms import settings_kind

    kind = settings_kind(service) if service else Settings
    return _defaults_of(kind).get(field, "") if kind else ""


@cache
def _defaults_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    known = {field.name: field.default for field in msgspec.structs.fields(kind)}
    return {name: default for name, default in known.items() if default is not msgspec.NODEFAULT}


def _defaults(data: Path) -> dict[str, str]:
    folder = quote(str(data))
    return {
        "database_url": f"sqlite:///{folder}/databases",
        "documents_url": f"sqlite:///{folder}/databases",
        "search_url": f"tantivy:///{folder}/search",
        "blobs_url": f"file:///{folder}/files",
        "courier_url": f"folder:///{folder}/mail",
    }


# looking at it


def _with_sandbox(settings: Settings, chosen: bool, wrong: list[str]) -> Settings:
    """On by itself when everything stays on this machine; refused, with the reason, where money or mail
    is real.
    """
    real = [
        port
        for port, inside in (("payments", "sandbox"), ("courier", "folder"))
        if _scheme(settings, port) != inside
    ]
    outside = not is_loopback(settings.host)
    if not chosen:
        return msgspec.structs.replace(settings, sandbox=not real and not outside)
    if settings.sandbox and outside:
        wrong.append(
            f"HOMETRIP_SANDBOX: refused, because HOMETRIP_HOST={settings.host} can be reached from outside"
        )
    if settings.sandbox and real:
        wrong.append(
            f"HOMETRIP_SANDBOX: refused, because a real provider is configured for {', '.join(real)}"
        )
    return settings


def _check(settings: Settings, wrong: list[str]) -> None:
    if not settings.host:
        wrong.append("HOMETRIP_HOST: is empty; it is the address to listen on, such as 127.0.0.1")
    if not 1 <= settings.port <= 65535:
        wrong.append(f"HOMETRIP_PORT: {settings.port} is not a port (1 to 65535)")
    if not 1 <= settings.processes <= 64:
        wrong.append(f"HOMETRIP_PROCESSES: {settings.processes} is not 1 to 64")
    wrong.extend(
        f"HOMETRIP_{name.upper()}: must be more than 0"
        for name in ("anonymous_limit", "account_limit", "request_seconds", "max_body")
        if not getattr(settings, name)
    )
    if not settings.limits and not settings.sandbox:
        wrong.append("HOMETRIP_LIMITS: can be off only with the sandbox on")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        wrong.append(f"HOMETRIP_LOG_LEVEL: {settings.log_level!r} is not debug, info, warning or error")
    if settings.log_format not in ("text", "json"):
        wrong.append(f"HOMETRIP_LOG_FORMAT: {settings.log_format!r} is not text or json")
    if settings.public_url and not is_origin(settings.public_url):
        wrong.append(f"HOMETRIP_PUBLIC_URL: {settings.public_url!r} is not like https://homes.example.com")
    wrong.extend(
        f"HOMETRIP_CORS_ORIGINS: {origin!r} is not like https://homes.example.com"
        for origin in settings.cors_origins
        if not is_origin(origin)
    )
    for port, schemes in ENGINES.items():
        for service in ("", *SERVICES):
            if not service or f"{port}_url" in settings.own.get(service, {}):
                _check_engine(settings, port, schemes, service, wrong)
    wrong.extend(_bad_own(settings) + bad_sampling(settings.traces_url))
    if _scheme(settings, "payments") == "stripe":
        key, secrets = settings.stripe_secret_key, settings.stripe_webhook_secret
        wrong.extend(bad_stripe(key, secrets, live=settings.stripe_live))


def _check_engine(
    settings: Settings, port: str, schemes: tuple[str, ...], service: str, wrong: list[str]
) -> None:
    name = f"HOMETRIP_{service.upper()}_{port.upper()}_URL".replace("__", "_")
    url = settings.engine(port, service)
    scheme = urlsplit(url).scheme
    if scheme not in schemes:
        shown = f"{scheme}:" if scheme else repr(url)
        wrong.append(f"{name}: {shown} is not one of {', '.join(f'{known}:' for known in schemes)}")
    elif scheme in IN_FOLDERS and not folder_of(url).parts:
        wrong.append(
            f"{name}: {url!r} names no folder, as {scheme}:///{port} or {scheme}:////var/{port} does"
        )


def _bad_own(settings: Settings) -> list[str]:
    """What a service itself does not take."""
    from hometrip.app.rooms import settings_kind

    bad = []
    for service in settings.own:
        kind = settings_kind(service)
        for name, value in settings.own[service].items():
            if kind is None or name not in kind.__struct_fields__:
                continue
            try:
                msgspec.convert({name: value}, kind, strict=False)
            except msgspec.ValidationError as reason:
                bad.append(f"HOMETRIP_{service.upper()}_{name.upper()}: {value!r}: {reason}")
    return bad


def _scheme(settings: Settings, port: str) -> str:
    return urlsplit(settings.engine(port)).scheme
