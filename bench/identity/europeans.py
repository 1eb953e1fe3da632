"""Made-up persons of Germany, France and Spain in three services, with the noise that such services have.

Belongs here: one generated data set, its kinds of noise and how often each occurs. Does not belong here: the sets of
other packages (``datasets.py``). Names, streets and places are Faker's.
"""

import random
import unicodedata
from dataclasses import dataclass, replace

import pandas as pd
from faker import Faker

SHORT = {
    "alexander": "Alex",
    "andreas": "Andi",
    "antonio": "Toni",
    "catherine": "Cathy",
    "christina": "Tina",
    "concepción": "Concha",
    "dolores": "Lola",
    "elisabeth": "Lisa",
    "francisco": "Paco",
    "frédéric": "Fred",
    "guadalupe": "Lupe",
    "ignacio": "Nacho",
    "isabel": "Isa",
    "johannes": "Hans",
    "josé": "Pepe",
    "josef": "Sepp",
    "katharina": "Käthe",
    "manuel": "Manolo",
    "margarete": "Grete",
    "maximilian": "Max",
    "mercedes": "Merche",
    "philippe": "Phil",
    "rosario": "Charo",
    "stéphanie": "Steph",
    "thérèse": "Thesy",
    "wilhelm": "Willi",
}


@dataclass(frozen=True)
class Person:
    given: str
    family: str
    born: str
    street: str
    postcode: str
    city: str
    email: str


def europeans(count: int = 6_000, seed: int = 11) -> pd.DataFrame:
    """A shop (dates as 31.12.1980), a help desk (whole names, no dates) and a club (ISO dates).

    A third of the persons share surname and address with the one before. Written otherwise in a record: accents left
    out or spelled out, 12%; a slip in 4% of all texts; the short form of the given name, 8%; one of two surnames, 20%;
    names swapped, 4%; another surname, 2%; moved, 10%; a digit of the date, 3%; a field missing, 2 to 45%.
    """
    dice = random.Random(seed)
    rows = [
        _record(person, str(number), service, dice)
        for number, person in enumerate(_persons(count, dice))
        for service, chance in (("shop", 0.9), ("desk", 0.6), ("club", 0.6))
        for _ in range(1 + (dice.random() < 0.15))
        if dice.random() < chance
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(entity=[f"{number:06d}" for number in range(len(frame))])


def _persons(count: int, dice: random.Random) -> list[Person]:
    fakers = {}
    for locale in ("de_DE", "fr_FR", "es_ES"):
        fakers[locale] = Faker(locale)
        fakers[locale].seed_instance(dice.randrange(2**31))
    found: list[Person] = []
    faker = fakers["de_DE"]
    for number in range(count):
        related = found and dice.random() < 1 / 3
        if not related:
            faker = fakers[dice.choice(sorted(fakers))]
        given = faker.first_name()
        born = faker.date_of_birth(minimum_age=16, maximum_age=90).isoformat()
        if related:
            person = replace(found[-1], given=given, born=born)
        else:
            family = faker.last_name()
            if faker is fakers["es_ES"]:
                family = f"{family} {faker.last_name()}"
            street = f"{faker.street_name()} {faker.building_number()}"
            person = Person(given, family, born, street, faker.postcode(), faker.city(), "")
        mailbox = _without_accents(f"{given}.{person.family.split()[0]}", dice).lower().replace(" ", "")
        domain = dice.choice(("mail.example", "post.example", "web.example"))
        found.append(replace(person, email=f"{mailbox}{number % 97}@{domain}"))
    return found


def _record(person: Person, number: str, service: str, dice: random.Random) -> dict[str, str | None]:
    """One person as one service has it."""
    there = lambda text, share: text if dice.random() < share else None  # noqa: E731
    given, family = person.given, person.family
    if dice.random() < 0.08:
        given = SHORT.get(given.lower(), given[:4])
    if " " in family and dice.random() < 0.2:
        family = family.split()[0]
    if dice.random() < 0.02:
        family = dice.choice(("Weber", "Moreau", "Navarro", "Lang", "Roux", "Vidal"))
    if dice.random() < 0.12:
        given, family = _without_accents(given, dice), _without_accents(family, dice)
    given, family = _slip(given, dice), _slip(family, dice)
    if dice.random() < 0.04:
        given, family = family, given
    street, postcode = person.street, person.postcode
    if dice.random() < 0.1:
        street, postcode = f"{dice.choice(('Ringstraße', 'rue Neuve', 'Calle Mayor'))} {dice.randint(1, 90)}", None
    born = person.born
    if dice.random() < 0.03:
        at = dice.choice((3, 6, 9))
        born = f"{born[:at]}{dice.randint(0, 9)}{born[at + 1 :]}"
    row: dict[str, str | None] = {"service": service, "person": number}
    if service == "desk":
        row["name"] = f"{family.upper()}, {given}" if dice.random() < 0.3 else f"{given} {family}"
        return row | {"key_email": there(person.email, 0.7), "city": there(person.city, 0.55)}
    row |= {
        "given_name": there(given, 0.95),
        "family_name": there(family, 0.98),
        "street": there(_slip(street, dice), 0.85),
        "postcode": there(postcode, 0.9) if postcode else None,
        "city": there(_slip(person.city, dice), 0.9),
    }
    if service == "shop":
        year, month, day = born.split("-")
        return row | {"birth_date": there(f"{day}.{month}.{year}", 0.7), "key_email": there(person.email, 0.8)}
    return row | {"birth_date": there(born, 0.85)}


def _slip(text: str, dice: random.Random) -> str:
    """In 4 of 100 a letter left out, doubled, or swapped with the next."""
    if len(text) < 4 or dice.random() > 0.04:
        return text
    at = dice.randrange(1, len(text) - 1)
    return text[:at] + dice.choice(("", text[at] * 2, text[at + 1] + text[at])) + text[at + 1 :]


def _without_accents(text: str, dice: random.Random) -> str:
    if dice.random() < 0.5:
        for letter, spelled in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
            text = text.replace(letter, spelled)
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
