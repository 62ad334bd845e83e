"""Speaking rates to which speech can be changed, as factors of the original speaking rate.

>>> is_speaking_rate(0.8), is_speaking_rate(5), SPEAKING_RATES_SHOWN
(True, False, '0.3..3')
"""

from __future__ import annotations

__all__ = ["FASTEST_RATE", "SLOWEST_RATE", "SPEAKING_RATES_SHOWN", "is_speaking_rate"]

SLOWEST_RATE, FASTEST_RATE = 0.3, 3.0
SPEAKING_RATES_SHOWN = f"{SLOWEST_RATE:g}..{FASTEST_RATE:g}"
"""The range as error messages print it."""


def is_speaking_rate(rate: float) -> bool:
    """Return True if speech can be changed to this speaking rate."""
    return SLOWEST_RATE <= rate <= FASTEST_RATE
