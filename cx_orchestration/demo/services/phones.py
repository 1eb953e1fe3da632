"""Phone numbers that are nobody's, or by now somebody else's: the shop's own line, what gets past a form, numbers that
the telephone company gave to the next subscriber.

Belongs here: which records have such a number. Does not belong here: people's own numbers (``people``), how they are
written (``writing``).
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from cx_orchestration.demo.happenings import Happenings
from cx_orchestration.demo.people import People
from cx_orchestration.demo.services.writing import Records

CALL_CENTRE = "+1 800 555 0100"
PLACEHOLDERS = ("000-000-0000", "555-0000", "(555) 555-5555", "123-456-7890", "999-999-9999", "312-555-0000")

_PASSED_ON = 0.2


def pass_numbers_on(people: People, happenings: Happenings, rng: np.random.Generator) -> People:
    """The people, of whom some who come late have the number of somebody who left early, in their systems' records too.

    Early and late are the first and the last third of what happens; numbers do not pass while both are around.
    """
    seen = pd.concat(
        frame[["person", "at"]] for frame in (happenings.web, happenings.charges, happenings.tickets, happenings.leads)
    ).groupby("person")["at"]
    first, last = seen.min(), seen.max()
    begin, end = first.min(), last.max()
    has_phone = pd.Series(people.phone != "")
    left = last.index[(last < begin + (end - begin) / 3) & has_phone[last.index]].to_numpy()
    came = first.index[(first > end - (end - begin) / 3) & has_phone[first.index]].to_numpy()
    passed = int(_PASSED_ON * min(len(left), len(came)))
    phone = people.phone.copy()
    phone[rng.permutation(came)[:passed]] = people.phone[rng.permutation(left)[:passed]]
    return replace(people, phone=phone)


def fill_gaps(records: Records, field: str, rng: np.random.Generator, *, call_centre: float, made_up: float) -> None:
    """Where a record has no number, that of the call centre for a share, for another what somebody typed to go on."""
    chance = rng.random(len(records)).tolist()
    typed = rng.integers(0, len(PLACEHOLDERS), len(records)).tolist()
    for record, share, which in zip(records.records, chance, typed, strict=True):
        if record[field] is None and share < call_centre + made_up:
            record[field] = CALL_CENTRE if share < call_centre else PLACEHOLDERS[which]
