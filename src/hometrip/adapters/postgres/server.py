"""Is the server fit for us: does it answer, is it new enough, is the database there, may we use it?"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from hometrip.adapters.postgres.pool import PATIENCE, Link, PostgresPool
from hometrip.adapters.postgres.refusals import ENGINE_ERRORS, place_of
from hometrip.ports.engine import Finding, Unfit

OLDEST = 13
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")
MIGRATE = "run `hometrip migrate`"
# Whoever creates the same database at the same time.
THERE_ALREADY = (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError)


async def examine(pool: PostgresPool, tables: Iterable[str] = ()) -> list[Finding]:
    """Reachable, version, rights (on `tables`, as far as they are there): until one makes the next
    pointless.
    """
    place = place_of(pool.url)
    try:
        link = await pool.connect()
    except ENGINE_ERRORS as reason:
        return [_unreachable(place, pool.url, reason)]
    try:
        found = [Finding("reachable", True, place), _version(link)]
        if found[-1].fine:
            found.append(await _rights(link, tables))
        return found
    finally:
        await link.close(timeout=PATIENCE)


def must_be_fit(findings: Iterable[Finding]) -> None:
    """`Unfit` with everything that is not fine, and what to do about it."""
    wrong = [finding for finding in findings if not finding.fine]
    if wrong:
        raise Unfit("; ".join(f"{one.detail}: {one.advice}" if one.advice else one.detail for one in wrong))


async def make_database(url: str) -> bool:
    """Create the url's database where it is missing; was it? `Unfit` where that is not allowed.

    Texts in it are ordered by code point, as on every other storage.
    """
    name = unquote(urlsplit(url).path.removeprefix("/"))
    pool = PostgresPool(url, size=1, name="hometrip migrate")
    try:
        await (await pool.connect()).close(timeout=PATIENCE)
        return False
    except asyncpg.InvalidCatalogNameError:
        pass
    except ENGINE_ERRORS as reason:
        must_be_fit([_unreachable(place_of(url), url, reason)])
    return await _create(_beside(url, "postgres"), name)


async def drop_database(url: str) -> None:
    """Drop the url's database, whoever is connected to it."""
    name = unquote(urlsplit(url).path.removeprefix("/"))
    link = await PostgresPool(_beside(url, "postgres"), size=1, name="hometrip").connect()
    try:
        await link.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
    finally:
        await link.close(timeout=PATIENCE)


def quoted(name: str) -> str:
    """As an identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


async def _create(url: str, name: str) -> bool:
    try:
        link = await PostgresPool(url, size=1, name="hometrip migrate").connect()
    except ENGINE_ERRORS as reason:
        must_be_fit([_unreachable(place_of(url), url, reason)])
        raise
    try:
        await link.execute(
            f"CREATE DATABASE {quoted(name)} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    except asyncpg.InsufficientPrivilegeError as reason:
        raise Unfit(
            f"there is no database {name}, and we may not create it: "
            f"create it, or `ALTER ROLE {urlsplit(url).username} CREATEDB`"
        ) from reason
    except THERE_ALREADY:
        return False
    finally:
        await link.close(timeout=PATIENCE)
    return True


def _beside(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _unreachable(place: str, url: str, reason: BaseException) -> Finding:
    """In our own words: the driver's may hold what is secret."""
    user = urlsplit(url).username or ""
    match reason:
        case asyncpg.InvalidCatalogNameError():
            told, advice = f"there is no database at {place}", MIGRATE
        case asyncpg.InvalidAuthorizationSpecificationError():  # also a wrong password
            told, advice = f"{place} does not let {user} in", "check account and password in the url"
        case asyncpg.InsufficientPrivilegeError():
            told = f"{user} may not connect to {place}"
            advice = f"GRANT CONNECT ON DATABASE … TO {user}"
        case asyncpg.TooManyConnectionsError():
            told, advice = f"{place} has no connection left", "raise max_connections, or lower the pools"
        case asyncpg.CannotConnectNowError():
            told, advice = f"{place} is starting or stopping", "try again in a moment"
        case _:
            told, advice = f"{place} does not answer", "is PostgreSQL running there?"
    return Finding("reachable", False, told, advice)


def _version(link: Link) -> Finding:
    version = link.get_server_version()
    told = f"PostgreSQL {version.major}.{version.minor}"
    fine = version.major >= OLDEST
    return Finding(
        "version", fine, told if fine else f"{told} is too old", "" if fine else f"use {OLDEST} or newer"
    )


async def _rights(link: Link, tables: Iterable[str]) -> Finding:
    user = await link.fetchval("SELECT current_user")
    if await link.fetchval("SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"):
        return Finding("rights", False, "the server takes no writes", "use the url of the primary server")
    missing = [
        f"{row['verb']} ON {row['table']}"
        for row in await link.fetch(
            "SELECT t AS table, v AS verb FROM unnest($1::text[]) t, unnest($2::text[]) v "
            "WHERE to_regclass(quote_ident(t)) IS NOT NULL AND NOT has_table_privilege(quote_ident(t), v)",
            sorted(tables),
            list(VERBS),
        )
    ]
    if missing:
        grants = "; ".join(f"GRANT {right} TO {user}" for right in missing)
        return Finding("rights", False, f"{user} lacks {', '.join(missing)}", grants)
    return Finding("rights", True, f"{user} may read and write")


async def may_create(link: Link) -> Finding:
    """May we make tables here? Whoever migrates needs that, others do not."""
    if await link.fetchval("SELECT has_schema_privilege(current_schema(), 'CREATE')"):
        return Finding("rights", True, "we may create tables")
    user, schema, name = await link.fetchrow("SELECT current_user, current_schema(), current_database()")
    grant = f"GRANT CREATE, USAGE ON SCHEMA {quoted(schema or 'public')} TO {user}"
    return Finding("rights", False, f"{user} may not create tables in {name}", grant)


async def missing_tables(link: Link, tables: Iterable[str]) -> list[str]:
    rows = await link.fetch(
        "SELECT t FROM unnest($1::text[]) t WHERE to_regclass(quote_ident(t)) IS NULL", sorted(tables)
    )
    return [row["t"] for row in rows]
