"""Evidence in the words of somebody who talks to customers.

Belongs here: how a rule, a weight and a level of agreement are said. Does not belong here: finding them
(``explain.py``).
"""

from collections.abc import Iterable, Sequence

_NAMESPACES = {
    "email": "e-mail address",
    "phone": "phone number",
    "login": "login",
    "account": "account number",
    "external_id": "external id",
    "device": "device",
    "card": "payment card",
    "loyalty": "loyalty number",
    "birth_date": "date of birth",
    "anonymous_id": "device",
}
_FIELDS = {
    "name": "name",
    "given": "given name",
    "given_name": "given name",
    "middle": "middle name",
    "family": "surname",
    "family_name": "surname",
    "birth": "date of birth",
    "birth_date": "date of birth",
    "address": "address",
    "street": "street",
    "postcode": "postcode",
    "area": "town",
    "city": "town",
    "country": "country",
}
#: Levels of agreement that need other words than their own.
_ALMOST = {
    "similar": "almost",
    "initial": "in the first letter only",
    "part": "in part",
    "elsewhere in the name": "in another place of the name",
    "similar names": "as names that are spelt alike",
    "other number": "but for the house number",
    "one slip": "but for one slip",
    "two parts": "in two parts of three",
    "same year": "in the year only",
    "same street": "in the street",
    "same postcode and town": "in postcode and town",
    "same postcode": "in the postcode",
    "same city": "in the town",
    "same area": "in the town or postcode",
}
_MISSING, _DIFFERENT = "missing", ("different", "other name")
#: What a level is called besides where what a household shares says more or less than otherwise.
_CONDITIONS = (", other surname", ", one home", ", home unknown", ", others of one home")
#: Odds beyond this are said to be more than this.
_MOST_ODDS = 1e9


def namespace_words(namespace: str) -> str:
    """``email`` to ``e-mail address``; a name of the company's own stays, with spaces."""
    return _NAMESPACES.get(namespace, namespace.replace("_", " "))


def field_words(field: str) -> str:
    """The same for a field that is compared; ``key_phone`` is the phone number."""
    if field.startswith("key_"):
        return namespace_words(field.removeprefix("key_"))
    return _FIELDS.get(field, field.replace("_", " "))


def same_value(namespace: str, values: Sequence[str]) -> str:
    """What a link by a shared value says."""
    held = f" ({', '.join(values)})" if values else ""
    return f"same {namespace_words(namespace)}{held}"


def agreement(levels: Iterable[tuple[str, str]]) -> str:
    """The levels of a scored pair as one sentence, what agrees best first: ``surname and address agree exactly, given
    name almost; date of birth differs``."""
    agrees: dict[str, list[str]] = {}
    differs = []
    for field, level in levels:
        grade = level
        for condition in _CONDITIONS:
            grade = grade.removesuffix(condition)
        if grade in _DIFFERENT:
            differs.append(field_words(field))
        elif grade != _MISSING:
            degree = "exactly" if grade == "same" else _ALMOST.get(grade, f"as '{grade}'")
            agrees.setdefault(degree, []).append(field_words(field))
    parts = [(names, degree) for degree, names in sorted(agrees.items(), key=_best_first)]
    said = [
        _listed(names) + (_verb(names) if place == 0 else " ") + degree for place, (names, degree) in enumerate(parts)
    ]
    against = [f"{_listed(differs)} {'differs' if len(differs) == 1 else 'differ'}"] if differs else []
    return "; ".join([", ".join(said)] * bool(said) + against) or "nothing could be compared"


def odds(bits: float) -> str:
    """A weight as odds in round numbers: how many times likelier the evidence is of one person, or of two."""
    if abs(bits) < 0.1:
        return "no evidence either way"
    times = min(2 ** abs(bits), _MOST_ODDS)
    about = "about" if times < _MOST_ODDS else "more than"
    rounded = f"{float(f'{times:.1g}'):,.0f}" if times >= 10 else f"{times:.1f}"
    return f"{about} {rounded} to 1 for {'one person' if bits > 0 else 'two people'}"


def _best_first(item: tuple[str, list[str]]) -> int:
    order = ["exactly", *_ALMOST.values()]
    return order.index(item[0]) if item[0] in order else len(order)


def _verb(names: Sequence[str]) -> str:
    return " agrees " if len(names) == 1 else " agree "


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
