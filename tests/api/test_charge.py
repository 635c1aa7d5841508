"""The end of a term paid in advance, and its worth after the bandwidth changed."""

import datetime

import pytest

from sdnctl.api.charge import ChargeSpec, expiry


@pytest.mark.parametrize(
    ("ordered", "unit", "duration", "ends"),
    [
        ("2026-01-15T10:00:00", "month", 1, "2026-02-15T23:59:59"),
        ("2026-01-31T00:00:00", "month", 1, "2026-02-28T23:59:59"),
        ("2028-01-31T00:00:00", "month", 1, "2028-02-29T23:59:59"),
        ("2026-12-31T23:59:59", "month", 9, "2027-09-30T23:59:59"),
        ("2028-02-29T12:00:00", "year", 1, "2029-02-28T23:59:59"),
        ("2026-06-01T12:00:00", "year", 3, "2029-06-01T23:59:59"),
    ],
)
def test_prepaid_ends_with_the_day(ordered: str, unit: str, duration: int, ends: str) -> None:
    spec = ChargeSpec.model_validate(
        {"chargeMode": "prepaid_by_duration", "chargeUnit": unit, "chargeDuration": duration}
    )
    assert expiry(spec, _epoch(ordered)) == _epoch(ends)


def test_what_is_paid_afterwards_does_not_end() -> None:
    assert expiry(ChargeSpec(), _epoch("2026-01-15T10:00:00")) == 0


def _epoch(text: str) -> float:
    return datetime.datetime.fromisoformat(f"{text}+00:00").timestamp()
