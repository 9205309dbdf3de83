"""What Grafana calls a unit.

Owns: the table from the last words of a metric's name to Grafana's unit ids, of values and of their rates. Must not
know: panels. Source: Grafana, "Standard options", Unit; its ids stand in ``@grafana/data``, ``valueFormats``.
"""

from __future__ import annotations

from dataclasses import dataclass

_VALUES = {
    "seconds": "s",
    "milliseconds": "ms",
    "minutes": "m",
    "hours": "h",
    "days": "d",
    "bytes": "bytes",
    "bits": "bits",
    "ratio": "percentunit",
    "percent": "percent",
    "joules": "joule",
    "watts": "watt",
    "kilowatts": "kwatt",
    "megawatts": "megwatt",
    "gigawatts": "gwatt",
    "watt_hours": "watth",
    "kilowatt_hours": "kwatth",
    "megawatt_hours": "suffix: MWh",
    "volt_amperes": "voltamp",
    "volts": "volt",
    "amperes": "amp",
    "ohms": "ohm",
    "hertz": "hertz",
    "celsius": "celsius",
    "fahrenheit": "fahrenheit",
    "kelvin": "kelvin",
    "grams": "massg",
    "kilograms": "masskg",
    "tonnes": "masst",
    "meters": "lengthm",
    "millimeters": "lengthmm",
    "kilometers": "lengthkm",
    "liters": "litre",
    "cubic_meters": "m3",
    "pascals": "pressurepa",
    "hectopascals": "pressurehpa",
    "bars": "pressurebar",
    "lux": "lux",
    "decibels": "dB",
    "degrees": "degree",
    "rpm": "rotrpm",
    "meters_per_second": "velocityms",
    "kilometers_per_hour": "velocitykmh",
    "usd": "currencyUSD",
    "eur": "currencyEUR",
    "gbp": "currencyGBP",
    "chf": "currencyCHF",
    "timestamp_seconds": "dateTimeAsIso",
}
_RATES = {
    "seconds": ("percentunit", 1),  # seconds in a second: a share of the time, or of a CPU
    "bytes": ("Bps", 1),
    "bits": ("bps", 1),
    "joules": ("watt", 1),
    "watt_hours": ("watt", 3600),
    "kilowatt_hours": ("kwatt", 3600),
    "megawatt_hours": ("megwatt", 3600),
}
_SHORT = {"grams": "g", "kilograms": "kg", "tonnes": "t", "liters": "l", "cubic_meters": "m³", "usd": "$", "eur": "€"}


@dataclass(frozen=True, slots=True)
class Rate:
    """How a rate is shown: Grafana's unit, what a rate per second is multiplied with, and in words per what."""

    unit: str
    factor: int
    words: str


def words_of(stem: str, unit: str) -> str:
    """The unit of a metric: as declared, or the longest known end of its name (without ``_total``); "" if unknown."""
    if unit:
        return unit
    endings = [words for words in _VALUES if stem == words or stem.endswith(f"_{words}")]
    return max(endings, key=len, default="")


def value_unit(words: str) -> str:
    """Grafana's unit of a value; ``short`` for what it does not know."""
    if words and words not in _VALUES:
        return f"suffix: {words.replace('_', ' ')}"
    return _VALUES.get(words, "short")


def rate_unit(words: str) -> Rate:
    """How the rate of a counter is shown: in the unit of its flow, else per hour.

    Data that are new every half hour are small numbers per second.
    """
    if words in _RATES:
        unit, factor = _RATES[words]
        return Rate(unit, factor, "")
    shown = _SHORT.get(words, words.replace("_", " "))
    return Rate(f"suffix: {shown}/h", 3600, "per hour")
