"""The people of the demo company: names, homes, mailboxes, phones, devices, and attributes that make segments.

Belongs here: who somebody is and how the same person looks different from one system to the next. Does not belong
here: what people do (``lives``). Attributes are drawn independently of everything else, also of how complete or
misspelt a person's data is.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cx_orchestration.demo import names

Texts: TypeAlias = NDArray[Any]
"""An object array of text, one a person; empty text where a person has none."""

ACQUISITION = {"search": 0.28, "social": 0.20, "referral": 0.10, "community": 0.18, "email": 0.13, "partner": 0.11}
REGIONS = {"northeast": 0.22, "midwest": 0.26, "south": 0.30, "west": 0.22}
PLANS = {"basic": 0.45, "plus": 0.35, "pro": 0.20}
DEVICES = {"desktop": 0.34, "mobile_web": 0.20, "ios": 0.18, "android": 0.28}

_HEX = np.array(list("0123456789abcdef"))
_ALPHANUMERIC = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))


@dataclass(frozen=True)
class People:
    """Who the customers are, one element a person in every array.

    ``former_family`` is the family name that some had before, ``second_email`` another address of the same person.
    ``devices`` and ``anonymous_ids`` have two columns: what a person mostly uses and what else; the second device is
    used only where ``has_second_device``.
    """

    given: Texts
    family: Texts
    former_family: Texts
    email: Texts
    second_email: Texts
    phone: Texts
    street: Texts
    city: Texts
    state: Texts
    postcode: Texts
    region: Texts
    acquisition: Texts
    plan: Texts
    login: Texts
    birthday: Texts
    devices: Texts
    anonymous_ids: Texts
    has_second_device: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.given)


def pick(rng: np.random.Generator, shares: dict[str, float], size: int | tuple[int, int]) -> Texts:
    """Values drawn by their shares, as an object array of text."""
    return np.array(list(shares), dtype=object)[rng.choice(len(shares), size, p=list(shares.values()))]


def random_ids(
    rng: np.random.Generator, size: int, length: int, *, prefix: str = "", hexadecimal: bool = False
) -> Texts:
    """Random ids of ``length`` characters after ``prefix``; at 14 characters a repetition is out of the question."""
    alphabet = _HEX if hexadecimal else _ALPHANUMERIC
    letters = alphabet[rng.integers(0, len(alphabet), (size, length))]
    return np.array([prefix + "".join(row) for row in letters.tolist()], dtype=object)


def random_uuids(rng: np.random.Generator, size: int) -> Texts:
    """Random UUIDs, version 4 in form."""
    digits = random_ids(rng, size, 32, hexadecimal=True)
    return np.array([f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:]}" for d in digits], dtype=object)


def make_people(size: int, rng: np.random.Generator) -> People:
    """So many people, the same ones for the same generator state."""
    given = np.array(names.GIVEN_NAMES, dtype=object)[rng.integers(0, len(names.GIVEN_NAMES), size)]
    family = np.array(names.FAMILY_NAMES, dtype=object)[rng.integers(0, len(names.FAMILY_NAMES), size)]
    former_family = np.array(names.FAMILY_NAMES, dtype=object)[rng.integers(0, len(names.FAMILY_NAMES), size)]
    former_family[(rng.random(size) >= 0.05) | (former_family == family)] = ""
    region = pick(rng, REGIONS, size)
    home = _homes(region, rng)
    phone = _phones(home["area"], rng)
    for member, head in _households(size, rng):
        for shared in (family, former_family, region, phone, *home.values()):
            shared[member] = shared[head]
    phone[rng.random(size) < 0.33] = ""
    email = _emails(given, np.where(former_family == "", family, former_family), rng)
    second_email = np.array(
        [f"{g[0]}{f}.{n}@letters.example".lower() for n, (g, f) in enumerate(zip(given, family, strict=True))], object
    )
    second_email[rng.random(size) >= 0.15] = ""
    born = np.datetime64("1945-01-01") + rng.integers(0, 58 * 365, size)
    return People(
        given=given,
        family=family,
        former_family=former_family,
        email=email,
        second_email=second_email,
        phone=phone,
        street=home["street"],
        city=home["city"],
        state=home["state"],
        postcode=home["postcode"],
        region=region,
        acquisition=pick(rng, ACQUISITION, size),
        plan=pick(rng, PLANS, size),
        login=random_ids(rng, size, 12, prefix="usr_"),
        birthday=np.datetime_as_string(born).astype(object),
        devices=pick(rng, DEVICES, (size, 2)),
        anonymous_ids=random_uuids(rng, size * 2).reshape(size, 2),
        has_second_device=rng.random(size) < 0.35,
    )


def _homes(region: Texts, rng: np.random.Generator) -> dict[str, Texts]:
    which = rng.integers(0, len(names.CITIES["south"]), len(region))
    streets = np.array(names.STREETS, dtype=object)[rng.integers(0, len(names.STREETS), len(region))]
    numbers = rng.integers(1, 1200, len(region))
    tails = rng.integers(0, 100, len(region))
    cities = [names.CITIES[r][c] for r, c in zip(region, which, strict=True)]
    return {
        "street": np.array([f"{n} {s}" for n, s in zip(numbers, streets, strict=True)], dtype=object),
        "city": np.array([c[0] for c in cities], dtype=object),
        "state": np.array([c[1] for c in cities], dtype=object),
        "postcode": np.array([f"{c[2]}{t:02d}" for c, t in zip(cities, tails, strict=True)], dtype=object),
        "area": np.array([c[3] for c in cities], dtype=object),
    }


def _emails(given: Texts, family: Texts, rng: np.random.Generator) -> Texts:
    domains = np.array(names.EMAIL_DOMAINS, dtype=object)[rng.integers(0, len(names.EMAIL_DOMAINS), len(given))]
    taken: dict[str, int] = {}
    emails = []
    for first, last, domain in zip(given, family, domains, strict=True):
        local = f"{first}.{last}".lower()
        count = taken[local] = taken.get(local, 0) + 1
        emails.append(f"{local}{count if count > 1 else ''}@{domain}")
    return np.array(emails, dtype=object)


def _phones(area: Texts, rng: np.random.Generator) -> Texts:
    line = rng.integers(0, 100, len(area))
    return np.array([f"+1{a}55501{n:02d}" for a, n in zip(area, line, strict=True)], dtype=object)


def _households(size: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """One person in six lives in a family of up to three: name, home and phone are shared, nothing else."""
    living = np.flatnonzero(rng.random(size) < 1 / 6).tolist()
    return [(living[position], living[position - position % 3]) for position in range(len(living)) if position % 3]
