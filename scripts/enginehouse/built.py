"""Engines that are built from the sources of Go modules."""

from __future__ import annotations

import json
from pathlib import Path

from got import HERE, from_go, keep, kept
from places import Place
from recipe import Recipe, fetch, write


class Built(Recipe):
    """A program of one Go module, `go/NAME/`; `package` is its main."""

    package: str = "."

    def installed(self) -> bool:
        return self.program().exists()

    def get(self) -> None:
        keep(self._folder(), lambda folder: from_go(self.name, self.package, folder))

    def program(self) -> Path:
        return self._folder() / self.name

    def _folder(self) -> Path:
        return kept(self.name, sorted(path for path in (HERE / "go" / self.name).iterdir() if path.is_file()))


class Consul(Built):
    name = "consul"
    purpose = "Consul 1.20, the agent: who runs where, and settings in its key-value store"
    ports = ("main", "server", "members")

    def prepare(self, place: Place) -> None:
        """A server of its own that keeps its data, not the agent's -dev, which forgets."""
        told = {
            "server": True,
            "bootstrap_expect": 1,
            "node_name": "hometrip",
            "data_dir": str(place.folder / "data"),
            "bind_addr": "127.0.0.1",
            "client_addr": "127.0.0.1",
            "ports": {
                "http": place.port,
                "server": place.ports["server"],
                "serf_lan": place.ports["members"],
                **dict.fromkeys(("serf_wan", "dns", "grpc", "grpc_tls", "https"), -1),
            },
            "performance": {"raft_multiplier": 1},
            "disable_update_check": True,
            "log_level": "warn",
        }
        write(self, place.folder / "consul.json", json.dumps(told, indent=2))

    def command(self, place: Place) -> list[str]:
        return [str(self.program()), f"-config-file={place.folder / 'consul.json'}"]

    def answers(self, place: Place) -> bool:
        """Not before it has elected itself and registered: until then it refuses to write."""
        return len(json.loads(fetch(place.port, "/v1/catalog/nodes?consistent"))) > 0

    def settings(self, place: Place) -> dict[str, str]:
        return {"HOMETRIP_REGISTRY_URL": f"consul://127.0.0.1:{place.port}/hometrip"}


class Jaeger(Built):
    name = "jaeger"
    purpose = "Jaeger 1.62, all in one: where traces are sent and looked up; forgets them when it stops"
    package = "github.com/jaegertracing/jaeger/cmd/all-in-one"
    # Every port that it opens by itself, so that none is a usual one and none is open to others.
    ports = (
        "main",
        "query",
        "otlp",
        "grpc",
        "spans",
        "asking",
        "admin",
        "sampling",
        "binary",
        "compact",
        "old",
    )

    def command(self, place: Place) -> list[str]:
        flags = {
            "collector.otlp.http.host-port": "main",
            "query.http-server.host-port": "query",
            "collector.otlp.grpc.host-port": "otlp",
            "collector.grpc-server.host-port": "grpc",
            "collector.http-server.host-port": "spans",
            "query.grpc-server.host-port": "asking",
            "admin.http.host-port": "admin",
            "http-server.host-port": "sampling",
            "processor.jaeger-binary.server-host-port": "binary",
            "processor.jaeger-compact.server-host-port": "compact",
            "processor.zipkin-compact.server-host-port": "old",
        }
        addresses = [f"--{flag}=127.0.0.1:{place.ports[port]}" for flag, port in flags.items()]
        return [str(self.program()), "--log-level=warn", "--memory.max-traces=20000", *addresses]

    def environment(self, place: Place) -> dict[str, str]:
        return {"SPAN_STORAGE_TYPE": "memory"}

    def answers(self, place: Place) -> bool:
        fetch(place.ports["admin"], "/")
        return b"data" in fetch(place.ports["query"], "/api/services")

    def settings(self, place: Place) -> dict[str, str]:
        return {
            "HOMETRIP_TRACES_URL": f"otlp://127.0.0.1:{place.port}",
            "HOMETRIP_TEST_JAEGER_URL": f"http://127.0.0.1:{place.ports['query']}",
        }


class StripeMock(Built):
    name = "stripe"
    purpose = (
        "stripe-mock 0.203: Stripe's own description of its API as a server; judges requests, remembers none"
    )
    package = "github.com/stripe/stripe-mock"
    ports = ("main", "secure")

    def command(self, place: Place) -> list[str]:
        """Without being told where, it would speak TLS to everybody."""
        http, https = (f"127.0.0.1:{place.ports[name]}" for name in self.ports)
        return [str(self.program()), "-http-addr", http, "-https-addr", https]

    def answers(self, place: Place) -> bool:
        return b"object" in fetch(
            place.port, "/v1/customers", headers={"Authorization": "Bearer sk_test_123"}
        )

    def settings(self, place: Place) -> dict[str, str]:
        return {"HOMETRIP_TEST_STRIPE_URL": f"http://127.0.0.1:{place.port}"}


class Toxiproxy(Built):
    name = "toxiproxy"
    purpose = "toxiproxy 2.5: makes the way to an engine slow, narrow or broken; tests name their own proxies"
    package = "github.com/Shopify/toxiproxy/v2/cmd/server"

    def command(self, place: Place) -> list[str]:
        return [str(self.program()), "-host", "127.0.0.1", "-port", str(place.port)]

    def answers(self, place: Place) -> bool:
        return fetch(place.port, "/proxies").startswith(b"{")

    def environment(self, place: Place) -> dict[str, str]:
        return {"LOG_LEVEL": "warn"}

    def settings(self, place: Place) -> dict[str, str]:
        return {"HOMETRIP_TEST_TOXIPROXY_URL": f"http://127.0.0.1:{place.port}"}
