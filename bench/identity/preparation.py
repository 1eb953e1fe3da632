"""The data as both peers' documentation asks for them, and the rules by which both look for pairs.

Belongs here: what a careful user of Splink or recordlinkage does before comparing: one spelling of names, first given
name apart from the others, dates of each service read in its own format. Does not belong here: comparisons and
models, which differ (``sides.py``, ``ecm.py``). Our side gets the data as they came.
"""

import unicodedata

import pandas as pd

#: How services write dates; each service's are read in the format that fits most of them.
DATE_FORMATS = ("%Y%m%d", "%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y")

#: Columns that pairs have to agree in: the rules of Splink's examples with historical persons and febrl3, with the
#: street in place of the birth place, and rules for names of organisations.
RULES = (
    ("given", "family"),
    ("given_3", "family_4"),
    ("family", "birth"),
    ("given", "birth"),
    ("postcode", "given"),
    ("postcode", "family"),
    ("postcode_3", "birth"),
    ("postcode_3", "given"),
    ("postcode_3", "family"),
    ("given_2", "family_2", "birth_4"),
    ("street", "birth"),
    ("street", "given"),
    ("street", "family"),
    ("given",),
    ("family",),
    ("birth",),
    ("postcode",),
    ("street",),
    ("name",),
    ("name_4", "postcode"),
    ("name_4", "city"),
)

#: A rule that brings more pairs than this for each record is left out, as Splink's guide to blocking advises.
PAIRS_A_RECORD = 10


def prepare(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a record in the order of ``rows``, null where nothing is known.

    Columns: unique_id, given, middle (the other given names), family, given_and_family, or name where there are
    whole names only; birth (ISO), street, postcode, city, key_<namespace>, and the beginnings that ``RULES`` name.
    """
    plain = rows.apply(lambda column: column.astype("string").map(_plain, na_action="ignore"))
    frame = pd.DataFrame({"unique_id": range(len(rows))})
    if "family_name" in rows:
        whole = rows["name"] if "name" in rows else pd.Series(None, rows.index, "string")
        parts = [_split(*names) for names in zip(plain["given_name"], plain["family_name"], whole, strict=True)]
        frame = frame.join(pd.DataFrame(parts, columns=["given", "middle", "family"]))
        frame["given_and_family"] = frame["given"] + " " + frame["family"]
    else:
        frame["name"] = plain["name"].to_numpy()
    if "birth_date" in rows:
        frame["birth"] = rows.groupby("service")["birth_date"].transform(_iso_dates).to_numpy()
    for name in rows:
        if name in ("street", "postcode", "city") or name.startswith("key_"):
            frame[name] = plain[name].to_numpy()
    frame = frame.astype({name: "string" for name in frame if name != "unique_id"})
    frame = frame.mask(frame == "")
    for column in {column for rule in RULES for column in rule if "_" in column}:
        field, length = column.split("_")
        if field in frame:
            frame[column] = frame[field].str[: int(length)]
    return frame


def blocking_rules(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """The rules that this data set has the columns for, and that bring no more pairs than ``PAIRS_A_RECORD``."""
    keys = [(name,) for name in frame if name.startswith("key_")]
    there = [rule for rule in (*RULES, *keys) if set(rule) <= set(frame.columns)]
    return [rule for rule in there if 0 < _pairs(frame, rule) <= PAIRS_A_RECORD * len(frame)]


def _pairs(frame: pd.DataFrame, rule: tuple[str, ...]) -> int:
    sizes = frame.groupby(list(rule)).size()
    return int((sizes * (sizes - 1) // 2).sum())


def _plain(text: str) -> str:
    """Lower case, no accents, words apart by one space."""
    letters = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss"))
    kept = (letter if letter.isalnum() else " " for letter in letters if not unicodedata.combining(letter))
    return " ".join("".join(kept).split())


def _split(given: str, family: str, whole: str) -> tuple[str | None, str | None, str | None]:
    """First given name, others, family name; a whole name is "Family, Given" or ends with the family name."""
    if pd.isna(family) and pd.notna(whole):
        if "," in whole:
            family, given = (_plain(part) for part in whole.split(",", 1))
        else:
            given, _, family = _plain(whole).rpartition(" ")
    words = [] if pd.isna(given) else given.split()
    return words[0] if words else None, " ".join(words[1:]) or None, None if pd.isna(family) else family


def _iso_dates(texts: pd.Series) -> pd.Series:
    """Dates of one service as ISO, null where they are none in its format."""
    read = [pd.to_datetime(texts, format=form, errors="coerce") for form in DATE_FORMATS]
    return max(read, key=lambda dates: dates.notna().sum()).dt.strftime("%Y-%m-%d")
