"""The routes of auth."""

from typing import Annotated, Any
from uuid import UUID

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from hometrip.kernel.access import PUBLIC, USER, Caller
from hometrip.kernel.page import Page
from hometrip.kernel.wire import Done, Request
from hometrip.services.auth import actions
from hometrip.services.auth.actions import Deps, Me, SessionShown, Tokens

EmailText = Annotated[str, Meta(min_length=3, max_length=254)]
PasswordText = Annotated[str, Meta(max_length=256)]
TokenText = Annotated[str, Meta(max_length=512)]

VERIFICATION_SENT = Done(status="verification_sent")
RESET_SENT = Done(status="reset_sent")
PASSWORD_CHANGED = Done(status="password_changed")


class SignUp(Request):
    """A password has at least 10 characters and is not a common one."""

    email: EmailText
    password: PasswordText
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    locale: Annotated[str, Meta(max_length=35)] = "en"


class MailTokenBody(Request):
    token: TokenText


class EmailBody(Request):
    email: EmailText


class Login(Request):
    email: EmailText
    password: PasswordText


class RefreshBody(Request):
    refresh_token: TokenText


class PasswordChange(Request):
    old_password: PasswordText
    new_password: PasswordText


class PasswordReset(Request):
    token: TokenText
    password: PasswordText


@post("/auth/signup", access=PUBLIC, limit="signup", status_code=202, summary="Sign up")
async def sign_up(data: JSONBody[SignUp], deps: NamedDependency[Deps]) -> Done:
    """Sends a mail to verify the address with. A known address gets the same answer."""
    await actions.sign_up(deps, email=data.email, password=data.password, name=data.name, locale=data.locale)
    return VERIFICATION_SENT


@post("/auth/verify-email", access=PUBLIC, status_code=200, summary="Verify an address")
async def verify_email(
    data: JSONBody[MailTokenBody], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Tokens:
    """The token of the mail's link, which works once; answers the first tokens."""
    return await actions.verify_email(deps, caller, data.token)


@post(
    "/auth/resend-verification",
    access=PUBLIC,
    limit="mail",
    status_code=202,
    summary="Send the verification mail again",
)
async def resend_verification(data: JSONBody[EmailBody], deps: NamedDependency[Deps]) -> Done:
    """The answer does not tell whether there is an account."""
    await actions.resend_verification(deps, data.email)
    return VERIFICATION_SENT


@post("/auth/login", access=PUBLIC, limit="login", status_code=200, summary="Sign in")
async def login(
    data: JSONBody[Login], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Tokens:
    return await actions.login(deps, caller, data.email, data.password)


@post("/auth/refresh", access=PUBLIC, status_code=200, summary="New tokens for a refresh token")
async def refresh(
    data: JSONBody[RefreshBody], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Tokens:
    """Each refresh token works once; one that is used again later ends its session."""
    return await actions.refresh(deps, caller, data.refresh_token)


@post("/auth/logout", access=USER, status_code=204, summary="End this session")
async def logout(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> None:
    await actions.logout(deps, caller)


@post("/auth/logout-all", access=USER, status_code=204, summary="End all sessions")
async def logout_all(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> None:
    await actions.logout_all(deps, caller)


@post("/auth/change-password", access=USER, limit="login", status_code=200, summary="Change the password")
async def change_password(
    data: JSONBody[PasswordChange], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> Done:
    """Ends the other sessions."""
    await actions.change_password(deps, caller, data.old_password, data.new_password)
    return PASSWORD_CHANGED


@post("/auth/forgot-password", access=PUBLIC, limit="mail", status_code=202, summary="Ask for a new password")
async def forgot_password(data: JSONBody[EmailBody], deps: NamedDependency[Deps]) -> Done:
    """The answer does not tell whether there is an account."""
    await actions.forgot_password(deps, data.email)
    return RESET_SENT


@post("/auth/reset-password", access=PUBLIC, limit="login", status_code=200, summary="Set a new password")
async def reset_password(data: JSONBody[PasswordReset], deps: NamedDependency[Deps]) -> Done:
    """The token of the mail's link, which works once within an hour; ends all sessions."""
    await actions.reset_password(deps, data.token, data.password)
    return PASSWORD_CHANGED


@get("/auth/me", access=USER, summary="The caller's account")
async def me(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> Me:
    return await actions.me(deps, caller)


@get("/auth/sessions", access=USER, summary="Where the account is signed in")
async def sessions(deps: NamedDependency[Deps], caller: NamedDependency[Caller]) -> Page[SessionShown]:
    return await actions.list_sessions(deps, caller)


@delete("/auth/sessions/{session_id:uuid}", access=USER, summary="End one session")
async def end_session(
    session_id: FromPath[UUID], deps: NamedDependency[Deps], caller: NamedDependency[Caller]
) -> None:
    await actions.end_session(deps, caller, session_id)


@get("/auth/.well-known/jwks.json", access=PUBLIC, summary="The keys that verify access tokens")
async def jwks(deps: NamedDependency[Deps]) -> dict[str, Any]:
    return await actions.public_keys(deps)


ROUTES: list[Any] = [
    sign_up,
    verify_email,
    resend_verification,
    login,
    refresh,
    logout,
    logout_all,
    change_password,
    forgot_password,
    reset_password,
    me,
    sessions,
    end_session,
    jwks,
]
