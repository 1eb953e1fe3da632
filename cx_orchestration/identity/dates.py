"""Dates that identify: dates of birth as the services write them, as ISO 8601.

Belongs here: reading dates of several formats. Does not belong here: times of records (``integration``).
"""

import pyarrow as pa
import pyarrow.compute as pc

# Where the month is written before the day.
_MONTH_FIRST = frozenset({"US", "FM", "MH", "PW", "PH"})
_YEAR_FIRST = r"^(?P<y>[0-9]{4})[-/. ]?(?P<m>[0-9]{1,2})[-/. ]?(?P<d>[0-9]{1,2})(?:[T ].*)?$"
_YEAR_LAST = r"^(?P<a>[0-9]{1,2})[-/. ]+(?P<b>[0-9]{1,2})[-/. ]+(?P<y>[0-9]{4})$"


def normalise_dates(values: pa.Array, region: str) -> pa.Array:
    """Each date as ``YYYY-MM-DD``; null where it is none, or has no year of four digits.

    ``03/04/1990`` is a day in March where the region writes the month first, else one in April; a part beyond 12 is
    the day wherever it stands.
    """
    text = pc.utf8_trim_whitespace(values)
    first = pc.extract_regex(text, _YEAR_FIRST)
    last = pc.extract_regex(text, _YEAR_LAST)
    a, b = _number(last, "a"), _number(last, "b")
    month_first = pc.greater(b, 12) if region not in _MONTH_FIRST else pc.less_equal(a, 12)
    month = pc.coalesce(_number(first, "m"), pc.if_else(month_first, a, b))
    day = pc.coalesce(_number(first, "d"), pc.if_else(month_first, b, a))
    year = pc.coalesce(_number(first, "y"), _number(last, "y"))
    parts = [_padded(year, 4), _padded(month, 2), _padded(day, 2)]
    iso = pc.binary_join_element_wise(*parts, "-")
    real = pc.is_valid(pc.strptime(iso, "%Y-%m-%d", "s", error_is_null=True))
    # The parser takes the 31st of June for the first of July.
    same = pc.equal(pc.strftime(pc.strptime(iso, "%Y-%m-%d", "s", error_is_null=True), "%Y-%m-%d"), iso)
    return pc.if_else(pc.fill_null(pc.and_(real, same), False), iso, None)


def _number(parts: pa.Array, name: str) -> pa.Array:
    return pc.cast(pc.struct_field(parts, name), pa.int64())


def _padded(number: pa.Array, width: int) -> pa.Array:
    return pc.utf8_lpad(pc.cast(number, pa.string()), width, "0")
