import phonenumbers
import pyarrow as pa
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cx_orchestration.identity.emails import normalise_email, normalise_emails
from cx_orchestration.identity.keys import count_dropped, normalise_profiles
from cx_orchestration.identity.phones import normalise_phone, phones_by_pattern
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.storage.engine import Engine

_labels = st.text(alphabet="aZ09-xü", min_size=1, max_size=8)
_domains = st.lists(_labels, min_size=1, max_size=3).map(".".join)
_tops = st.sampled_from(["com", "co.uk", "test", "invalid", "local", "example", "xn--p1ai", "c", "c0m"])
_addresses = st.builds("{}@{}.{}".format, st.text(alphabet="aZ09._%+-ü'", max_size=12), _domains, _tops)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("jane@example.com", "jane@example.com"),
        ("  Jane.DOE@Example.COM ", "jane.doe@example.com"),
        ("\uff4a\uff41\uff4e\uff45@example.com", "jane@example.com"),
        ("jane+news@example.com", "jane+news@example.com"),
        ("Jané@example.com", "jané@example.com"),
        ("jane@xn--bcher-kva.example", "jane@bücher.example"),
        ("jane@BÜCHER.example", "jane@bücher.example"),
        ("o'hara@example.co.uk", "o'hara@example.co.uk"),
    ],
)
def test_spellings_of_one_email_address_become_one(written: str, address: str) -> None:
    assert normalise_email(written) == address


@pytest.mark.parametrize(
    "written",
    [
        "jane",
        "jane@",
        "@example.com",
        "jane@example",
        "jane doe@example.com",
        "jane@example..com",
        "a@b@example.com",
        "jane@localhost",
        "jane@mail.invalid",
        "jane@" + "x" * 64 + ".com",
        ".j@example.com",
    ],
)
def test_what_is_no_email_address_has_no_normal_form(written: str) -> None:
    assert normalise_email(written) is None


@settings(deadline=None, max_examples=300)
@given(_addresses | st.text(alphabet="aZ09._%+-@xcomü ", max_size=30))
def test_the_short_way_for_ordinary_addresses_agrees_with_the_validator(written: str) -> None:
    try:
        expected = validate_email(written.strip().lower(), check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        expected = None
    assert normalise_email(written) == expected


@settings(deadline=None, max_examples=300)
@given(_addresses | st.text(max_size=20).map(lambda local: f"{local}@example.com"))
def test_normalising_an_email_address_twice_changes_nothing(written: str) -> None:
    once = normalise_email(written)
    assert once is None or normalise_email(once) == once


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        ("(212) 555-0123", "US", "+12125550123"),
        ("1 212 555 0123", "US", "+12125550123"),
        ("+1-212-555-0123", "CH", "+12125550123"),
        ("044 668 18 00", "CH", "+41446681800"),
        ("0041 44 668 18 00", "CH", "+41446681800"),
        ("tel:+41-44-668-18-00", "US", "+41446681800"),
        ("+٤١٤٤٦٦٨١٨٠٠", "US", "+41446681800"),
        ("212-555-0123 ext. 7", "US", "+12125550123;ext=7"),
    ],
)
def test_spellings_of_one_phone_number_become_one(written: str, region: str, number: str) -> None:
    assert normalise_phone(written, region) == number
    assert normalise_phone(number, region) == number


@pytest.mark.parametrize("written", ["", "n/a", "12345", "+1 555 0100", "0000000000", "+999 123456789", "9" * 300])
def test_what_is_no_phone_number_has_no_normal_form(written: str) -> None:
    assert normalise_phone(written, "US") is None


@pytest.mark.parametrize("region", ["US", "CH", "GB", "BR", "IT"])
def test_example_numbers_of_every_region_survive_any_format(region: str) -> None:
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    formats = phonenumbers.PhoneNumberFormat
    written = [phonenumbers.format_number(number, kind) for kind in (formats.NATIONAL, formats.INTERNATIONAL)]
    expected = phonenumbers.format_number(number, formats.E164)
    assert [normalise_phone(text, region) for text in written] == [expected, expected]


def test_keys_are_normalised_by_their_namespace(profiles, config) -> None:
    keys = {"email": ["Jane@Example.com", "jane@example.com"], "login": " JaneD ", "account": " A-1 "}
    rows = normalise_profiles(profiles({"crm/1": keys | {"phone": "212 555 0123"}}), config).profiles.to_pylist()
    assert [(key["namespace"], key["value"]) for key in rows[0]["keys"]] == [
        ("account", "A-1"),
        ("email", "jane@example.com"),
        ("login", "janed"),
        ("phone", "+12125550123"),
    ]


def test_unusable_keys_are_dropped_and_counted_by_service_and_reason(profiles, config) -> None:
    entities = {
        "crm/1": {"email": "NoReply@example.com", "account": "n/a", "login": "  "},
        "crm/2": {"email": ["not an address", "noreply@example.com"]},
        "desk/1": {"email": "noreply@example.com", "phone": "12"},
    }
    normalised = normalise_profiles(profiles(entities), config)
    assert all(row["keys"] == [] for row in normalised.profiles.to_pylist())
    assert [tuple(row) for row in count_dropped(Engine(), normalised.profiles).to_pandas().itertuples(index=False)] == [
        ("crm", "account", "placeholder", 1),
        ("crm", "email", "invalid", 1),
        ("crm", "email", "placeholder", 2),
        ("crm", "login", "empty", 1),
        ("desk", "email", "placeholder", 1),
        ("desk", "phone", "invalid", 1),
    ]


def test_keys_of_an_undeclared_namespace_stay_as_they_came_and_are_reported(profiles, config) -> None:
    normalised = normalise_profiles(profiles({"crm/1": {"card": " Xy 1 "}}), config)
    assert normalised.profiles.to_pylist()[0]["keys"] == [{"namespace": "card", "value": " Xy 1 "}]
    assert count_dropped(Engine(), normalised.profiles).to_pylist() == [
        {"service": "crm", "namespace": "card", "reason": "unknown_namespace", "count": 1}
    ]


def test_a_placeholder_is_recognised_in_any_spelling(profiles) -> None:
    phone = {"normalise": "phone", "ignore": ["+12125550100"]}
    config = IdentityConfig.model_validate({"namespaces": {"phone": phone}})
    normalised = normalise_profiles(profiles({"crm/1": {"phone": "(212) 555-0100"}}), config)
    assert count_dropped(Engine(), normalised.profiles)["reason"].to_pylist() == ["placeholder"]


def test_a_placeholder_that_is_no_valid_value_counts_as_a_placeholder(profiles) -> None:
    phone = {"normalise": "phone", "ignore": ["none"]}
    config = IdentityConfig.model_validate({"namespaces": {"phone": phone}})
    normalised = normalise_profiles(profiles({"crm/1": {"phone": [" NONE ", "no phone"]}}), config)
    assert count_dropped(Engine(), normalised.profiles).select(["reason", "count"]).to_pylist() == [
        {"reason": "invalid", "count": 1},
        {"reason": "placeholder", "count": 1},
    ]


def test_normalising_profiles_twice_changes_no_key(profiles, config) -> None:
    entities = {
        "crm/2": {"email": "Jane@Example.com", "card": " x ", "phone": "212-555-0123 x7"},
        "crm/1": {"account": " A "},
        "desk/1": {},
    }
    once = normalise_profiles(profiles(entities), config).profiles.drop_columns(["fingerprint"])
    assert normalise_profiles(once, config).profiles.drop_columns(["fingerprint"]).equals(once)


def test_other_columns_and_empty_tables_pass_through(profiles, config) -> None:
    table = profiles({"crm/1": {}}, {"crm/1": {"name": "Jane Doe", "attributes": '{"plan":"gold"}', "keys": None}})
    row = normalise_profiles(table, config).profiles.to_pylist()[0]
    assert (row["name"], row["attributes"], row["keys"]) == ("Jane Doe", '{"plan":"gold"}', [])
    assert normalise_profiles(profiles({}), config).profiles.num_rows == 0


def test_a_region_that_has_no_phone_numbers_is_refused() -> None:
    with pytest.raises(ValidationError, match="such as US, GB or CH"):
        IdentityConfig.model_validate({"region": "UK", "namespaces": {}})


def test_the_name_of_the_services_own_ids_cannot_be_a_namespace() -> None:
    with pytest.raises(ValidationError, match="another name than 'entity'"):
        IdentityConfig.model_validate({"namespaces": {"entity": {}}})


def _varied(number: str, draw: st.DataObject) -> str:
    """The number as somebody may have written it down: a digit changed, added or left out."""
    at = draw.draw(st.integers(0, len(number) - 1))
    return draw.draw(
        st.sampled_from(
            [
                number,
                number[:at] + number[at + 1 :],
                f"{number[:at]}7{number[at:]}",
                f"{number[:at]}0{number[at + 1 :]}",
            ]
        )
    )


@settings(deadline=None, max_examples=60)
@given(region=st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), data=st.data())
def test_the_short_way_for_phone_numbers_says_what_the_library_says(region: str, data: st.DataObject) -> None:
    formats = (phonenumbers.PhoneNumberFormat.NATIONAL, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    examples = [phonenumbers.example_number_for_type(region, kind) for kind in range(11)]
    written = [_varied(phonenumbers.format_number(each, kind), data) for each in examples if each for kind in formats]
    for home in (region, "US"):
        decided = phones_by_pattern(pa.array(written, pa.string()), home).to_pylist()
        assert all(fast in (None, normalise_phone(text, home)) for text, fast in zip(written, decided, strict=True))


def test_most_phone_numbers_take_the_short_way() -> None:
    for written in (["(212) 555-0123", "1 212 555 0123", "212.555.0123"], ["+1-212-555-0123"]):
        assert phones_by_pattern(pa.array(written), "US").null_count == 0
    assert phones_by_pattern(pa.array(["044 668 18 00", "079/326 72 61"]), "CH").null_count == 0


def test_many_addresses_at_once_are_read_as_one_by_one() -> None:
    written = ["Jane@Example.com ", "Jané@example.com", "jane@mail.invalid", "", "x" * 70 + "@example.com", None]
    expected = [None if text is None else normalise_email(text) for text in written]
    assert normalise_emails(pa.array(written), {}).to_pylist() == expected
