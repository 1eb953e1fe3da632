"""A small company most of whose customers live with others: what tells twins, couples, and fathers and sons apart.

Singles, couples with one mailbox, twins, parents with a child of the same initial, and neighbours with consecutive
house numbers and phones, as three services know them. Addresses and phones are the household's, a mailbox is a
person's or a couple's. Some records have a slip of the pen, names swapped, or day and month; the desk has names and a
mailbox alone. Everything is drawn from one seed.
"""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd


def _listed(text: str) -> list[str]:
    return text.split()


GIVEN = _listed(
    "Adrian Agnes Albert Alma Andrea Anna Anton Beat Beatrice Bruno Carla Chiara Claudia Corinne Dario "
    "Denise Dominik Doris Eduard Elena Emil Erika Eva Fabio Felix Flavia Franz Gabriela Georg Greta Hanno "
    "Heidi Helena Hugo Ilse Irene Isabel Jakob Jan Jana Johanna Jonas Julia Karin Klara Konrad Laura Lena "
    "Livia Lukas Maja Maria Markus Martin Mila Moritz Nadia Nils Nora Olga Oskar Paul Paula Peter Petra "
    "Quirin Rahel Regula Robert Rolf Ruth Sabine Samuel Selma Simon Sven Tanja Theo Tim Tom Ursula "
    "Valentin Vera Viktor Walter Werner Xenia Yves Yvonne Zoe"
)
FAMILY = _listed(
    "Ammann Baumann Berger Bolliger Brunner Cavelti Derungs Egli Frei Gerber Graf Haldimann Hofer Huber "
    "Imhof Jenni Keller Kunz Lehmann Meier Moser Naef Oertli Peter Portmann Ruf Schmidlin Suter Tobler "
    "Vogt Wyss Zaugg Zimmermann Zwicky"
)
STREETS = _listed(
    "Allmendstrasse Bahnhofstrasse Bergstrasse Dorfplatz Feldstrasse Hauptgasse Kornhausgasse Lindenhof "
    "Mühleweg Rosenweg Seeweg Sonnenrain"
)
TOWNS = ("Basel", "Bern", "Chur", "Zürich")
PROVIDERS = ("mail.example", "post.example", "web.example")
#: How many households of each kind a company has for each of its hundred.
KINDS = {"single": 50, "couple": 15, "twins": 10, "parent": 10, "neighbours": 15}


@dataclass(frozen=True)
class Person:
    """One person as he is."""

    given: str
    family: str
    born: dt.date
    mailbox: str
    phone: str
    street: str
    number: int
    postcode: str
    town: str


def families(households: int = 300, seed: int = 11) -> pd.DataFrame:
    """The records, in an order of no meaning."""
    dice = random.Random(seed)
    rows, person = [], 0
    for kind in dice.choices(list(KINDS), list(KINDS.values()), k=households):
        for somebody in _household(kind, dice):
            rows += [row | {"person": str(person)} for row in _records(somebody, dice)]
            person += 1
    dice.shuffle(rows)
    return pd.DataFrame([row | {"entity": f"{number:05d}"} for number, row in enumerate(rows)])


def _household(kind: str, dice: random.Random) -> list[Person]:
    one = _person(dice)
    if kind == "single":
        return [one]
    if kind == "couple":
        other = replace(one, given=_other(one.given, dice), born=_born(dice, near=one.born))
        shared = f"{one.family}{dice.randint(1, 99)}@{dice.choice(PROVIDERS)}".lower()
        return [replace(each, mailbox=shared) for each in (one, other)]
    if kind == "twins":
        other = replace(one, given=_other(one.given, dice))
    elif kind == "parent":
        given = _other(one.given, dice, initial=one.given[0])
        other = replace(
            one, given=given, born=one.born.replace(year=one.born.year - dice.randint(20, 40), day=dice.randint(1, 28))
        )
    else:
        stranger = _person(dice)
        phone = f"{one.phone[:-1]}{(int(one.phone[-1]) + 1) % 10}"
        other = replace(
            stranger, street=one.street, number=one.number + 2, postcode=one.postcode, town=one.town, phone=phone
        )
        if dice.random() < 0.5:
            other = replace(other, family=one.family)
    return [one, replace(other, mailbox=_mailbox(other, dice))]


def _person(dice: random.Random) -> Person:
    one = Person(
        dice.choice(GIVEN),
        dice.choice(FAMILY),
        _born(dice),
        "",
        f"+41{dice.choice((44, 31, 61, 79))}{dice.randint(2_000_000, 9_999_999)}",
        dice.choice(STREETS),
        dice.randint(1, 90),
        str(dice.randint(1000, 9650)),
        dice.choice(TOWNS),
    )
    return replace(one, mailbox=_mailbox(one, dice))


def _mailbox(one: Person, dice: random.Random) -> str:
    return f"{one.given}.{one.family}{dice.randint(1, 99)}@{dice.choice(PROVIDERS)}".lower()


def _other(given: str, dice: random.Random, initial: str = "") -> str:
    return dice.choice([name for name in GIVEN if name != given and name.startswith(initial)] or [given[0]])


def _born(dice: random.Random, near: dt.date | None = None) -> dt.date:
    year = dice.randint(1945, 2004) if near is None else near.year + dice.randint(-6, 6)
    return dt.date(year, dice.randint(1, 12), dice.randint(1, 28))


def _records(one: Person, dice: random.Random) -> Iterator[dict[str, str | None]]:
    """One person as the services have him: all know the CRM's customers, most are the shop's, some the desk's."""
    there = lambda text, share: text if dice.random() < share else None  # noqa: E731
    for service in ("crm", *(["shop"] if dice.random() < 0.85 else []), *(["desk"] if dice.random() < 0.35 else [])):
        given, family, born = _slip(one.given, dice), _slip(one.family, dice), f"{one.born}"
        if dice.random() < 0.03:
            given, family = family, given
        if one.born.day <= 12 and dice.random() < 0.05:
            born = f"{one.born:%Y-%d-%m}"
        row: dict[str, str | None] = {"service": service, "given_name": given, "family_name": family}
        if service == "desk":
            yield row | {"key_email": one.mailbox}
            continue
        at_home = dice.random() < 0.9
        yield row | {
            "birth_date": there(born, 0.75),
            "key_email": there(one.mailbox, 0.6),
            "key_phone": there(one.phone, 0.7),
            "street": f"{one.street} {one.number}" if at_home else None,
            "postcode": one.postcode if at_home else None,
            "city": one.town if at_home else None,
        }


def _slip(text: str, dice: random.Random) -> str:
    """In 6 of 100 a letter left out, doubled, or swapped with the next."""
    if len(text) < 4 or dice.random() > 0.06:
        return text
    at = dice.randrange(1, len(text) - 1)
    return text[:at] + dice.choice(
        (text[at + 1 :], text[at] * 2 + text[at + 1 :], text[at + 1] + text[at] + text[at + 2 :])
    )
