"""Sums of durations that no number of events can overflow.

Microseconds of fifty million transitions of some days exceed 64 bits. A sum is kept in two parts: ``low`` has the last
32 bits of each duration, ``high`` the rest.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

LOW_BITS = 32
LOW_MASK = (1 << LOW_BITS) - 1
MICROSECONDS = 1_000_000

Ints = NDArray[np.int64]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]  # numba has no type stubs
def carry(low: Ints, high: Ints) -> None:
    """Bring ``low`` back under 32 bits, in place; exact while fewer than 2**31 durations were added since."""
    flat_low, flat_high = low.reshape(-1), high.reshape(-1)
    for i in range(len(flat_low)):
        flat_high[i] += flat_low[i] >> LOW_BITS
        flat_low[i] &= LOW_MASK


def mean_seconds(low: Ints, high: Ints, count: Ints) -> NDArray[np.float64]:
    """The mean of ``count`` durations, in seconds; NaN where there are none."""
    total = high.astype(np.float64) * 2.0**LOW_BITS + low
    return ratio(total / MICROSECONDS, count)


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """``part / whole``; NaN where there is no whole."""
    result: NDArray[np.float64] = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return result
