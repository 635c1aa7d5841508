"""Charge modes of a resource: prepaid by month or year, postpaid by configuration, or postpaid by what flowed.

A prepaid resource ends at 23:59:59 (UTC) of the day on which its Nth month ends.
"""

import calendar
import datetime
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sdnctl.api.schema import Json, Model, Whole, iso

PREPAID, USAGE, POSTPAID = "prepaid_by_duration", "postpaid_by_usage", "postpaid_by_duration"
ChargeMode = Literal["prepaid_by_duration", "postpaid_by_usage", "postpaid_by_duration"]
LONGEST = {"month": 9, "year": 3}


class ChargeSpec(Model):
    """The way of paying that an order asks for; duration and unit matter for prepaid orders only."""

    chargeMode: ChargeMode = "postpaid_by_duration"
    chargeUnit: Literal["month", "year"] = "month"
    chargeDuration: Annotated[Whole, Field(ge=1, le=9)] = 1
    autoRenew: bool = False

    @model_validator(mode="after")
    def _duration(self) -> "ChargeSpec":
        if self.chargeDuration > LONGEST[self.chargeUnit]:
            raise ValueError(f"chargeDuration must be 1 to {LONGEST[self.chargeUnit]} for unit {self.chargeUnit}")
        return self

    @property
    def months(self) -> int:
        """The duration in months."""
        return self.chargeDuration * (12 if self.chargeUnit == "year" else 1)


def expiry(spec: ChargeSpec, now: float) -> float:
    """The time at which what is ordered now ends, in epoch seconds; 0 for what is paid afterwards."""
    if spec.chargeMode != PREPAID:
        return 0.0
    today = datetime.datetime.fromtimestamp(now, datetime.UTC)
    years, month = divmod(today.month - 1 + spec.months, 12)
    year, month = today.year + years, month + 1
    day = min(today.day, calendar.monthrange(year, month)[1])
    return datetime.datetime(year, month, day, 23, 59, 59, tzinfo=datetime.UTC).timestamp()


def first_whole_month(start: float) -> float:
    """The end of the first whole calendar month after a moment, both in seconds since 1970 (UTC)."""
    begun = datetime.datetime.fromtimestamp(start, datetime.UTC)
    years, month = divmod(begun.month - 1 + 2, 12)
    return datetime.datetime(begun.year + years, month + 1, 1, tzinfo=datetime.UTC).timestamp()


def show_charge(mode: str, start: float, expires: float, now: float) -> Json:
    """A charge as the API shows it."""
    return {
        "chargeMode": mode,
        "chargeStatus": "overdue" if expires and expires < now else "normal",
        "chargeStartTime": iso(start),
        "chargeExpiredTime": iso(expires),
        "chargeRetireTime": iso(expires),
    }
