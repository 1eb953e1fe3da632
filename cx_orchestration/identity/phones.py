"""Phone numbers in E.164: what phonenumbers says, for a million values in about two seconds.

Belongs here: reading phone numbers. Does not belong here: other kinds of keys (``keys.py``).

The library takes some 30 microseconds a number. Its own patterns of national numbers (``PhoneMetadata``) decide most
numbers for all values at once, as RE2 in Arrow: those written with digits and the usual signs, with the country's
calling code or in the national way, that one of the patterns knows. What they do not decide goes to the library, so
that they only ever say what it would say too.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc

_KINDS = (
    *("fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost"),
    *("personal_number", "voip", "pager", "uan", "voicemail"),
)
_USUAL_SIGNS = r"^[ (]*\+?[0-9][0-9 ()./-]*$"
_WITH_CALLING_CODE = r"^[ (]*\+"
# A calling code that few of the values have is not worth compiling patterns for.
_FEWEST_VALUES = 50


def normalise_phone(value: str, region: str) -> str | None:
    """A phone number in E.164; ``None`` if it is not a valid number of its country.

    ``region`` is where numbers without a country code belong. An extension stays, as ``;ext=12`` (RFC 3966): the
    desks behind one switchboard are not one person.
    """
    try:
        number = phonenumbers.parse(unicodedata.normalize("NFKC", value), region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    text: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{text};ext={number.extension}" if number.extension else text


def normalise_phones(values: pa.Array, region: str) -> pa.Array:
    """``normalise_phone`` of each value; null where there is no valid number."""
    found = phones_by_pattern(values, region)
    undecided = pc.and_(pc.is_null(found), pc.is_valid(values))
    slowly = [normalise_phone(value, region) for value in values.filter(undecided).to_pylist()]
    return pc.replace_with_mask(found, undecided, pa.array(slowly, pa.string()))


def phones_by_pattern(values: pa.Array, region: str) -> pa.Array:
    """Those numbers that the patterns decide, in E.164; null says nothing."""
    usual = pc.fill_null(pc.match_substring_regex(values, _USUAL_SIGNS), False)
    coded = pc.and_(usual, pc.fill_null(pc.match_substring_regex(values, _WITH_CALLING_CODE), False))
    digits = pc.replace_substring_regex(values, r"[^0-9]+", "")
    found = pa.nulls(len(values), pa.string())
    codes = _calling_codes(digits, coded)
    for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
        if code and count >= min(_FEWEST_VALUES, len(values)):
            rows = pa.array(codes == code)
            national = pc.utf8_slice_codeunits(digits.filter(rows), len(str(code)), None)
            found = pc.replace_with_mask(found, rows, _Plan.of_code(int(code)).numbers(national))
    rows = pc.and_not(usual, coded)
    return pc.replace_with_mask(found, rows, _Plan.of_region(region).numbers_in_the_country(digits.filter(rows)))


def _calling_codes(digits: pa.Array, coded: pa.Array) -> np.ndarray:
    """The calling code that each of the ``coded`` numbers begins with; 0 for the others, and where there is none."""
    starts = pc.utf8_slice_codeunits(pc.if_else(coded, digits, ""), 0, 3).dictionary_encode()
    codes = np.array([_code(start) for start in starts.dictionary.to_pylist()] or [0])
    found: np.ndarray = codes[starts.indices.to_numpy(zero_copy_only=False)]
    return found


def _code(start: str) -> int:
    lengths = (1, 2, 3)
    known = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
    return next((int(start[:n]) for n in lengths if len(start) >= n and int(start[:n]) in known), 0)


@dataclass(frozen=True)
class _Plan:
    """What the library knows of the numbers of a calling code, as read from one of its regions.

    ``valid`` has a pattern of whole national numbers with their lengths for each region that is known by its numbers
    alone; numbers that begin like ``elsewhere`` are other regions'. Without any the plan decides nothing.
    """

    code: str
    general: str
    valid: tuple[tuple[str, tuple[int, ...]], ...]
    elsewhere: str
    prefix: str
    prefix_read: str
    abroad: str

    @staticmethod
    @lru_cache
    def of_code(code: int) -> "_Plan":
        return _Plan.of_region(phonenumbers.region_code_for_country_code(code))

    @staticmethod
    @lru_cache
    def of_region(region: str) -> "_Plan":
        about = _metadata(region)
        if about is None:  # a calling code of no region, such as that of satellites
            return _Plan("", "", (), "", "", "", "")
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[about.country_code]
        plans = [plan for plan in map(_metadata, regions) if plan is not None]
        valid = [
            (desc.national_number_pattern, tuple(desc.possible_length))
            for plan in plans
            if plan.leading_digits is None
            for desc in (getattr(plan, kind) for kind in _KINDS)
            if desc is not None and desc.national_number_pattern
        ]
        plan = _Plan(
            code=str(about.country_code),
            general=about.general_desc.national_number_pattern,
            valid=tuple((f"^(?:{pattern})$", lengths) for pattern, lengths in valid),
            elsewhere="|".join(plan.leading_digits for plan in plans if plan.leading_digits),
            prefix=about.national_prefix or "",
            prefix_read=about.national_prefix_for_parsing or "",
            abroad=about.international_prefix or "",
        )
        return plan if plan._compiles() else _Plan(plan.code, "", (), "", "", "", "")

    def numbers(self, national: pa.Array) -> pa.Array:
        """E.164 of national numbers that came with the calling code."""
        return self._decided(national, pc.invert(_begins(national, self.prefix_read)))

    def numbers_in_the_country(self, dialled: pa.Array) -> pa.Array:
        """E.164 of numbers as they are dialled within the country, with or without its prefix."""
        here = pc.invert(_begins(dialled, self.abroad))
        coded = pc.starts_with(dialled, self.code)
        whole = pc.match_substring_regex(dialled, f"^(?:{self.general})$")
        plain = pc.and_not(pc.and_not(here, coded), _begins(dialled, self.prefix_read))
        found = self._decided(dialled, plain)
        if self.prefix and self.prefix == self.prefix_read:
            # Where the prefix is the calling code too (1 in North America) both readings come to the same.
            alike = pc.invert(whole) if self.prefix == self.code else pc.invert(coded)
            prefixed = pc.and_(pc.and_(here, pc.starts_with(dialled, self.prefix)), alike)
            national = pc.utf8_slice_codeunits(dialled, len(self.prefix), None)
            once = pc.and_not(prefixed, _begins(national, self.prefix_read))
            found = pc.coalesce(found, self._decided(national, once))
        return found

    def _decided(self, national: pa.Array, sure: pa.Array) -> pa.Array:
        lengths = pc.utf8_length(national)
        known = pa.array(np.zeros(len(national), bool))
        for pattern, allowed in self.valid:
            fits = pc.match_substring_regex(national, pattern)
            known = pc.or_(known, pc.and_(fits, pc.is_in(lengths, pa.array(allowed, pa.int32()))))
        sure = pc.and_not(pc.and_(sure, known), _begins(national, self.elsewhere))
        sure = pc.and_(sure, pc.match_substring_regex(national, f"^(?:{self.general})$"))
        return pc.if_else(sure, pc.binary_join_element_wise(f"+{self.code}", national, ""), None)

    def _compiles(self) -> bool:
        """Whether Arrow's RE2 reads the patterns; what looks ahead it does not."""
        patterns = [*[pattern for pattern, _ in self.valid], self.general, self.elsewhere, self.prefix_read]
        try:
            for pattern in [*patterns, self.abroad]:
                _begins(pa.array([""]), pattern)
        except pa.ArrowInvalid:
            return False
        return True


def _metadata(region: str) -> Any:
    """What the library knows of a region, None where it is none; its own declarations say of every part that it may be
    missing."""
    return phonenumbers.PhoneMetadata.metadata_for_region(region, None)


def _begins(values: pa.Array, pattern: str) -> pa.Array:
    if not pattern:
        return pa.array(np.zeros(len(values), bool))
    return pc.match_substring_regex(values, f"^(?:{pattern})")
