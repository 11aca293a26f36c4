"""The blob port on S3 and what speaks like it: an object for each key, in a bucket closed to strangers."""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from hometrip.kernel.errors import Unavailable
from hometrip.ports.blobs import Blob, media_type, safe_key
from hometrip.ports.engine import Finding, Unfit

T = TypeVar("T")

# A whole call, with what is tried again in it.
CALL_SECONDS = 20.0
READY_SECONDS = 2.0
LINK_SECONDS = 900
THREADS = 16
_AGAIN: Any = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=3),
    "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(milliseconds=500)},
}
# A key is never used again for another content.
_FOREVER = "public, max-age=31536000, immutable"


class S3Blobs:
    """Objects are private. `url` leads to this house, which hands them out itself or, by `link`, a leave to
    fetch one of them from the bucket for a while: addresses are kept in records, and a leave runs out.

    While the bucket is away, calls raise `Unavailable`: soon where it refuses, within `timeout` seconds where
    it is silent.
    """

    def __init__(self, url: str) -> None:
        """`s3://KEY:SECRET@host:port/bucket/prefix?region=…`, or `s3://bucket?region=…` for Amazon's own.

        Without a key the usual AWS_… variables are used, or the machine's role. `tls=off` speaks in the open,
        `ca=` names a file with the authorities to trust, `public=on` does not mind that strangers can list;
        both are so by themselves on loopback, where an emulator listens. `timeout=20` seconds for a call.
        """
        parts = urlsplit(url)
        told = dict(parse_qsl(parts.query))
        amazon = not parts.path.strip("/")
        bucket, _, prefix = (parts.hostname or "" if amazon else parts.path.strip("/")).partition("/")
        here = not amazon and _is_loopback(parts.hostname or "")
        secure = told.get("tls", "off" if here else "on") == "on"
        self._seconds = float(told.get("timeout", CALL_SECONDS))
        self._may_be_public = told.get("public", "on" if here else "off") == "on"
        self.where = f"the bucket {bucket}" + ("" if amazon else f" at {parts.hostname}:{parts.port or 443}")
        self._options: dict[str, Any] = {
            "prefix": prefix or None,
            "config": _config(told.get("region"), "" if amazon else _endpoint(parts, secure)),
            "client_options": {
                "allow_http": not secure,
                "connect_timeout": timedelta(seconds=self._seconds / 4),
                "timeout": timedelta(seconds=self._seconds / 2),
                **_trusting(told.get("ca")),
            },
            "retry_config": _AGAIN,
        }
        self._bucket = bucket
        # Not the driver's own asynchronous functions: where the process ends soon after one (obstore 0.12),
        # its threads reach for an interpreter that is gone, and abort. It happened 7 times in 30.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        keys = (unquote(parts.username or ""), unquote(parts.password or ""))
        self._store = S3Store(bucket, credential_provider=_Keys(*keys) if keys[0] else None, **self._options)

    # living

    async def open(self) -> None:
        if wrong := [finding for finding in await self.examine() if not finding.fine]:
            raise Unfit("; ".join(f"{each.detail}: {each.advice}" for each in wrong))

    async def examine(self) -> list[Finding]:
        try:
            await self.ready()
        except Unavailable as reason:
            advice = "create it and give the key s3:ListBucket there, or mend the url of the blobs"
            return [Finding("reachable", fine=False, detail=reason.detail, advice=advice)]
        reachable = Finding("reachable", fine=True, detail=f"{self.where} answers")
        return [reachable, await self._rights(), await self._strangers()]

    async def _rights(self) -> Finding:
        key = f"examined/{uuid4()}"
        try:
            await self.put(key, b"", "text/plain")
            await self.get(key)
            await self.delete(key)
        except Unavailable as refusal:
            advice = "allow the key s3:PutObject, s3:GetObject and s3:DeleteObject in it"
            return Finding("rights", fine=False, detail=refusal.detail, advice=advice)
        return Finding("rights", fine=True, detail="objects can be put, got and deleted")

    async def _strangers(self) -> Finding:
        """Whether somebody without a key is refused, as he should be."""
        stranger = S3Store(self._bucket, **(self._options | {"config": self._options["config"] | _NOBODY}))
        try:
            await self._call(lambda: obstore.list_with_delimiter(stranger))
        except Unavailable:
            return Finding("strangers", fine=True, detail=f"strangers cannot list {self.where}")
        detail = f"strangers can list {self.where}"
        advice = "" if self._may_be_public else "block public access to it, or say public=on"
        return Finding("strangers", fine=self._may_be_public, detail=detail, advice=advice)

    async def ready(self) -> None:
        await self._call(lambda: obstore.list_with_delimiter(self._store, "ready"), READY_SECONDS)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    # blobs

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        said: Any = {"Content-Type": media_type(content_type), "Cache-Control": _FOREVER}
        path = safe_key(key)
        await self._call(
            lambda: obstore.put(self._store, path, content, attributes=said, use_multipart=False)
        )

    async def get(self, key: str) -> Blob | None:
        path = safe_key(key)
        return await self._call(lambda: _get(self._store, path))

    async def delete(self, key: str) -> None:
        path = safe_key(key)
        await self._call(lambda: _delete(self._store, path))

    async def every_key(self) -> AsyncIterator[str]:
        pages: Iterator[Any] = iter(obstore.list(self._store))
        while found := await self._call(lambda: next(pages, None)):
            for one in found:
                yield one["path"]

    def url(self, key: str) -> str:
        return f"/files/{safe_key(key)}"

    async def link(self, key: str, seconds: int = LINK_SECONDS) -> str:
        """Where this one object can be fetched by whoever has the link, for so many seconds."""
        path, until = safe_key(key), timedelta(seconds=seconds)
        return await self._call(lambda: obstore.sign(self._store, "GET", path, until))

    async def _call(self, asked: Callable[[], T], seconds: float = math.inf) -> T:
        try:
            async with asyncio.timeout(min(seconds, self._seconds)):
                return await asyncio.get_running_loop().run_in_executor(self._threads, asked)
        except (PermissionDeniedError, UnauthenticatedError) as refusal:
            raise Unavailable(f"{self.where} refuses our key") from refusal
        except (BaseError, OSError, TimeoutError) as reason:
            if "NoSuchBucket" in str(reason):
                raise Unavailable(f"{self.where} is not there") from reason
            # The driver's own words hold addresses and headers, which are nobody's business.
            raise Unavailable(f"{self.where} does not answer ({type(reason).__name__})") from reason


def _get(store: S3Store, key: str) -> Blob | None:
    try:
        found = obstore.get(store, key)
    except FileNotFoundError:
        return None
    return Blob(bytes(found.bytes()), found.attributes.get("Content-Type", "application/octet-stream"))


def _delete(store: S3Store, key: str) -> None:
    try:
        obstore.delete(store, key)
    except FileNotFoundError:
        return  # gone already


class _Keys:
    """The key in the url, and not also parts of another that the environment may hold."""

    def __init__(self, id_: str, secret: str) -> None:
        self._key: Any = {
            "access_key_id": id_,
            "secret_access_key": secret,
            "token": None,
            "expires_at": None,
        }

    def __call__(self) -> Any:
        return self._key


_NOBODY = {"skip_signature": True}


def _config(region: str | None, endpoint: str) -> dict[str, Any]:
    told = {"region": region or ("us-east-1" if endpoint else None), "endpoint": endpoint or None}
    return {
        **{name: value for name, value in told.items() if value},
        "skip_signature": False,
        # Not every S3 can delete many at once, and we never do.
        "disable_bulk_delete": True,
        "virtual_hosted_style_request": not endpoint,
    }


def _endpoint(parts: Any, secure: bool) -> str:
    return f"{'https' if secure else 'http'}://{parts.netloc.rpartition('@')[2]}"


def _trusting(file: str | None) -> dict[str, Any]:
    return {"root_certificate": Path(file).read_bytes()} if file else {}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
