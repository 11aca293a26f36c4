"""What each test card does: Stripe's published numbers and tokens, and what is wrong with any other card."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from hometrip.ports.payments import Card, IntentError


class Behaviour(msgspec.Struct, frozen=True):
    """What happens when the card is charged: nothing wrong, a decline, and perhaps a question by the bank
    first."""

    decline: IntentError | None = None
    asks_first: bool = False


def _declined(reason: str, detail: str) -> IntentError:
    return IntentError("card_declined", detail, reason)


APPROVED = Behaviour()
ASKS_FIRST = Behaviour(asks_first=True)

GENERIC = _declined("generic_decline", "Your card was declined.")
INSUFFICIENT_FUNDS = _declined("insufficient_funds", "Your card has insufficient funds.")
LOST = _declined("lost_card", "Your card was declined.")
STOLEN = _declined("stolen_card", "Your card was declined.")
VELOCITY = _declined("card_velocity_exceeded", "Your card was used too often or for too much; wait a while.")
FRAUDULENT = _declined("fraudulent", "Your card was declined.")
REAL_CARD = _declined("test_mode_live_card", "Only test cards can be used here, and this is not one.")
EXPIRED = IntentError("expired_card", "Your card has expired.", "expired_card")
WRONG_CVC = IntentError("incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc")
PROCESSING = IntentError(
    "processing_error", "Something went wrong while your card was charged; try again.", "processing_error"
)

# (number, the tokens of the same card, what it does), from Stripe's page of test cards.
_CARDS: tuple[tuple[str, str, Behaviour], ...] = (
    ("4242424242424242", "pm_card_visa", APPROVED),
    ("4012888888881881", "", APPROVED),
    ("4000056655665556", "pm_card_visa_debit", APPROVED),
    ("5555555555554444", "pm_card_mastercard", APPROVED),
    ("2223003122003222", "", APPROVED),
    ("5200828282828210", "pm_card_mastercard_debit", APPROVED),
    ("5105105105105100", "pm_card_mastercard_prepaid", APPROVED),
    ("378282246310005", "pm_card_amex pm_card_amex_threeDSecureNotSupported", APPROVED),
    ("371449635398431", "", APPROVED),
    ("6011111111111117", "pm_card_discover", APPROVED),
    ("6011000990139424", "", APPROVED),
    ("6011981111111113", "", APPROVED),
    ("3056930009020004", "pm_card_diners", APPROVED),
    ("36227206271667", "", APPROVED),
    ("3566002020360505", "pm_card_jcb", APPROVED),
    ("6200000000000005", "pm_card_unionpay", APPROVED),
    ("6205500000000000004", "", APPROVED),
    ("4000002760000016", "pm_card_de", APPROVED),
    ("4000002500000003", "pm_card_fr", APPROVED),
    ("4000007240000007", "pm_card_es", APPROVED),
    ("4000008260000000", "pm_card_gb", APPROVED),
    ("4000000000000077", "pm_card_bypassPending", APPROVED),
    ("4000000000003055", "pm_card_threeDSecureOptional", APPROVED),
    ("4000000000000002", "pm_card_visa_chargeDeclined pm_card_chargeDeclined", Behaviour(GENERIC)),
    (
        "4000000000009995",
        "pm_card_visa_chargeDeclinedInsufficientFunds pm_card_chargeDeclinedInsufficientFunds",
        Behaviour(INSUFFICIENT_FUNDS),
    ),
    (
        "4000000000009987",
        "pm_card_visa_chargeDeclinedLostCard pm_card_chargeDeclinedLostCard",
        Behaviour(LOST),
    ),
    (
        "4000000000009979",
        "pm_card_visa_chargeDeclinedStolenCard pm_card_chargeDeclinedStolenCard",
        Behaviour(STOLEN),
    ),
    (
        "4000000000000069",
        "pm_card_chargeDeclinedExpiredCard pm_card_visa_chargeDeclinedExpiredCard",
        Behaviour(EXPIRED),
    ),
    (
        "4000000000000127",
        "pm_card_chargeDeclinedIncorrectCvc pm_card_visa_chargeDeclinedIncorrectCvc",
        Behaviour(WRONG_CVC),
    ),
    (
        "4000000000000119",
        "pm_card_chargeDeclinedProcessingError pm_card_visa_chargeDeclinedProcessingError",
        Behaviour(PROCESSING),
    ),
    ("4000000000006975", "pm_card_visa_chargeDeclinedVelocityLimitExceeded", Behaviour(VELOCITY)),
    ("4100000000000019", "pm_card_radarBlock pm_card_chargeDeclinedFraudulent", Behaviour(FRAUDULENT)),
    ("4000002500003155", "pm_card_authenticationRequiredOnSetup", ASKS_FIRST),
    ("4000002760003184", "pm_card_authenticationRequired", ASKS_FIRST),
    ("4000003800000446", "pm_card_authenticationRequiredSetupForOffSession", ASKS_FIRST),
    ("4000000000003220", "pm_card_threeDSecure2Required", ASKS_FIRST),
    ("4000000000003063", "pm_card_threeDSecureRequired", ASKS_FIRST),
    ("4000008400001629", "pm_card_threeDSecureRequiredChargeDeclined", Behaviour(GENERIC, asks_first=True)),
    (
        "4000008400001280",
        "pm_card_threeDSecureRequiredProcessingError",
        Behaviour(PROCESSING, asks_first=True),
    ),
    (
        "4000008260003178",
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        Behaviour(INSUFFICIENT_FUNDS, asks_first=True),
    ),
)
BY_NUMBER = {number: behaviour for number, _, behaviour in _CARDS}
BY_TOKEN = {token: behaviour for _, tokens, behaviour in _CARDS for token in tokens.split()}

_NUMBER = re.compile(r"[0-9]{12,19}")
_CVC = re.compile(r"[0-9]{3,4}")


def behaviour_of(card: Card, now: datetime) -> Behaviour:
    """What a card that was typed in does; a card that cannot be one is a decline that names what is wrong."""
    number = card.number.replace(" ", "").replace("-", "")
    wrong = _what_is_wrong(number, card, now)
    return Behaviour(wrong) if wrong else BY_NUMBER.get(number, Behaviour(REAL_CARD))


def _what_is_wrong(number: str, card: Card, now: datetime) -> IntentError | None:
    year = card.exp_year + 2000 if 0 <= card.exp_year < 100 else card.exp_year
    if not (_NUMBER.fullmatch(number) and passes_luhn(number)):
        return IntentError("incorrect_number", "Your card number is incorrect.")
    if not 1 <= card.exp_month <= 12 or (year == now.year and card.exp_month < now.month):
        return IntentError("invalid_expiry_month", "Your card's expiration month is invalid.")
    if not now.year <= year <= now.year + 50:
        return IntentError("invalid_expiry_year", "Your card's expiration year is invalid.")
    if not _CVC.fullmatch(card.cvc):
        return IntentError("invalid_cvc", "Your card's security code is invalid.")
    return None


def passes_luhn(number: str) -> bool:
    """The check digit that every card number ends with (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in reversed(number)]
    return sum(digits[0::2]) % 10 == -sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2]) % 10
