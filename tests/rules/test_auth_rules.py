"""What auth decides from values alone: addresses, names, devices, passwords, and the tokens of mails."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hometrip.kernel.clock import utc
from hometrip.kernel.errors import Invalid
from hometrip.kernel.texts import visible
from hometrip.services.auth.contract import RESET_PASSWORD, VERIFY_EMAIL, BadToken, WeakPassword
from hometrip.services.auth.rules import devices, emails, mail_tokens, names, passwords, refresh_tokens
from hometrip.services.auth.rules.mail_tokens import MailToken
from hometrip.services.auth.rules.refresh_tokens import GRACE, Kept, Use

NOW = utc(2027, 4, 14, 9)
SECRET = bytes(range(32))
ANN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.0 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 "
    "Safari/537.36 Edg/140.0"
)


# addresses


@pytest.mark.parametrize(
    ("given_address", "kept"),
    [
        ("ann@example.com", "ann@example.com"),
        ("  Ann.Archer+trips@Example.COM ", "Ann.Archer+trips@example.com"),
        ("o'neil@sub.example.co.uk", "o'neil@sub.example.co.uk"),
        ("jürgen@müller.example", "jürgen@müller.example"),
    ],
)
def test_an_address_is_trimmed_and_its_domain_written_small(given_address: str, kept: str) -> None:
    assert emails.normalised(given_address) == kept


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@localhost",
        "ann@example..com",
        "ann@-example.com",
        "a b@example.com",
        "ann@exam ple.com",
        "ann@example.com\r\nBcc: all@example.com",
        "ann\n@example.com",
        "ann@example.com,bob@example.com",
        "Ann <ann@example.com>",
        '"ann"@example.com',
        "ann@[127.0.0.1]",
        "ann@127.0.0.1",
        ".ann@example.com",
        "ann.@example.com",
        "an..n@example.com",
        "ann@@example.com",
        "ann\x00@example.com",
        "ann\u2028@example.com",
        "a" * 65 + "@example.com",
        "ann@" + ".".join(["a" * 60] * 5) + ".com",
        "ann@" + "a" * 64 + ".com",
    ],
)
def test_what_is_no_address_or_could_be_two_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid):
        emails.normalised(wrong)


def test_letters_of_both_cases_are_one_address() -> None:
    assert emails.key("Ann@example.com") == emails.key("aNN@example.com")


@given(st.text(max_size=80))
def test_no_accepted_address_can_end_a_header_line(text: str) -> None:
    try:
        address = emails.normalised(text)
    except Invalid:
        return
    assert address.isprintable()
    assert not set(address) & set(' \t\r\n<>,;:"()[]\\')
    assert emails.normalised(address) == address


# names and languages


@given(st.text(max_size=120))
def test_a_name_is_one_visible_line_or_refused(text: str) -> None:
    try:
        name = names.display_name(text)
    except Invalid:
        return
    assert 1 <= len(name) <= names.LONGEST
    assert not {unicodedata.category(letter) for letter in name} & {"Cc", "Cs", "Zl", "Zp"}
    assert name == " ".join(name.split()) == visible(name)


def test_a_name_keeps_what_its_script_needs() -> None:
    assert names.display_name("\u202eعلی\u200cرضا\u202c\u200b  Reza") == "علی\u200cرضا Reza"


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [("fr", "fr"), ("de-AT", "de"), ("ES_mx", "es"), ("pt-BR", "en"), ("", "en"), ("x" * 30, "en")],
)
def test_the_nearest_language_of_the_house_is_spoken(asked: str, spoken: str) -> None:
    assert names.locale(asked) == spoken


# devices


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (SAFARI, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("", "Unknown device"),
        ("\x00\x01", "Unknown device"),
    ],
)
def test_a_device_is_described_as_its_owner_would(agent: str, words: str) -> None:
    assert devices.describe(agent) == words


def test_an_update_of_a_browser_is_not_another_device() -> None:
    assert devices.family_mark(FIREFOX) == devices.family_mark(FIREFOX.replace("140", "141"))
    assert devices.family_mark(FIREFOX) != devices.family_mark(SAFARI)


def test_a_place_is_a_device_at_an_address() -> None:
    assert devices.place_mark(FIREFOX, "10.0.0.1") != devices.place_mark(FIREFOX, "10.0.0.2")
    assert devices.place_mark(FIREFOX, "10.0.0.1") != devices.place_mark(SAFARI, "10.0.0.1")


@given(st.text(max_size=300))
def test_any_user_agent_is_described_briefly(agent: str) -> None:
    words = devices.describe(agent)
    assert 0 < len(words) <= 80
    assert words.isprintable()


# passwords


COMMON_ONES = """
password123 Password123! P@ssw0rd2024 passw0rd1234 1234567890 0123456789 0987654321 12345678910 11111111112
qwertyuiop qwertzuiop azertyuiop asdfghjkl; 1q2w3e4r5t q1w2e3r4t5 1qaz2wsx3edc qazwsxedcrfv 147258369
qwerty1234 qwerty12345 123qweasdzxc abcdefghij aaaaaaaaaa abcabcabcabc 123123123123 iloveyou123 letmein123!
welcome2024 adminadmin admin12345 dragon12345 monkeymonkey Passwordpassword trustno1trustno1 Summer2024!
princess123 123456789a motdepasse1 passwort123 contraseña1 ichliebedich tequieromucho manchesterunited
Liverpool1! change-me-1
""".split()


@pytest.mark.parametrize("password", [word for word in COMMON_ONES if len(word) >= passwords.SHORTEST])
def test_a_common_password_is_refused_however_it_is_dressed(password: str) -> None:
    with pytest.raises(WeakPassword) as refusal:
        passwords.check(password)
    assert refusal.value.facts["errors"][0]["code"] == "too_common"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "blue kettle 71 river",
        "Tr0ub4dor&3xyz",
        "secret-garden-77",
        "kR7#mq!vZ2pd",
        "Zwölf Boxkämpfer",
        "längst vorbei?",
    ],
)
def test_a_password_of_ones_own_is_accepted(password: str) -> None:
    passwords.check(password, "ann", "ann@example.com", "Ann Archer")


@pytest.mark.parametrize(("password", "code"), [("short", "too_short"), ("x7" * 129, "too_long")])
def test_a_password_has_ten_to_256_characters(password: str, code: str) -> None:
    with pytest.raises(WeakPassword) as refusal:
        passwords.check(password)
    assert refusal.value.facts["errors"][0] == {
        "field": "password",
        "code": code,
        "detail": refusal.value.detail,
    }


@pytest.mark.parametrize(
    "password", ["annarcher1", "Ann Archer 99", "ann.archer@x7", "ARCHER-ann".swapcase()]
)
def test_a_password_is_not_ones_name_or_address(password: str) -> None:
    own = ("ann.archer", "ann.archer@x", "Ann Archer", "archerann")
    with pytest.raises(WeakPassword):
        passwords.check(password, *own)


@given(st.text(min_size=1, max_size=4), st.integers(10, 256))
@example("000ß", 10)
def test_a_few_characters_said_again_and_again_are_refused(unit: str, length: int) -> None:
    with pytest.raises(WeakPassword):
        passwords.check((unit * length)[:length])


@given(st.text(max_size=300))
def test_any_text_is_either_accepted_or_named_weak(text: str) -> None:
    accepted, codes = True, []
    try:
        passwords.check(text, "ann")
    except WeakPassword as refusal:
        accepted, codes = False, [error["code"] for error in refusal.facts["errors"]]
    assert accepted == (not codes)
    assert set(codes) <= {"too_short", "too_long", "too_common"}
    assert not accepted or passwords.SHORTEST <= len(text) <= passwords.LONGEST


# tokens in mails


def token(purpose: str = VERIFY_EMAIL, seconds: int = 3600) -> str:
    wanted = MailToken(purpose, ANN, NOW + timedelta(seconds=seconds), bytes(16))
    return mail_tokens.sealed(SECRET, wanted)


def test_a_mail_token_tells_what_was_sealed() -> None:
    opened = mail_tokens.opened(SECRET, token(), VERIFY_EMAIL, NOW)
    assert (opened.account_id, opened.state, opened.purpose) == (ANN, bytes(16), VERIFY_EMAIL)


def test_a_mail_token_is_over_at_its_end() -> None:
    assert mail_tokens.opened(SECRET, token(), VERIFY_EMAIL, NOW + timedelta(seconds=3599))
    with pytest.raises(BadToken):
        mail_tokens.opened(SECRET, token(), VERIFY_EMAIL, NOW + timedelta(seconds=3600))


def test_a_mail_token_serves_its_own_purpose_only() -> None:
    with pytest.raises(BadToken):
        mail_tokens.opened(SECRET, token(RESET_PASSWORD), VERIFY_EMAIL, NOW)


def test_a_mail_token_of_another_secret_is_refused() -> None:
    with pytest.raises(BadToken):
        mail_tokens.opened(bytes(32), token(), VERIFY_EMAIL, NOW)


def test_a_mail_token_fits_into_a_link() -> None:
    assert len(token()) < 120
    assert set(token()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.integers(0, 10_000), st.characters())
def test_with_any_character_changed_a_mail_token_is_refused(where: int, other: str) -> None:
    good = token()
    where %= len(good)
    assume(good[where] != other)
    with pytest.raises(BadToken):
        mail_tokens.opened(SECRET, good[:where] + other + good[where + 1 :], VERIFY_EMAIL, NOW)


@given(st.text(max_size=200))
def test_no_text_is_taken_for_a_mail_token(text: str) -> None:
    with pytest.raises(BadToken):
        mail_tokens.opened(SECRET, text, VERIFY_EMAIL, NOW)


def test_another_password_is_another_sign_up() -> None:
    assert mail_tokens.sign_up_state("a") != mail_tokens.sign_up_state("b")


# refresh tokens


def kept(number: int, newest: int, used: int | None = None, ends: int = 100) -> Kept:
    used_at = None if used is None else NOW - timedelta(seconds=used)
    return Kept(number, newest, used_at, NOW + timedelta(seconds=ends))


@pytest.mark.parametrize(
    ("token_kept", "use"),
    [
        (kept(3, 3), Use.ROTATE),
        (kept(3, 3, ends=0), Use.EXPIRED),
        (kept(2, 3, used=0), Use.ANSWER_AGAIN),
        (kept(2, 3, used=9), Use.ANSWER_AGAIN),
        (kept(2, 3, used=10), Use.STOLEN),
        (kept(1, 3, used=1), Use.STOLEN),
    ],
)
def test_what_becomes_of_a_refresh_token(token_kept: Kept, use: Use) -> None:
    assert refresh_tokens.judge(token_kept, NOW) is use


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 10_000))
def test_only_the_newest_token_ever_makes_another_one(number: int, newest: int, used: int) -> None:
    judged = refresh_tokens.judge(kept(number, newest, used), NOW)
    assert judged is not Use.ROTATE
    assert (judged is Use.ANSWER_AGAIN) == (number == newest - 1 and used < GRACE.total_seconds())


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_only_the_token_before_it_unlocks_a_successor(successor: bytes, before: bytes) -> None:
    locked = refresh_tokens.locked(successor, before)
    assert refresh_tokens.locked(locked, before) == successor
    other = bytes([before[0] ^ 1]) + before[1:]
    assert refresh_tokens.locked(locked, other) != successor


@given(st.binary(min_size=32, max_size=32))
def test_a_refresh_token_comes_back_as_it_was(chance: bytes) -> None:
    assert refresh_tokens.raw(refresh_tokens.token_of(chance)) == chance


@given(st.text(max_size=60))
def test_what_never_was_a_refresh_token_is_refused(text: str) -> None:
    with pytest.raises(BadToken):
        refresh_tokens.raw(text)
