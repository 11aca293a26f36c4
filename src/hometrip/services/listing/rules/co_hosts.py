"""Co-hosts: accounts that act for a home beside its host, and how many there can be."""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.errors import Conflict, Invalid
from hometrip.services.listing.rules.home import Home

MOST_CO_HOSTS, MOST_HOMES = 10, 1_000


class AlreadyCoHost(Conflict):
    """This account co-hosts the home already."""

    code = "already_co_host"


class TooManyCoHosts(Conflict):
    """The home has as many co-hosts as it can have, or the account co-hosts as many homes as it can.

    `most` is how many; `of` is home or account."""

    code = "too_many_co_hosts"


def known(account_id: UUID | None) -> UUID:
    """The account of an address. `Invalid` where no open account has verified it: whether there is one that
    waits for that is not told."""
    if account_id is None:
        told = "nobody has verified this address here; ask them for the one that they sign in with"
        raise Invalid.field("email", "no_such_account", told)
    return account_id


def must_be_admitted(home: Home, account_id: UUID, homes: int) -> None:
    """As a co-host of this home; `homes` is how many the account co-hosts by now."""
    if account_id == home.host_id:
        raise Invalid.field("email", "own_address", "you are the host of this home")
    if account_id in home.co_hosts:
        raise AlreadyCoHost
    if len(home.co_hosts) >= MOST_CO_HOSTS:
        raise TooManyCoHosts(f"A home has {MOST_CO_HOSTS} co-hosts at most.", most=MOST_CO_HOSTS, of="home")
    if homes >= MOST_HOMES:
        raise TooManyCoHosts(
            f"An account co-hosts {MOST_HOMES:,} homes at most.", most=MOST_HOMES, of="account"
        )
