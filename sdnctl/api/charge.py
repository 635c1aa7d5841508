"""How a resource is paid for: in advance by month or year, afterwards by configuration, or afterwards by what flowed.

A prepaid resource ends at 23:59:59 (UTC) of the day on which its Nth month ends.
"""

import calendar
import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sdnctl.api.schema import Json, Model, Whole, iso

PREPAID, USAGE, POSTPAID = "prepaid_by_duration", "postpaid_by_usage", "postpaid_by_duration"
ChargeMode = Literal["prepaid_by_duration", "postpaid_by_usage", "postpaid_by_duration"]
LONGEST = {"month": 9, "year": 3}
MOST_MBPS, MOST_MBPS_BY_USAGE = 1000, 200
Mbps = Annotated[Whole, Field(ge=1, le=MOST_MBPS)]


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


class ElasticIpSpec(Model):
    """Bandwidth, line and way of paying of an elastic IP that is ordered, by itself or along with something else."""

    bandwidthMbps: Mbps
    provider: Literal["bgp", "no_bgp"] = "bgp"
    chargeSpec: ChargeSpec = ChargeSpec()

    @model_validator(mode="after")
    def _limit(self) -> "ElasticIpSpec":
        if self.chargeSpec.chargeMode == USAGE and self.bandwidthMbps > MOST_MBPS_BY_USAGE:
            raise ValueError(f"bandwidthMbps must be 1 to {MOST_MBPS_BY_USAGE} when paid by usage")
        return self


def ordered(spec: ElasticIpSpec, now: float) -> dict[str, Any]:
    """The fields of an elastic IP's record that an order made now decides."""
    charge = spec.chargeSpec
    return {"provider": spec.provider, "charge_mode": charge.chargeMode, "charge_expiry": expiry(charge, now)}


def expiry(spec: ChargeSpec, now: float) -> float:
    """When what is ordered now ends, in epoch seconds; 0 for what is paid afterwards."""
    if spec.chargeMode != PREPAID:
        return 0.0
    today = datetime.datetime.fromtimestamp(now, datetime.UTC)
    years, month = divmod(today.month - 1 + spec.months, 12)
    year, month = today.year + years, month + 1
    day = min(today.day, calendar.monthrange(year, month)[1])
    return datetime.datetime(year, month, day, 23, 59, 59, tzinfo=datetime.UTC).timestamp()


def show_charge(mode: str, start: float, expires: float, now: float) -> Json:
    """A charge as the API shows it."""
    return {
        "chargeMode": mode,
        "chargeStatus": "overdue" if expires and expires < now else "normal",
        "chargeStartTime": iso(start),
        "chargeExpiredTime": iso(expires),
        "chargeRetireTime": iso(expires),
    }
