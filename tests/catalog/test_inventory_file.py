"""Reading inventory.csv: what is forgiven, what is refused, and how it is said."""

import csv
import datetime as dt
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cx_orchestration.catalog.inventory_file import VARIANTS, read_inventory
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.inventory import (
    HEADERS,
    BusinessImpact,
    CustomerImpact,
    ImplementationProfile,
    IntegrationProfile,
    InventoryRow,
    ProductDependency,
    read_number,
)
from cx_orchestration.model.settings import InventoryFile

GOOD = {
    "System/Service Name": "Zendesk Support",
    "Business Leader": "Eve Moss",
    "Technical Leader": "Finn Lau",
    "Business Function": "Support",
    "Business Impact": "Critical",
    "Customer Impact": "Some",
    "Approx. Number of Customers Impacted Annually": "95000",
    "Implementation Profile": "Licensed Service",
    "Integration Profile": "Fully-Accessible",
    "Product Dependency": "Loosely-Coupled",
    "Team": "Support",
    "Observed By": "Iris Vo",
    "Observed On": "2026-10-03",
}


def text(*rows: dict[str, str], delimiter: str = ",") -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter)
    names = list(rows[0])
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in rows)
    return buffer.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "inventory.csv"


def read(
    file: Path, content: str | bytes, encoding: str = "utf-8", delimiter: str | None = None
) -> tuple[list[InventoryRow], list[ProjectError]]:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_inventory(file, InventoryFile(encoding=encoding, delimiter=delimiter))


def one_row(file: Path, content: str | bytes, encoding: str = "utf-8") -> InventoryRow:
    rows, errors = read(file, content, encoding)
    assert errors == []
    (row,) = rows
    return row


def messages(file: Path, content: str | bytes, encoding: str = "utf-8", delimiter: str | None = None) -> list[str]:
    rows, errors = read(file, content, encoding, delimiter)
    assert errors, rows
    return [str(error) for error in errors]


def test_all_fields_are_read(file: Path) -> None:
    row = one_row(file, text(GOOD))
    assert row == InventoryRow(
        system="Zendesk Support",
        business_leader="Eve Moss",
        technical_leader="Finn Lau",
        business_function="Support",
        business_impact=BusinessImpact.CRITICAL,
        customer_impact=CustomerImpact.SOME,
        customers_per_year=95_000,
        implementation_profile=ImplementationProfile.LICENSED_SERVICE,
        integration_profile=IntegrationProfile.FULLY_ACCESSIBLE,
        product_dependency=ProductDependency.LOOSELY_COUPLED,
        team="Support",
        observed_by="Iris Vo",
        observed_on=dt.date(2026, 10, 3),
    )
    assert row.service == "zendesk_support"


def test_several_rows_of_one_service_are_kept_in_order(file: Path) -> None:
    rows, errors = read(file, text(GOOD, {**GOOD, "Team": "Sales"}, {**GOOD, "Team": "Legal"}))
    assert (errors, [row.team for row in rows]) == ([], ["Support", "Sales", "Legal"])


@pytest.mark.parametrize("change", [str.upper, str.lower, lambda name: f"  {name.replace(' ', '  ')} "])
def test_case_and_spaces_of_headers_do_not_count(file: Path, change) -> None:
    assert one_row(file, text({change(name): value for name, value in GOOD.items()})).team == "Support"


@pytest.mark.parametrize(("field", "variant"), [(f, v) for f, variants in VARIANTS.items() for v in variants])
def test_a_common_variant_of_a_header_is_known(file: Path, field: str, variant: str) -> None:
    named = {variant if name == HEADERS[field] else name: value for name, value in GOOD.items()}
    assert one_row(file, text(named)).extras == {}


def test_field_names_are_headers_too(file: Path) -> None:
    assert one_row(file, text(dict(zip(HEADERS, GOOD.values(), strict=True)))).system == "Zendesk Support"


def test_missing_columns_are_listed_together(file: Path) -> None:
    some = {name: value for name, value in GOOD.items() if name not in ("Team", "Observed On")}
    assert messages(file, text(some)) == ["inventory.csv: row 1: the header lacks 2 columns: Team, Observed On"]


def test_a_misspelt_header_is_suggested_and_what_stays_unknown_is_named(file: Path) -> None:
    typos = {"Integration Profile": "Integraton Profile", "Customer Impact": "Custmer Impact"}
    written = {typos.get(name, name): value for name, value in GOOD.items()}
    lacks = (
        "inventory.csv: row 1: the header lacks 2 columns: Customer Impact, Integration Profile; did you mean "
        "Customer Impact by 'Custmer Impact', Integration Profile by 'Integraton Profile'?"
    )
    assert messages(file, text(written)) == [lacks]
    del written["Team"]
    (message,) = messages(file, text({**written, "Kosten": "1"}))
    assert "lacks 3 columns" in message
    assert message.endswith("(found 'Kosten')")


@pytest.mark.parametrize(
    ("column", "almost", "meant"),
    [
        ("Business Impact", "critcal", "Critical"),
        ("Customer Impact", "Soem", "Some"),
        ("Customer Impact", "Soem Customers", "Some"),
        ("Product Dependency", "tigthly coupled", "Tightly-Coupled"),
    ],
)
def test_a_misspelt_label_is_suggested(file: Path, column: str, almost: str, meant: str) -> None:
    (message,) = messages(file, text({**GOOD, column: almost}))
    assert message.endswith(f"; did you mean '{meant}'? (found '{almost}')")


def test_two_columns_for_one_field_are_an_error(file: Path) -> None:
    assert messages(file, text({**GOOD, "Visit date": "2026-01-01"})) == [
        "inventory.csv: row 1: expected each column once; 'Observed On' and 'Visit date' are the same one"
    ]


def test_every_wrong_value_is_named_by_row_and_column_at_once(file: Path) -> None:
    bad = {**GOOD, "Business Impact": "Important", "Observed On": "3.10.2026", "Team": " "}
    worse = {**GOOD, "Approx. Number of Customers Impacted Annually": "many"}
    rows, errors = read(file, text(GOOD, bad, worse))
    assert [str(error) for error in errors] == [
        "inventory.csv: row 3, Business Impact: expected one of Critical, Supportive, Redundant (found 'Important')",
        "inventory.csv: row 3, Team: expected some text (found an empty cell)",
        "inventory.csv: row 3, Observed On: expected a date written year-month-day, such as 2026-11-05 "
        "(found '3.10.2026')",
        "inventory.csv: row 4, Approx. Number of Customers Impacted Annually: "
        "expected a whole number such as 120000 or 120,000 (found 'many')",
    ]
    assert len(rows) == 1


def test_rows_are_counted_as_a_spreadsheet_counts_them(file: Path) -> None:
    header = ",".join(GOOD)
    quoted = ",".join({**GOOD, "Business Function": '"two\nlines"'}.values())
    bad = ",".join({**GOOD, "Customer Impact": "Nobody"}.values())
    (message,) = messages(file, "\n".join([header, quoted, "", ",,,", bad]) + "\n")
    assert message.startswith("inventory.csv: row 5, Customer Impact: expected one of All, Most, Some, Few")


@pytest.mark.parametrize(
    ("column", "spelling", "field", "value"),
    [
        ("Integration Profile", "fully accessible", "integration_profile", IntegrationProfile.FULLY_ACCESSIBLE),
        ("Integration Profile", "PARTIALLY-ACCESSIBLE", "integration_profile", IntegrationProfile.PARTIALLY_ACCESSIBLE),
        ("Product Dependency", "tightly_coupled", "product_dependency", ProductDependency.TIGHTLY_COUPLED),
        ("Implementation Profile", "custom-system", "implementation_profile", ImplementationProfile.CUSTOM_SYSTEM),
        ("Customer Impact", "Few Customers", "customer_impact", CustomerImpact.FEW),
        ("Customer Impact", "all", "customer_impact", CustomerImpact.ALL),
    ],
)
def test_labels_are_read_whatever_their_case_and_hyphens(
    file: Path, column: str, spelling: str, field: str, value: str
) -> None:
    assert getattr(one_row(file, text({**GOOD, column: spelling})), field) == value


@pytest.mark.parametrize("almost", ["Fully", "Fuly-Accessible", "Accessible", "Fully-Accessible?!x", ""])
def test_a_label_is_never_guessed(file: Path, almost: str) -> None:
    (message,) = messages(file, text({**GOOD, "Integration Profile": almost}))
    assert "expected one of Fully-Accessible, Partially-Accessible, Inaccessible" in message


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("120000", 120_000),
        ("120,000", 120_000),
        ("1,200,000", 1_200_000),
        ("120 000", 120_000),
        ("120\u00a0000", 120_000),
        ("120\u202f000", 120_000),
        ("120'000", 120_000),
        ("120000.0", 120_000),
        ("0", 0),
    ],
)
def test_grouped_numbers_are_read(file: Path, written: str, number: int) -> None:
    row = one_row(file, text({**GOOD, "Approx. Number of Customers Impacted Annually": written}))
    assert row.customers_per_year == number


@pytest.mark.parametrize(
    "written",
    ["120.000", "1,20,000", "12,00", "120,000 500", "-5", "5k", "~500", "1e6", "99999999999999", "10.5", "٣", "1-2"],
)
def test_a_number_that_reads_two_ways_or_none_is_refused(file: Path, written: str) -> None:
    (message,) = messages(file, text({**GOOD, "Approx. Number of Customers Impacted Annually": written}))
    assert message.endswith(f"(found {written!r})")


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**12), st.sampled_from([",", " ", "\u00a0", "'", "\u2019", "\u202f"]))
def test_any_whole_number_survives_grouping(number: int, separator: str) -> None:
    assert read_number(f"{number:,}".replace(",", separator)) == number
    assert read_number(str(number)) == number


@pytest.mark.parametrize("written", ["20261003", "2026-13-01", "2026-02-30", "10/03/2026", "2026-W40-6", "2026-10-3"])
def test_a_date_is_iso_or_refused(file: Path, written: str) -> None:
    (message,) = messages(file, text({**GOOD, "Observed On": written}))
    assert "row 2, Observed On: expected a date written year-month-day" in message


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_shows_the_delimiter(file: Path, delimiter: str) -> None:
    row = {**GOOD, "Business Function": "Support, billing; and \t more"}
    assert one_row(file, text(row, delimiter=delimiter)).business_function == "Support, billing; and more"


def test_a_quoted_header_with_the_other_delimiter_in_it_does_not_mislead(file: Path) -> None:
    row = {"Remarks; free, text": "x", **GOOD}
    assert one_row(file, text(row, delimiter=";")).extras == {"remarks_free_text": "x"}


def test_a_declared_delimiter_is_used(file: Path) -> None:
    rows, errors = read(file, text(GOOD, delimiter="|"), delimiter="|")
    assert (len(rows), errors) == (1, [])


def test_a_delimiter_of_several_characters_is_an_error_of_the_settings(file: Path) -> None:
    assert messages(file, text(GOOD), delimiter="||") == [
        "project.yaml: inventory.delimiter: expected one character, such as ';' (found '||')"
    ]


def test_excels_own_delimiter_line_is_understood_and_not_counted(file: Path) -> None:
    bad = text({**GOOD, "Team": ""}, delimiter=";")
    assert messages(file, "sep=;\r\n" + bad) == ["inventory.csv: row 2, Team: expected some text (found an empty cell)"]


@pytest.mark.parametrize(
    ("bytes_of", "encoding"),
    [
        (lambda content: content.encode("utf-8-sig"), "utf-8"),
        (lambda content: content.encode("utf-16"), "utf-16"),
        (lambda content: content.encode("latin-1"), "latin-1"),
        (lambda content: content.encode("cp1252"), "windows-1252"),
        (lambda content: content.replace("\r\n", "\n").encode(), "utf-8"),
        (lambda content: content.replace("\r\n", "\r").encode(), "utf-8"),
    ],
)
def test_exports_of_spreadsheets_are_read_as_declared(file: Path, bytes_of, encoding: str) -> None:
    row = one_row(file, bytes_of(text({**GOOD, "Business Leader": "Zoë Müller"}, delimiter=";")), encoding)
    assert row.business_leader == "Zoë Müller"


@pytest.mark.parametrize(
    ("content", "declared", "expected"),
    [
        (text({**GOOD, "Team": "Zürich"}).encode("latin-1"), "utf-8", "line 2 is not text in 'utf-8'"),
        (text({**GOOD, "Team": "Zürich"}).encode(), "latin-1", "the file reads as utf-8, not as 'latin-1'"),
        (text({**GOOD, "Team": "Zürich \u2013 Süd"}).encode("cp1252"), "latin-1", "the file reads as windows-1252"),
        (text(GOOD).encode("utf-8-sig"), "latin-1", "begins with the mark of utf-8"),
        (text(GOOD).encode("utf-16"), "utf-8", "begins with the mark of utf-16"),
        (text(GOOD).encode("utf-16-le"), "utf-8", "holds NUL characters"),
        (
            b"PK\x03\x04\x14\x00\x06\x00",
            "utf-8",
            "this is an Excel workbook (.xlsx); in Excel choose Save As, CSV UTF-8",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "utf-8", "this is an old Excel workbook"),
        (
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01",
            "utf-8",
            "this is no text file; an inventory kept as a spread",
        ),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01", "latin-1", "this is no text file"),
        (b"\x1f\x8b\x08\x08\xf0\x01inventory", "utf-8", "must be saved as CSV"),
        (text({**GOOD, "Team": "Z\x02rich \xfc"}).encode("latin-1"), "utf-8", "line 2 is not text in 'utf-8'"),
        (b"", "utf-8", "the file is empty"),
        (b"\xef\xbb\xbf\r\n", "utf-8", "the file is empty"),
        (b"sep=;\r\n", "utf-8", "the file is empty"),
    ],
)
def test_a_file_that_is_not_what_was_declared_is_one_clear_error(
    file: Path, content: bytes, declared: str, expected: str
) -> None:
    (message,) = messages(file, content, declared)
    assert expected in message


@pytest.mark.parametrize("declared", ["klingon", "rot13", "hex"])
def test_an_unknown_encoding_is_an_error_of_the_settings(file: Path, declared: str) -> None:
    (message,) = messages(file, text(GOOD), declared)
    assert message.startswith("project.yaml: inventory.encoding: expected the name of a text encoding")


def test_a_missing_file_and_a_folder_are_errors_not_exceptions(tmp_path: Path) -> None:
    _, (missing,) = read_inventory(tmp_path / "inventory.csv", InventoryFile())
    assert str(missing) == "inventory.csv: the file is missing"
    (tmp_path / "inventory.csv").mkdir()
    _, (folder,) = read_inventory(tmp_path / "inventory.csv", InventoryFile())
    assert "cannot be read" in str(folder)


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest(file: Path) -> None:
    content = text(GOOD, GOOD).replace("Eve Moss", '"Eve Moss', 1)
    (message,) = messages(file, content)
    assert "row 2: expected cells separated by comma" in message
    assert "never closed" in message


def test_a_cell_too_many_is_an_error(file: Path) -> None:
    (message,) = messages(file, text(GOOD).replace("Eve Moss", "Moss, Eve"))
    assert message == (
        "inventory.csv: row 2: expected 13 cells as in the header; put a cell that contains the separator in quotes "
        "(found 14 cells)"
    )


def test_a_header_without_rows_is_an_error(file: Path) -> None:
    assert messages(file, text(GOOD).splitlines()[0]) == [
        "inventory.csv: the file has a header but no rows; add one a system"
    ]


def test_two_systems_with_one_slug_are_an_error_that_names_both(file: Path) -> None:
    (message,) = messages(file, text(GOOD, {**GOOD, "System/Service Name": "Zendesk-Support"}))
    assert message.startswith(
        "inventory.csv: row 3, System/Service Name: 'Zendesk-Support' and 'Zendesk Support' of row 2 would both be "
        "called zendesk_support"
    )


@pytest.mark.parametrize("name", ["???", "客服", "x" * 64])
def test_a_name_that_makes_no_key_is_an_error(file: Path, name: str) -> None:
    (message,) = messages(file, text({**GOOD, "System/Service Name": name}))
    assert "expected a name with a Latin letter" in message


def test_further_columns_go_to_extras_by_slug(file: Path) -> None:
    row = one_row(file, text({**GOOD, "Annual Cost (EUR)": "65,000", "Contract  until": "", "": ""}))
    assert row.extras == {"annual_cost_eur": "65,000", "contract_until": ""}


def test_a_value_under_no_header_is_an_error(file: Path) -> None:
    (message,) = messages(file, text({**GOOD, "": "65000"}))
    assert message == "inventory.csv: row 1: column 14 has no header, but row 2 has a value in it; name it or empty it"


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["utf-8", "latin-1", "utf-16", "windows-1252"]))
def test_no_bytes_make_it_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes, encoding: str) -> None:
    file = tmp_path_factory.mktemp("any") / "inventory.csv"
    rows, errors = read(file, content, encoding)
    assert errors and not rows
