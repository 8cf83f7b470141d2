"""Money is integer cents of CNY inside; people see yuan (layer: core)."""

from decimal import Decimal


def yuan(cents: int) -> str:
    """Return cents as people write them: `¥1,234.50`, without decimals when there are none."""
    amount = Decimal(cents) / 100
    return f"¥{amount:,.2f}" if cents % 100 else f"¥{cents // 100:,}"


def percent(rate: Decimal | float) -> str:
    """Return a share in [0, 1] as people write it: `18%`, `18.5%`."""
    return f"{round(float(rate) * 100, 1):g}%"


def exact_percent(rate: Decimal) -> str:
    """Return a share with every digit of its four decimals, as terms need it: `18%`, `18.25%`."""
    return f"{(Decimal(rate) * 100).quantize(Decimal('0.01')):f}".rstrip("0").rstrip(".") + "%"
