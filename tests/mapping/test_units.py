"""Units by name."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from timepoint.mapping.spec import UnitSpec
from timepoint.mapping.units import IDENTITY, compile_unit
from timepoint.model import MetricType


@pytest.mark.parametrize(
    ("from_", "to", "factor"),
    [
        ("Wh", "joules", 3600.0),
        ("kWh", "joules", 3_600_000.0),
        ("MWh", "joules", 3_600_000_000.0),
        ("MW", "watts", 1_000_000.0),
        ("GW", "watts", 1e9),
        ("g", "kilograms", 0.001),
        ("lbs", "grams", 453.59237),
        ("percent", "ratio", 0.01),
        ("%", "ratio", 0.01),
        ("ratio", "percent", 100.0),
        ("ms", "seconds", 0.001),
        ("hours", "seconds", 3600.0),
        ("core_hours", "seconds", 3600.0),
        ("usd_cents", "usd", 0.01),
        ("EUR/MWh", "eur_per_kilowatt_hour", 0.001),
        ("gbp_cent/kWh", "gbp_per_kilowatt_hour", 0.01),
        ("byte_hours", "byte_seconds", 3600.0),
        ("GiB", "bytes", 2.0**30),
        ("GB", "bytes", 1e9),
        ("mA", "amperes", 0.001),
        ("kV", "volts", 1000.0),
        ("hPa", "pascals", 100.0),
        ("m3", "cubic_meters", 1.0),
        ("m³", "liters", 1000.0),
        ("km", "meters", 1000.0),
        ("km/h", "meters_per_second", 1 / 3.6),
        ("lb/MWh", "g/kWh", 0.45359237),
        ("W/m2", "watts_per_square_meter", 1.0),
        ("rpm", "hertz", 1 / 60),
        ("°C", "celsius", 1.0),
        ("kVA", "volt_amperes", 1000.0),
        ("0.1 celsius", "celsius", 0.1),
        ("1e-10 kWh", "joules", 0.00036),
        ("100 gCO2e", "gCO2e", 100.0),
        ("10 °C", "°C", 10.0),
    ],
)
def test_factors_are_exact(from_: Any, to: Any, factor: Any) -> None:
    """A factor is the float64 nearest to the exact one."""
    assert compile_unit(UnitSpec(from_, to), MetricType.COUNTER) == (factor, 0.0)


def test_a_scale_is_taken_before_the_offset() -> None:
    """711 tenths of a degree Fahrenheit are 71.1 of them."""
    factor, offset = compile_unit(UnitSpec("0.1 fahrenheit", "celsius"), MetricType.GAUGE)
    assert 711 * factor + offset == pytest.approx((71.1 - 32) / 1.8)


@pytest.mark.parametrize("from_", ["0 celsius", "0.0 celsius"])
def test_a_scale_of_nothing_is_refused(from_: str) -> None:
    """It would make all values alike."""
    with pytest.raises(ValueError, match="the number is a factor, and 0 would make all values 0"):
        compile_unit(UnitSpec(from_, "celsius"), MetricType.GAUGE)


def test_temperatures_have_an_offset() -> None:
    """A gauge may convert between scales of temperature."""
    assert compile_unit(UnitSpec("celsius", "kelvin"), MetricType.GAUGE) == (1.0, 273.15)
    assert compile_unit(UnitSpec("degF", "celsius"), MetricType.GAUGE) == (5 / 9, -160 / 9)


def test_a_counter_takes_no_offset() -> None:
    """An offset would count once per increment, so a counter refuses it."""
    with pytest.raises(ValueError, match=r"the offset 273\.15 would count once per increment"):
        compile_unit(UnitSpec("celsius", "kelvin"), MetricType.COUNTER)


@pytest.mark.parametrize("name", ["gCO2e", "credits", "index points", ""])
def test_equal_names_pass_unknown(name: Any) -> None:
    """A unit that no registry knows passes if both sides are the same."""
    assert compile_unit(UnitSpec(name, name), MetricType.COUNTER) is IDENTITY


@pytest.mark.parametrize(
    ("from_", "to", "message"),
    [
        ("kwh", "joules", "'kwh' is not a unit that can be converted: did you mean 'kWh'?"),
        ("Whh", "joules", "'Whh' is not a unit that can be converted: did you mean 'Wh'?"),
        ("Wh", "jouls", "'jouls' is not a unit that can be converted: did you mean 'joules'?"),
        ("USD", "EUR", "cannot convert 'USD' to 'EUR': they measure different things"),
        (
            "credit",
            "token",
            "'credit' is not a unit that can be converted: if the body is in 'token' already, write that on both sides",
        ),
        ("W", "joules", "cannot convert 'W' to 'joules': they measure different things"),
        ("dBm", "watts", "cannot convert 'dBm' to 'watts': it is no factor and offset"),
        ("watts", "dBm", "cannot convert 'watts' to 'dBm': it is no factor and offset"),
        ("dB", "ratio", "cannot convert 'dB' to 'ratio': it is no factor and offset"),
    ],
)
def test_mistakes_are_told(from_: Any, to: Any, message: Any) -> None:
    """A unit that does not fit is told with what to write instead."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared whole)
        compile_unit(UnitSpec(from_, to), MetricType.GAUGE)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "name", ["", "3", "((((", "**", "1/", "W/0", "__import__('os')", "a" * 5000, "W**9999", "\x00", "W;W"]
)
def test_hostile_names_are_mistakes(name: Any) -> None:
    """No text in place of a unit does anything but fail."""
    with pytest.raises(ValueError, match=r"cannot convert|is not a unit"):
        compile_unit(UnitSpec(name, "joules"), MetricType.GAUGE)


def test_the_registry_is_loaded_only_when_needed() -> None:
    """A program without units does not pay for them."""
    code = "import sys, timepoint.mapping.units, timepoint.mapping.numbers; assert 'pint' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
