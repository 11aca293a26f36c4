"""What happens to accounts, told to their owners."""

from __future__ import annotations

from hometrip.services.auth import contract as auth
from hometrip.services.notification.actions.deps import Deps
from hometrip.services.notification.actions.telling import tell
from hometrip.services.notification.rules.facts import Facts


async def ask_to_verify_when_created(deps: Deps, event: auth.UserCreated) -> None:
    if not event.verified:
        await tell(deps, event, "verify_email", event.user_id, Facts())


async def ask_to_verify_when_requested(deps: Deps, event: auth.VerificationRequested) -> None:
    await tell(deps, event, "verify_email", event.user_id, Facts())


async def tell_owner_when_signup_repeated(deps: Deps, event: auth.SignupRepeated) -> None:
    await tell(deps, event, "signup_repeated", event.user_id, Facts())


async def send_link_when_reset_requested(deps: Deps, event: auth.PasswordResetRequested) -> None:
    await tell(deps, event, "password_reset", event.user_id, Facts(request_id=event.request_id))


async def tell_owner_when_password_changed(deps: Deps, event: auth.UserPasswordChanged) -> None:
    await tell(deps, event, "password_changed", event.user_id, Facts())


async def tell_owner_when_new_device(deps: Deps, event: auth.UserNewDevice) -> None:
    await tell(deps, event, "new_device", event.user_id, Facts(device=event.device, at=event.at))
