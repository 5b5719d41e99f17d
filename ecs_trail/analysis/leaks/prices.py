"""What a volume costs a month, roughly: list prices for storage alone, as a dated table.

*Amazon EBS pricing*, US East (N. Virginia), US dollars for each GB-month, as known on 2026-11-24. Provisioned IOPS and
throughput, snapshots, taxes and discounts are left out, so the figure says how much a leak weighs, not what the bill
will say. Other Regions are a factor on that table; a Region or type that is not listed takes the fallback.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: Volume type -> dollars for each GiB and month in us-east-1.
_PRICES: Final[Mapping[str, float]] = MappingProxyType(
    {
        "gp3": 0.08,
        "gp2": 0.10,
        "io1": 0.125,
        "io2": 0.125,
        "st1": 0.045,
        "sc1": 0.015,
        "standard": 0.05,
    }
)
#: ECS makes gp3 volumes unless told otherwise (*Amazon ECS API Reference*, TaskManagedEBSVolumeConfiguration).
_DEFAULT_TYPE: Final = "gp3"
#: Region -> how its gp3 price compares with us-east-1.
_FACTORS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "us-east-1": 1.0,
        "us-east-2": 1.0,
        "us-west-1": 1.2,
        "us-west-2": 1.0,
        "ca-central-1": 1.1,
        "eu-central-1": 1.19,
        "eu-north-1": 1.045,
        "eu-west-1": 1.1,
        "eu-west-2": 1.16,
        "ap-northeast-1": 1.2,
        "ap-south-1": 1.14,
        "ap-southeast-1": 1.2,
        "ap-southeast-2": 1.2,
        "sa-east-1": 1.9,
    }
)
_OTHER_REGIONS: Final = 1.2


def monthly_cost(size_gib: int | None, volume_type: str | None, region: str | None) -> float | None:
    """Dollars a month for a volume's storage, to the cent; None where its size is not known."""
    if size_gib is None:
        return None
    price = _PRICES.get(volume_type or _DEFAULT_TYPE, _PRICES[_DEFAULT_TYPE])
    return round(size_gib * price * _FACTORS.get(region or "", _OTHER_REGIONS), 2)
