"""The declared mapping as SQL: values, conditions, times, amounts, keys, attributes.

Belongs here: one declaration to expressions over the columns of ``fields.py``. Does not belong here: whole queries
(``mapping.py``, ``profiles.py``). JSON, regular expressions and time zones are DuckDB's.
"""

from dataclasses import dataclass
from decimal import Decimal

from cx_orchestration.integration.fields import Fields, literal
from cx_orchestration.integration.times import FIRST_MICROS, LAST_MICROS
from cx_orchestration.model.values import Condition, Time, Value

_PER_UNIT = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_FIRST, _LAST = "TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"

#: A time of day that ends with an offset: only then a text says which instant it means.
_WITH_OFFSET = r"\d{2}:\d{2}.*([zZ]|[+-]\d{2}(:?\d{2})?)$"

#: A number before it is scaled. Times a scale of at most 14 digits the product is exact: 38 digits are there.
_WIDE = "DECIMAL(24, 8)"
MOST_SCALE_DIGITS = 14


class Steps:
    """Expressions that build on each other, each computed once: one SELECT over the other, level by level.

    DuckDB shares equal subexpressions within a SELECT, but not inside CASE and COALESCE, and those are everywhere.
    """

    def __init__(self) -> None:
        self._levels: list[dict[str, str]] = []
        self._count = 0

    def let(self, level: int, sql: str) -> str:
        """A column that holds an expression over the columns of lower levels; levels count from 1."""
        while len(self._levels) < level:
            self._levels.append({})
        known = self._levels[level - 1]
        if sql not in known:
            known[sql] = f"x{self._count}"
            self._count += 1
        return known[sql]

    def over(self, rows: str) -> str:
        """SQL for the rows of a table expression with the columns of all levels added."""
        for level in self._levels:
            columns = "".join(f",\n    {sql} AS {name}" for sql, name in level.items())
            rows = f"(SELECT *{columns}\n  FROM {rows})" if columns else rows
        return rows


@dataclass(frozen=True)
class Parsed:
    """A text and what was read from it: ``value`` alone is null where the text cannot be read."""

    text: str
    value: str

    @property
    def unreadable(self) -> str:
        return f"{self.text} IS NOT NULL AND {self.value} IS NULL"


class Expressions:
    """Compiles the parts of one mapping. What they take from the payload is collected in ``fields``, which the
    mappings of a stream share; what they compute on the way in ``steps``."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.steps = Steps()

    def text(self, value: Value) -> str:
        """A column with a value as text, null where the record has none."""
        sql = self._text(value)
        return sql if value.path is not None and sql == self.fields.column(value.path) else self.steps.let(1, sql)

    def number(self, value: Value, kind: str) -> Parsed:
        """A value as a number of a SQL type, scaled exactly."""
        mapped = self.steps.let(1, self._mapped(value))
        scaled = f"TRY_CAST({mapped} AS {kind})" if value.scale is None else _scaled(mapped, value.scale, kind)
        if value.default is None:
            return Parsed(mapped, self.steps.let(2, scaled))
        default = literal(value.default)
        text = self.steps.let(2, f"COALESCE({mapped}, {default})")
        number = f"CASE WHEN {mapped} IS NULL THEN TRY_CAST({default} AS {kind}) ELSE {scaled} END"
        return Parsed(text, self.steps.let(2, number))

    def time(self, time: Time) -> Parsed:
        """A time as TIMESTAMPTZ, within the years that every engine can hold."""
        columns = [self.fields.column(path) for path in time.paths]
        raw = columns[0] if len(columns) == 1 else self.steps.let(1, f"COALESCE({', '.join(columns)})")
        zone = time.time_zone or "UTC"
        if time.format in _PER_UNIT:
            micros = self.steps.let(2, f"ROUND(TRY_CAST({raw} AS DOUBLE) * {_PER_UNIT[time.format]})")
            inside = f"CASE WHEN {micros} BETWEEN {FIRST_MICROS} AND {LAST_MICROS} THEN {micros} ELSE NULL END"
            return Parsed(raw, self.steps.let(3, f"MAKE_TIMESTAMP(CAST({inside} AS BIGINT)) AT TIME ZONE 'UTC'"))
        if time.format in ("iso", "date"):
            found = self.steps.let(3, _from_iso(self.steps.let(2, _starts_with_digit(raw)), zone))
        else:
            parsed = f"TRY_STRPTIME({raw}, {literal(time.format)})"
            # With %z in the format DuckDB gives an instant, without it a local time.
            found = self.steps.let(3, parsed if "%z" in time.format else _in_zone(parsed, zone))
        inside = f"CASE WHEN {found} BETWEEN {_FIRST} AND {_LAST} THEN {found} ELSE NULL END"
        return Parsed(raw, self.steps.let(4, inside))

    def all_of(self, conditions: list[Condition]) -> str:
        """True or false, never null, over the fields alone."""
        return " AND ".join(map(self._condition, conditions)) or "true"

    def authenticated_state(self, authenticated: list[Condition], logged_out: list[Condition]) -> str:
        """Whether the customer was signed in, as a word, null where nothing is declared or fits."""
        cases = [
            f"WHEN {self.all_of(conditions)} THEN {literal(state)}"
            for state, conditions in (("authenticated", authenticated), ("logged_out", logged_out))
            if conditions
        ]
        return f"CASE {' '.join(cases)} ELSE NULL END" if cases else "CAST(NULL AS VARCHAR)"

    def word(self, value: Value) -> str:
        """A value as text over the fields alone."""
        return self._text(value)

    def pairs(self, values: dict[str, Value], first: str) -> str:
        """A list of structs of name and value, sorted by name, without what the record lacks."""
        items = [
            f"{{'{first}': {literal(name)}, 'value': {self.text(value)}}}" for name, value in sorted(values.items())
        ]
        if not items:
            return f"CAST([] AS STRUCT({first} VARCHAR, value VARCHAR)[])"
        return f"list_filter([{', '.join(items)}], lambda pair: pair.value IS NOT NULL)"

    def json_object(self, values: dict[str, Value]) -> str:
        """The text of a JSON object of texts, sorted by name, without what the record lacks."""
        texts = {name: self.text(value) for name, value in sorted(values.items())}
        if not texts:
            return "'{}'"
        lacking = " OR ".join(f"{text} IS NULL" for text in texts.values())
        every = ", ".join(f"{literal(name)}, {text}" for name, text in texts.items())
        opened = {literal(f'"{name}":'): text for name, text in texts.items()}
        some = ", ".join(f"{opening} || CAST(to_json({text}) AS VARCHAR)" for opening, text in opened.items())
        # json_object keeps what is null, and the way around that costs twice as much: few records need it.
        return (
            f"CASE WHEN {lacking} THEN '{{' || concat_ws(',', {some}) || '}}' "
            f"ELSE CAST(json_object({every}) AS VARCHAR) END"
        )

    def _condition(self, condition: Condition) -> str:
        column = self.fields.column(condition.path)
        if condition.exists is not None:
            return f"{column} IS {'NOT ' if condition.exists else ''}NULL"
        words = ", ".join(map(literal, condition.any_of or condition.none_of or []))
        if condition.any_of is not None:
            return f"COALESCE({column} IN ({words}), false)" if words else "false"
        return f"COALESCE({column} NOT IN ({words}), true)" if words else "true"

    def _text(self, value: Value) -> str:
        sql = self._mapped(value)
        if value.scale is not None:
            scaled = f"CAST({_scaled(sql, value.scale, _WIDE)} AS VARCHAR)"
            # A number that cannot be read stays as it is: what was meant can still be seen.
            sql = f"COALESCE(RTRIM(RTRIM({scaled}, '0'), '.'), {sql})"
        return sql if value.default is None else f"COALESCE({sql}, {literal(value.default)})"

    def _mapped(self, value: Value) -> str:
        sql = self._source(value)
        if value.map is None:
            return sql
        cases = " ".join(f"WHEN {literal(word)} THEN {literal(to)}" for word, to in value.map.items())
        return f"CASE {sql} {cases} ELSE NULL END" if cases else "CAST(NULL AS VARCHAR)"

    def _source(self, value: Value) -> str:
        if value.path is not None:
            return self.fields.column(value.path)
        if value.const is not None:
            return literal(str(value.const).lower() if isinstance(value.const, bool) else str(value.const))
        if value.coalesce is not None:
            return f"COALESCE({', '.join(map(self._text, value.coalesce))})"
        return "(" + " || ".join(map(self._text, value.concat or [])) + ")"


def scale_digits(scale: float) -> int:
    """How many decimal digits a scale has; more than ``MOST_SCALE_DIGITS`` cannot be multiplied exactly."""
    exact = Decimal(str(scale))
    return max(len(str(abs(int(exact)))) + _places(exact), 1)


def _scaled(text: str, scale: float, kind: str) -> str:
    # The scale as it was written in the declaration, not the binary fraction next to it.
    exact = Decimal(str(scale))
    factor = f"CAST('{exact:f}' AS DECIMAL({scale_digits(scale)}, {_places(exact)}))"
    # Whole numbers of up to 18 digits, such as cents, are a hundred times faster to read than wide decimals.
    fraction = " OR ".join(f"CONTAINS({text}, '{mark}')" for mark in ".eE")
    whole = f"CASE WHEN {fraction} THEN NULL ELSE TRY_CAST({text} AS DECIMAL(18, 0)) END"
    fast = f"TRY_CAST(TRY({whole} * {factor}) AS {kind})"
    return f"COALESCE({fast}, TRY_CAST(TRY_CAST({text} AS {_WIDE}) * {factor} AS {kind}))"


def _places(exact: Decimal) -> int:
    exponent = exact.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _starts_with_digit(text: str) -> str:
    # The casts also know words such as 'infinity' and 'epoch'; a time starts with a digit.
    return f"CASE WHEN {text} BETWEEN '0' AND ':' THEN {text} ELSE NULL END"


def _from_iso(text: str, zone: str) -> str:
    instant = f"TRY_CAST({text} AS TIMESTAMPTZ)"
    if zone == "UTC":
        return instant
    local = _in_zone(f"TRY_CAST({text} AS TIMESTAMP)", zone)
    return f"CASE WHEN REGEXP_MATCHES({text}, '{_WITH_OFFSET}') THEN {instant} ELSE {local} END"


def _in_zone(local: str, zone: str) -> str:
    return f"({local} AT TIME ZONE {literal(zone)})"
