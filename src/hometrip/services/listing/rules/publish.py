"""What a home must have before guests may see it."""

from __future__ import annotations

from hometrip.kernel.errors import FieldError, Invalid
from hometrip.services.listing.rules.home import Home


class NotComplete(Invalid):
    """The home cannot be published yet; `errors` names each thing that is missing."""

    code = "listing_incomplete"


def must_be_complete(home: Home) -> None:
    """`NotComplete`, naming everything at once. Photos are welcome, not needed."""
    wanted = {
        "title": home.title,
        "description": home.description,
        "structure": home.structure,
        "type": home.type,
        "guests": home.guests,
        "address.city": home.address.city,
        "address.country": home.address.country,
        "location": home.location,
        "pricing.base": home.pricing and home.pricing.base,
    }
    missing = [FieldError(name, "missing", f"{name} is missing") for name, has in wanted.items() if not has]
    if missing:
        names = ", ".join(error.field for error in missing)
        raise NotComplete(f"Before it can be published, the home needs: {names}.", errors=missing)
