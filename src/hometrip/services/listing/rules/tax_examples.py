"""Taxes of five real cities, as examples: nobody vouches for them, and all are switched off.

Each names its year and where it can be checked. Rates change every year and differ by class and kind of home,
so whoever switches one on must check it first.
"""

from __future__ import annotations

from datetime import date

from hometrip.kernel.money import Money
from hometrip.services.listing.rules.taxes import Area, TaxTerms

ALBANY = Area(country="US", region="New York", city="Albany")
PARIS = Area(country="FR", city="Paris")
BERLIN = Area(country="DE", city="Berlin")
AMSTERDAM = Area(country="NL", city="Amsterdam")
BARCELONA = Area(country="ES", city="Barcelona")
YEAR = date(2025, 1, 1)

EXAMPLES = (
    TaxTerms(
        area=ALBANY,
        label="State and county sales tax",
        kind="percent_bp",
        bp=800,
        base="nights_and_fees",
        exempt_from_nights=90,
        valid_from=date(2025, 3, 25),
        source="New York State, Tax Law, article 28 (short-term rentals from 25 March 2025): 4 % state, 4 % "
        "Albany County; tax.ny.gov. To be checked.",
    ),
    TaxTerms(
        area=ALBANY,
        label="Albany County occupancy tax",
        kind="percent_bp",
        bp=600,
        base="nights",
        exempt_from_nights=30,
        valid_from=YEAR,
        source="Albany County, hotel occupancy tax, 2025: 6 %; albanycounty.com. To be checked.",
    ),
    TaxTerms(
        area=PARIS,
        label="Taxe de séjour",
        kind="per_guest_night",
        amount=Money(553, "EUR"),
        exempt_below_age=18,
        valid_from=YEAR,
        source="Ville de Paris, tarifs 2025, meublé de tourisme classé 3 étoiles, taxes additionnelles "
        "comprises; taxedesejour.paris.fr. To be checked.",
    ),
    TaxTerms(
        area=BERLIN,
        label="Übernachtungsteuer",
        kind="percent_bp",
        bp=750,
        base="nights",
        most_nights=21,
        valid_from=YEAR,
        source="Land Berlin, Übernachtungsteuergesetz, 2025: 7.5 %, at most 21 nights in a row; "
        "berlin.de/sen/finanzen. To be checked.",
    ),
    TaxTerms(
        area=AMSTERDAM,
        label="Toeristenbelasting",
        kind="percent_bp",
        bp=1_250,
        base="nights_and_fees",
        valid_from=YEAR,
        source="Gemeente Amsterdam, toeristenbelasting, 2025: 12.5 %; amsterdam.nl. To be checked.",
    ),
    TaxTerms(
        area=BARCELONA,
        label="Impost sobre les estades turístiques",
        kind="per_guest_night",
        amount=Money(625, "EUR"),
        most_nights=7,
        exempt_below_age=17,
        valid_from=YEAR,
        source="Generalitat de Catalunya 2.25 EUR, recàrrec de l'Ajuntament de Barcelona 4.00 EUR, habitatge "
        "d'ús turístic, 2025; atc.gencat.cat. To be checked.",
    ),
)
