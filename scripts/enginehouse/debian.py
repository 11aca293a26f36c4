"""Engines that come as Debian's packages: run as their own users, from our folders, not as the system's."""

from __future__ import annotations

import base64
import shutil
import signal
from pathlib import Path

from places import Place
from recipe import Recipe, fetch, run, talk, write

CONNECTIONS = 300
# Nodes of a cluster would talk to each other: on loopback too.
ERLANG = "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false"


class Postgres(Recipe):
    name = "postgres"
    purpose = "PostgreSQL: databases, and documents as JSONB"
    user = "postgres"
    stop_signal = signal.SIGINT  # ends sessions instead of waiting for them

    def packages(self) -> tuple[str, ...]:
        return ("postgresql",)

    def installed(self) -> bool:
        return self._programs() is not None

    def prepare(self, place: Place) -> None:
        if (place.folder / "made").exists():
            return
        shutil.rmtree(place.folder / "data", ignore_errors=True)
        write(self, place.folder / "password", place.secret)
        told = "--username=hometrip --encoding=UTF8 --locale=C.UTF-8 --auth=scram-sha-256 --data-checksums"
        run(self, place, self._program("initdb"), "-D", "data", "--pwfile=password", *told.split())
        (place.folder / "made").touch()

    def command(self, place: Place) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(place.folder),
            "max_connections": str(CONNECTIONS),
            "shared_buffers": "256MB",
            "log_min_messages": "fatal",
        }
        told = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [self._program("postgres"), "-D", str(place.folder / "data"), "-p", str(place.port), *told]

    def answers(self, place: Place) -> bool:
        run(self, place, self._program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(place.port))
        return True

    def finish(self, place: Place) -> None:
        """The database that the url names, so that one can connect and make others."""
        if (place.folder / "finished").exists():
            return
        told = ("-h", "127.0.0.1", "-p", str(place.port), "-U", "hometrip")
        run(self, place, self._program("createdb"), *told, "hometrip", PGPASSWORD=place.secret)
        (place.folder / "finished").touch()

    def settings(self, place: Place) -> dict[str, str]:
        url = f"postgresql://hometrip:{place.secret}@127.0.0.1:{place.port}/hometrip"
        return {"HOMETRIP_DATABASE_URL": url, "HOMETRIP_DOCUMENTS_URL": url}

    def _programs(self) -> Path | None:
        """Debian keeps every version's programs apart; the newest one is used."""
        found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
        return max((file.parent for file in found), key=lambda path: int(path.parent.name), default=None)

    def _program(self, name: str) -> str:
        programs = self._programs()
        assert programs
        return str(programs / name)


class Redis(Recipe):
    name = "redis"
    purpose = "Redis: cache, limits, one-time codes, revocations"
    user = "redis"

    def packages(self) -> tuple[str, ...]:
        return ("redis-server",)

    def installed(self) -> bool:
        return bool(shutil.which("redis-server"))

    def prepare(self, place: Place) -> None:
        lines = (
            "bind 127.0.0.1",
            f"port {place.port}",
            f"dir {place.folder}",
            f"requirepass {place.secret}",
            "appendonly yes",
            "save 300 100",
            "maxmemory 512mb",
            "maxmemory-policy noeviction",
        )
        write(self, place.folder / "redis.conf", "\n".join(lines) + "\n")

    def command(self, place: Place) -> list[str]:
        return ["redis-server", str(place.folder / "redis.conf")]

    def answers(self, place: Place) -> bool:
        said = f"AUTH {place.secret}\r\nPING\r\n".encode()
        return talk(place.port, said, at_least=len(b"+OK\r\n+PONG")).startswith(b"+OK\r\n+PONG")

    def settings(self, place: Place) -> dict[str, str]:
        return {"HOMETRIP_CACHE_URL": f"redis://:{place.secret}@127.0.0.1:{place.port}/0"}


class RabbitMQ(Recipe):
    name = "rabbitmq"
    purpose = "RabbitMQ with its management API: the bus"
    user = "rabbitmq"
    ports = ("main", "management", "nodes", "names")
    patience = 90
    stop_patience = 30

    def packages(self) -> tuple[str, ...]:
        return ("rabbitmq-server",)

    def installed(self) -> bool:
        return Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists()

    def prepare(self, place: Place) -> None:
        lines = (
            f"listeners.tcp.local = 127.0.0.1:{place.port}",
            "management.tcp.ip = 127.0.0.1",
            f"management.tcp.port = {place.ports['management']}",
            "default_user = hometrip",
            f"default_pass = {place.secret}",
            "default_vhost = hometrip",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
        )
        write(self, place.folder / "rabbitmq.conf", "\n".join(lines) + "\n")
        write(self, place.folder / "enabled_plugins", "[rabbitmq_management].\n")

    def command(self, place: Place) -> list[str]:
        # Erlang's name server would otherwise be started apart, for good, and listen on every address.
        names = f"epmd -port {place.ports['names']} -address 127.0.0.1"
        return ["/bin/sh", "-c", f"{names} & exec /usr/lib/rabbitmq/bin/rabbitmq-server"]

    def environment(self, place: Place) -> dict[str, str]:
        return {
            "ERL_EPMD_PORT": str(place.ports["names"]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"hometrip-{place.port}@localhost",
            "RABBITMQ_DIST_PORT": str(place.ports["nodes"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(place.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(place.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(place.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(place.folder),
        }

    def answers(self, place: Place) -> bool:
        fetch(place.ports["management"], "/api/overview", headers=self._as_us(place))
        return talk(place.port, b"AMQP\0\0\x09\x01").startswith(b"\x01")  # Connection.Start: a method's frame

    def settings(self, place: Place) -> dict[str, str]:
        who = f"hometrip:{place.secret}@127.0.0.1"
        return {
            "HOMETRIP_BUS_URL": f"amqp://{who}:{place.port}/hometrip",
            "HOMETRIP_TEST_RABBITMQ_MANAGEMENT_URL": f"http://{who}:{place.ports['management']}",
        }

    def _as_us(self, place: Place) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"hometrip:{place.secret}".encode()).decode()}


class Nginx(Recipe):
    """A program that tests run themselves, each with the configuration that it looks at."""

    name = "nginx"
    purpose = "nginx: in front of the gateway, and its rival; a program, started by those who use it"
    ports = ()

    def packages(self) -> tuple[str, ...]:
        return ("nginx",)

    def installed(self) -> bool:
        return self.program().exists()

    def program(self) -> Path:
        return Path(shutil.which("nginx") or "/usr/sbin/nginx")
