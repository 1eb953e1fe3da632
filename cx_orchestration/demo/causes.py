"""What is planted: the rates by which customers abandon, ask for help, spend and come back, and what causes them.

Belongs here: rates, shares and the four planted findings. Does not belong here: when things happen (``lives``).

In a null company every cause of one person is taken from another, drawn at random: all rates and volumes stay exactly
the same, but no attribute and no mishap that can be seen has anything to do with what a customer does.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.demo.people import Texts
from cx_orchestration.demo.truth import Consequence, PlantedFinding

PRODUCTS = {"classic": 0.45, "duo": 0.30, "pro_kit": 0.25}
PAYMENT_METHODS = {"card": 0.62, "paypal": 0.20, "link": 0.11, "klarna": 0.07}

ABANDONS_CHECKOUT = {True: 0.70, False: 0.30}  # by device android
ASKS_DURING_SETUP = {True: 0.55, False: 0.13}  # by product pro_kit; times the factor of community
COMMUNITY_SPENDS = 2.0
COMMUNITY_ASKS = 1 / 3
DELAYED_DELIVERY = 0.12
IS_REFUNDED = {True: 0.38, False: 0.03}  # by delayed delivery
RENEWS = {True: 0.12, False: 0.68}
ASKS_AFTER_PURCHASE = {True: 0.50, False: 0.05}

PLANTED = (
    PlantedFinding(
        "E1",
        "abandonment_hotspots",
        "checkout",
        "device",
        "android",
        "70% of those who check out on Android give up, 30% of the others",
        (
            Consequence("abandonment_hotspots", "device"),
            Consequence("support_shifts", "device"),
            Consequence("profitable_paths", "device"),
            Consequence("change_priorities", "device"),
        ),
    ),
    PlantedFinding(
        "E2",
        "support_shifts",
        "setup",
        "product",
        "pro_kit",
        "about half of those who set up a pro kit ask for help within a week, one in eight of the others",
        (
            Consequence("support_shifts", "product"),
            Consequence("profitable_paths", "product"),
            Consequence("change_priorities", "product"),
        ),
    ),
    PlantedFinding(
        "E3",
        "profitable_paths",
        None,
        "acquisition",
        "community",
        "customers won by the community spend twice as much and ask for help a third as often",
        (
            Consequence("profitable_paths", "acquisition"),
            Consequence("support_shifts", "acquisition"),
            Consequence("change_priorities", "acquisition"),
        ),
    ),
    PlantedFinding(
        "E4",
        "change_priorities",
        "purchased",
        "friction",
        "delivery.delayed",
        "buyers whose delivery is late are refunded, rarely renew and open tickets",
        (),
    ),
)


@dataclass(frozen=True)
class Causes:
    """What acts on each person: the person's own attributes and mishaps, or in a null company somebody else's."""

    android: NDArray[np.bool_]
    pro_kit: NDArray[np.bool_]
    community: NDArray[np.bool_]
    delayed: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        *,
        device: Texts,
        product: Texts,
        acquisition: Texts,
        delayed: NDArray[np.bool_],
        null: bool,
        rng: np.random.Generator,
    ) -> "Causes":
        """The causes of each person, who checks out on ``device``, buys ``product`` and may meet a late delivery."""
        own = [device == "android", product == "pro_kit", acquisition == "community", delayed]
        shuffles = [rng.permutation(len(device)) for _ in own]  # drawn in both companies: the rest stays the same
        android, pro_kit, community, late = (
            cause[shuffle] if null else cause for cause, shuffle in zip(own, shuffles, strict=True)
        )
        return cls(android.astype(bool), pro_kit.astype(bool), community.astype(bool), late.astype(bool))

    @property
    def asks_factor(self) -> NDArray[np.float64]:
        """By what each person's chance to ask for help is multiplied."""
        return np.where(self.community, COMMUNITY_ASKS, 1.0)


def rate(by: dict[bool, float], cause: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The rate of each person, by whether the cause acts on them."""
    return np.where(cause, by[True], by[False])
