"""The publish gate: whether a new identity map may take the former one's place, or somebody has to look first.

Belongs here: the bounds, and what is said when one is left. Does not belong here: computing the map (``resolve.py``).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.model.identity import PublishGate


@dataclass(frozen=True)
class Proposal:
    """A map that is computed and not yet written, against the one that stands.

    ``records_before`` and ``customers_before`` are those of the map that stands, 0 where there is none. ``renumbered``
    records of it would bear another id, ``merged`` customers resolve to another, ``split`` ones be divided.
    ``largest_cluster`` is the most records that a customer has who is looked at. ``new_records`` are in no map yet,
    and ``candidates`` is in how many scored pairs they are.
    """

    records_before: int
    customers_before: int
    renumbered: int
    merged: int
    split: int
    largest_cluster: int
    new_records: int
    candidates: int


@dataclass(frozen=True)
class Breach:
    """One bound that is left: its name in ``publish_gate``, value and limit, and what that means."""

    bound: str
    value: float
    limit: float
    what: str

    def __str__(self) -> str:
        return f"{self.bound} is {self.value:.4g}, more than {self.limit:.4g} ({self.what})"


class NotPublished(PermanentFailure):
    """The new map was not written: the former one stays, with all that is made from it."""

    def __init__(self, breaches: Collection[Breach]) -> None:
        self.breaches = tuple(breaches)
        accept = " ".join(f"--accept {breach.bound}" for breach in breaches)
        super().__init__(
            "the new identity map was not published, the former one stays: "
            f"{'; '.join(map(str, breaches))}. Look at what is new (identity/links, a service integrated or mended, "
            "another rule); if the new map is right, publish it once with "
            f"'cx identity publish {accept}', or raise the bound under publish_gate in identity.yaml"
        )


#: Raises ``NotPublished`` for a proposal that may not be written.
Gate = Callable[[Proposal], None]


def gate(bounds: PublishGate, accept: Collection[str] = ()) -> Gate:
    """The gate with a company's bounds; those that somebody accepts this once are not judged.

    Raises ``PermanentFailure`` for a bound to accept that there is not.
    """
    if unknown := sorted(set(accept) - set(BOUNDS)):
        raise PermanentFailure(f"accept: there is no bound '{unknown[0]}'; there are {', '.join(BOUNDS)}")

    def judge(proposal: Proposal) -> None:
        breaches = [breach for breach in find_breaches(proposal, bounds) if breach.bound not in accept]
        if breaches:
            raise NotPublished(breaches)

    return judge


def find_breaches(proposal: Proposal, bounds: PublishGate) -> list[Breach]:
    """The bounds that a proposal leaves. Shares are judged where the map that stands has customers enough."""
    given, before = proposal, proposal.customers_before
    values: list[tuple[str, float, str]] = [
        ("largest_cluster", given.largest_cluster, "records in one customer"),
    ]
    if given.new_records >= bounds.from_customers:
        pairs = f"{given.candidates:,} scored pairs for {given.new_records:,} new records"
        values.append(("candidates", given.candidates / given.new_records, pairs))
    if before >= max(bounds.from_customers, 1):
        renumbered = f"{given.renumbered:,} of {given.records_before:,} known records would get another customer id"
        merged = f"{given.merged:,} of {before:,} customers would be merged into others"
        split = f"{given.split:,} of {before:,} customers would be split"
        values += [
            ("churn", given.renumbered / given.records_before, renumbered),
            ("merges", given.merged / before, merged),
            ("splits", given.split / before, split),
        ]
    limits = {bound: getattr(bounds, bound) for bound in BOUNDS}
    return [
        Breach(bound, value, limits[bound], what)
        for bound, value, what in values
        if limits[bound] is not None and value > limits[bound]
    ]


#: The bounds by their names in ``publish_gate``.
BOUNDS = ("largest_cluster", "churn", "merges", "splits", "candidates")
