"""Settings: environment variables `HOMETRIP_…` over `hometrip.toml` over defaults. All that is wrong is
named at once.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hometrip.kernel.service import Settings as ServiceSettings

SERVICES = ("auth", "user", "listing", "booking", "payment", "search", "notification")

# The engines that each port can be put on, by the scheme of its url.
ENGINES = {
    "database": ("sqlite",),
    "documents": ("sqlite",),
    "bus": ("memory",),
    "cache": ("memory",),
    "search": ("tantivy",),
    "blobs": ("file",),
    "registry": ("static",),
    "payments": ("sandbox",),
    "courier": ("folder",),
    "geocoder": ("gazetteer",),
    "traces": ("none",),
}


# Read elsewhere, not settings of the house: where the file is, and what a build stamps into itself.
_NOT_SETTINGS = frozenset({"HOMETRIP_CONFIG", "HOMETRIP_BUILD_COMMIT"})


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
    courier_url: str
    geocoder_url: str = "gazetteer:"
    traces_url: str = "none:"
    own: dict[str, dict[str, str]] = {}

    @property
    def url(self) -> str:
        return self.public_url or f"http://{self.host}:{self.port}"

    def engine(self, port: str, service: str = "") -> str:
        """The url of a port's engine; a service's own value wins."""
        own = self.own.get(service, {}).get(f"{port}_url")
        return own or str(getattr(self, f"{port}_url"))

    def of_service(self, service: str, kind: type[ServiceSettings]) -> Any:
        """The service's own settings, from `HOMETRIP_<SERVICE>_<FIELD>`."""
        fields = kind.__struct_fields__
        given = {name: value for name, value in self.own.get(service, {}).items() if name in fields}
        if "public_url" in fields:
            given.setdefault("public_url", self.url)
        return msgspec.convert(given, kind, strict=False)


def folder_of(url: str) -> Path:
    """The path in `sqlite:///relative` or `sqlite:////absolute`."""
    return Path(urlsplit(url).path.removeprefix("/"))


def load(
    environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None, file: Path | None = None
) -> Settings:
    """Raises `BadSettings` with everything that is wrong. `overrides` (the command line's) win over all."""
    wrong: list[str] = []
    file = file or Path(environment.get("HOMETRIP_CONFIG", "hometrip.toml"))
    values = _from_file(file, wrong)
    for name, value in environment.items():
        if (
            name.startswith("HOMETRIP_")
            and name != "HOMETRIP_CONFIG"
            and not name.startswith("HOMETRIP_TEST_")
        ):
            _put(values, name.removeprefix("HOMETRIP_").lower(), value, name, wrong)
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    own = values.pop("own", {})
    data = Path(str(values.pop("data", "var"))).absolute()
    filled = _defaults(data) | {name: _typed(name, value, wrong) for name, value in values.items()}
    if wrong:
        raise BadSettings(wrong)
    settings = Settings(data=data, own=own, **filled)
    settings = _with_sandbox(settings, "sandbox" in values, wrong)
    _check(settings, wrong)
    if wrong:
        raise BadSettings(wrong)
    return settings


def _from_file(file: Path, wrong: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if not file.exists():
        return values
    try:
        written = tomllib.loads(file.read_text())
    except (OSError, tomllib.TOMLDecodeError) as reason:
        wrong.append(f"{file}: cannot be read: {reason}")
        return values
    for name, value in written.items():
        if isinstance(value, dict):
            for key, part in value.items():
                _put(values, f"{name}_{key}", part, f"{file}: [{name}] {key}", wrong)
        else:
            _put(values, name, value, f"{file}: {name}", wrong)
    return values


def _put(values: dict[str, Any], name: str, value: Any, shown: str, wrong: list[str]) -> None:
    known = [field for field in Settings.__struct_fields__ if field != "own"]
    service, _, rest = name.partition("_")
    if name in known:
        values[name] = value
    elif service in SERVICES and rest in _of_service(service):
        values.setdefault("own", {}).setdefault(service, {})[rest] = value
    else:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean HOMETRIP_{near[0].upper()}?" if near else ""
        wrong.append(f"{shown}: there is no such setting{hint}")


def _of_service(service: str) -> list[str]:
    from hometrip.app.rooms import settings_kind  # wiring knows the services; this is its only use here

    kind = settings_kind(service)
    ports = [f"{port}_url" for port in ENGINES]
    return [*ports, *(kind.__struct_fields__ if kind else ())]


def _defaults(data: Path) -> dict[str, Any]:
    return {
        "database_url": f"sqlite:///{data}/databases",
        "documents_url": f"sqlite:///{data}/databases",
        "search_url": f"tantivy:///{data}/search",
        "blobs_url": f"file:///{data}/files",
        "courier_url": f"folder:///{data}/mail",
    }


_ON = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}


def _typed(name: str, value: Any, wrong: list[str]) -> Any:
    kinds: dict[type, tuple[Callable[[Any], Any], str]] = {
        bool: (lambda given: given if isinstance(given, bool) else _ON[str(given).lower()], "on or off"),
        int: (int, "a whole number"),
        float: (float, "a number"),
        tuple: (lambda given: tuple(given.split(",") if isinstance(given, str) else given), "a list"),
        str: (str, "text"),
    }
    kind = type(getattr(Settings, name, "")) if name in _plain() else str
    convert, wanted = kinds[_plain().get(name, kind)]
    try:
        return convert(value)
    except (ValueError, KeyError):
        wrong.append(f"HOMETRIP_{name.upper()}: {value!r} is not {wanted}")
        return None


def _plain() -> dict[str, type]:
    """The type of each setting that is not text."""
    return {
        field.name: type(field.default)
        for field in msgspec.structs.fields(Settings)
        if field.default is not msgspec.NODEFAULT and field.name != "own"
    }


def _with_sandbox(settings: Settings, chosen: bool, wrong: list[str]) -> Settings:
    """On by itself when everything stays on this machine; refused, with the reason, where money or mail
    is real.
    """
    real = [
        port
        for port, inside in (("payments", "sandbox"), ("courier", "folder"))
        if _scheme(settings, port) != inside
    ]
    outside = not _is_loopback(settings.host)
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
    if not 0 <= settings.port <= 65535:
        wrong.append(f"HOMETRIP_PORT: {settings.port} is not a port (0 to 65535)")
    if not settings.limits and not settings.sandbox:
        wrong.append("HOMETRIP_LIMITS: can be off only with the sandbox on")
    if settings.log_level not in ("debug", "info", "warning", "error"):
        wrong.append(f"HOMETRIP_LOG_LEVEL: {settings.log_level!r} is not debug, info, warning or error")
    if settings.log_format not in ("text", "json"):
        wrong.append(f"HOMETRIP_LOG_FORMAT: {settings.log_format!r} is not text or json")
    for port, schemes in ENGINES.items():
        for service in ("", *SERVICES):
            name = f"HOMETRIP_{service.upper()}_{port.upper()}_URL".replace("__", "_")
            if service and f"{port}_url" not in settings.own.get(service, {}):
                continue
            scheme = urlsplit(settings.engine(port, service)).scheme
            if scheme not in schemes:
                shown = f"{scheme}:" if scheme else repr(settings.engine(port, service))
                wrong.append(f"{name}: {shown} is not one of {', '.join(f'{known}:' for known in schemes)}")
    wrong.extend(_bad_own(settings))


def _bad_own(settings: Settings) -> list[str]:
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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def environment() -> Mapping[str, str]:
    return os.environ
