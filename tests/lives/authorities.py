"""Taxes in simulated lives, which staff write anew: what was agreed on before stays as it was."""

from __future__ import annotations

from dataclasses import replace

from journeys.steps import ok
from lives.town import Place, a_tax
from lives.world import World

MOST = 4


async def tax_anew(world: World) -> str | None:
    home = world.chance.choice(world.homes)
    place, rules, ids = home.place, home.taxes, world.tax_ids[home.place.area]
    kind = world.chance.choice(("added", "written anew", "deleted", "switched"))
    if kind == "added" and len(rules) < MOST:
        tax = a_tax(world.chance, place, world.today)
        ids.append(ok(await world.staff.post("/api/listings/taxes", tax.body(place)), 201)["id"])
        rules.append(tax)
    elif kind == "switched":
        await _switch(world, place)
    elif not rules:
        return None
    else:
        at = world.chance.randrange(len(rules))
        path = f"/api/listings/taxes/{ids[at]}"
        if kind == "deleted":
            ok(await world.staff.delete(path), 204)
            del rules[at], ids[at]
        else:
            rules[at] = a_tax(world.chance, place, world.today)
            ok(await world.staff.put(path, rules[at].body(place)))
    await world.settle()
    return f"a tax of {place.area} is {kind}: {rules}"


async def _switch(world: World, place: Place) -> None:
    """All of a town are off, or on again."""
    [rules, *_] = [home.taxes for home in world.homes if home.place == place]
    enabled = not all(rule.enabled for rule in rules)
    body = {"area": place.area_body, "enabled": enabled}
    ok(await world.staff.post("/api/listings/taxes/switch", body))
    rules[:] = [replace(rule, enabled=enabled) for rule in rules]
