"""The routes of payments: request records and handlers of a few lines."""

from typing import Any

from hometrip.services.payment.api import accounts, deposits, disputes, papers, paying

ROUTES: list[Any] = [*paying.ROUTES, *papers.ROUTES, *accounts.ROUTES, *deposits.ROUTES, *disputes.ROUTES]
