"""What each test card does: Stripe's published numbers and tokens, and what is wrong with any other card."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from hometrip.ports.payments import Card, IntentError


class Plastic(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens when the card is charged: nothing wrong, a decline, perhaps a question by the bank first.

    `alone` is what becomes of a charge when its owner is not there: it pays, its bank asks (which nobody
    answers then), or declines. What goes back to it is `later` on its way, or `fails` after it was sent. Its
    bank opens a dispute (with that reason) as soon as it has paid, perhaps a mere inquiry. Brand, last four
    digits and expiry are all that is known of the card itself.
    """

    decline: IntentError | None = None
    asks_first: bool = False
    alone: str = "pays"
    refund: str = ""
    dispute: str = ""
    inquiry: bool = False
    brand: str = ""
    last4: str = ""
    exp_month: int = 12
    exp_year: int = 0


def _declined(reason: str, detail: str) -> IntentError:
    return IntentError("card_declined", detail, reason)


APPROVED = Plastic()
ASKS_FIRST = Plastic(asks_first=True)
ASKS_ALWAYS = Plastic(asks_first=True, alone="asks")
PAYS_ONCE = Plastic(alone="declines")

NEEDS_ITS_OWNER = IntentError(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)
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
_CARDS: tuple[tuple[str, str, Plastic], ...] = (
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
    ("4000000000000002", "pm_card_visa_chargeDeclined pm_card_chargeDeclined", Plastic(GENERIC)),
    (
        "4000000000009995",
        "pm_card_visa_chargeDeclinedInsufficientFunds pm_card_chargeDeclinedInsufficientFunds",
        Plastic(INSUFFICIENT_FUNDS),
    ),
    (
        "4000000000009987",
        "pm_card_visa_chargeDeclinedLostCard pm_card_chargeDeclinedLostCard",
        Plastic(LOST),
    ),
    (
        "4000000000009979",
        "pm_card_visa_chargeDeclinedStolenCard pm_card_chargeDeclinedStolenCard",
        Plastic(STOLEN),
    ),
    (
        "4000000000000069",
        "pm_card_chargeDeclinedExpiredCard pm_card_visa_chargeDeclinedExpiredCard",
        Plastic(EXPIRED),
    ),
    (
        "4000000000000127",
        "pm_card_chargeDeclinedIncorrectCvc pm_card_visa_chargeDeclinedIncorrectCvc",
        Plastic(WRONG_CVC),
    ),
    (
        "4000000000000119",
        "pm_card_chargeDeclinedProcessingError pm_card_visa_chargeDeclinedProcessingError",
        Plastic(PROCESSING),
    ),
    ("4000000000006975", "pm_card_visa_chargeDeclinedVelocityLimitExceeded", Plastic(VELOCITY)),
    ("4100000000000019", "pm_card_radarBlock pm_card_chargeDeclinedFraudulent", Plastic(FRAUDULENT)),
    # It pays; what comes afterwards is another matter.
    ("4000000000007726", "pm_card_pendingRefund", Plastic(refund="later")),
    ("4000000000005126", "pm_card_refundFail", Plastic(refund="fails")),
    ("4000000000000259", "pm_card_createDispute", Plastic(dispute="fraudulent")),
    (
        "4000000000002685",
        "pm_card_createDisputeProductNotReceived",
        Plastic(dispute="product_not_received"),
    ),
    ("4000000000001976", "pm_card_createDisputeInquiry", Plastic(dispute="fraudulent", inquiry=True)),
    # With its owner it pays; a charge later on is declined.
    ("4000000000000341", "pm_card_chargeCustomerFail", PAYS_ONCE),
    ("4000002500003155", "pm_card_authenticationRequiredOnSetup", ASKS_FIRST),
    ("4000002760003184", "pm_card_authenticationRequired", ASKS_ALWAYS),
    ("4000003800000446", "pm_card_authenticationRequiredSetupForOffSession", ASKS_FIRST),
    ("4000000000003220", "pm_card_threeDSecure2Required", ASKS_ALWAYS),
    ("4000000000003063", "pm_card_threeDSecureRequired", ASKS_ALWAYS),
    ("4000008400001629", "pm_card_threeDSecureRequiredChargeDeclined", Plastic(GENERIC, asks_first=True)),
    (
        "4000008400001280",
        "pm_card_threeDSecureRequiredProcessingError",
        Plastic(PROCESSING, asks_first=True),
    ),
    (
        "4000008260003178",
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        Plastic(INSUFFICIENT_FUNDS, asks_first=True),
    ),
)
_BRANDS = (
    ("34", "amex"),
    ("37", "amex"),
    ("30", "diners"),
    ("36", "diners"),
    ("35", "jcb"),
    ("4", "visa"),
    ("60", "discover"),
    ("62", "unionpay"),
    ("2", "mastercard"),
    ("5", "mastercard"),
)
YEARS_OF_A_TOKEN = 2040


def _printed(number: str, card: Plastic, month: int = 12, year: int = YEARS_OF_A_TOKEN) -> Plastic:
    """The card with what is written on it."""
    brand = next((brand for begins, brand in _BRANDS if number.startswith(begins)), "unknown")
    return msgspec.structs.replace(card, brand=brand, last4=number[-4:], exp_month=month, exp_year=year)


BY_NUMBER = {number: card for number, _, card in _CARDS}
BY_TOKEN = {token: _printed(number, card) for number, tokens, card in _CARDS for token in tokens.split()}

_NUMBER = re.compile(r"[0-9]{12,19}")
_CVC = re.compile(r"[0-9]{3,4}")


def plastic_of(card: Card, now: datetime) -> Plastic:
    """What a card that was typed in does; a card that cannot be one is a decline that names what is wrong."""
    number = card.number.replace(" ", "").replace("-", "")
    wrong = _what_is_wrong(number, card, now)
    if wrong:
        return Plastic(wrong)
    return _printed(number, BY_NUMBER.get(number, Plastic(REAL_CARD)), card.exp_month, card.exp_year)


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
