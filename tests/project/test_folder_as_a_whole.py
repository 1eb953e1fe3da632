"""Files that are missing, empty, misplaced or hostile, and the promise that all errors come at once."""

import os
import re
import stat

import pytest

from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.project import CXProject, folder_digest


def errors_of(folder):
    with pytest.raises(InvalidProject) as caught:
        CXProject.load(folder)
    return [str(error) for error in caught.value.errors]


def test_a_folder_that_is_not_there_is_one_error(tmp_path):
    missing = tmp_path / "nowhere"
    assert errors_of(missing) == [f"{missing}: there is no such folder; 'cx init' makes one"]


def test_a_file_in_place_of_the_folder_is_one_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    assert errors_of(file) == [f"{file}: expected a folder"]


def test_an_empty_folder_lacks_each_file_that_a_project_needs(tmp_path):
    assert errors_of(tmp_path) == [
        f"{name}: the file is missing"
        for name in ("inventory.csv", "project.yaml", "scoring.yaml", "decisions.yaml", "identity.yaml")
    ]


def test_services_and_journeys_may_come_later(folder):
    for name in ("services", "journeys"):
        for file in (folder / name).iterdir():
            file.unlink()
        (folder / name).rmdir()
    project = CXProject.load(folder)
    assert project.services == {}
    assert project.journeys == {}


def test_errors_of_all_files_are_told_at_once_in_reading_order(folder):
    for file, old, new in (
        ("inventory.csv", "Supportive", "Nice"),
        ("project.yaml", "currency: USD", "currency: dollars"),
        ("identity.yaml", "region: US", "region: 1"),
        ("services/help_desk.yaml", "kind: rest", "kind: api"),
        ("journeys/purchase.yaml", "version: 1", "version: 0"),
    ):
        (folder / file).write_text((folder / file).read_text().replace(old, new))
    (folder / "scoring.yaml").unlink()
    assert [line.split(":")[0] for line in errors_of(folder)] == [
        "inventory.csv",
        "project.yaml",
        "scoring.yaml",
        "identity.yaml",
        "services/help_desk.yaml",
        "journeys/purchase.yaml",
    ]


def test_a_broken_service_is_not_blamed_on_the_journeys_that_need_it(folder):
    (folder / "services/store_till.yaml").write_text("kind: [")
    assert [line.split(":")[0] for line in errors_of(folder)] == ["services/store_till.yaml"]


def test_a_misnamed_service_is_not_blamed_on_the_journeys_that_need_it(folder):
    (folder / "services/store_till.yaml").rename(folder / "services/store_till.yml")
    assert errors_of(folder) == ["services/store_till.yml: expected the name store_till.yaml"]


def test_a_wrong_decision_does_not_hide_what_is_wrong_with_the_others(folder):
    entry = "  - {{service: {}, disposition: {}, decided_by: Eve, role: lead, decided_on: {}, reason: it is so}}\n"
    (folder / "decisions.yaml").write_text(
        "decisions:\n"
        + entry.format("help_desk", "Integrate", "2026-01-02")
        + entry.format("nosuch", "retire", "2099-01-01")
        + entry.format("newsletter", "retire", "2026-01-02")
        + entry.format("newsletter", "replace", "2026-01-02")
    )
    found = errors_of(folder)
    places = ["2: decisions[0].disposition", "3: decisions[1].service", "3: decisions[1].decided_on"]
    assert [error.split(": expected")[0] for error in found] == [
        f"decisions.yaml:{place}" for place in [*places, "5: decisions[3].decided_on"]
    ]
    assert "decisions[2] has the same date" in found[-1]


def test_dates_of_decisions_are_checked_without_the_inventory_and_the_settings(folder):
    (folder / "inventory.csv").unlink()
    (folder / "project.yaml").write_text("name: [")
    text = (folder / "decisions.yaml").read_text()
    (folder / "decisions.yaml").write_text(text.replace("2026-01-20", "2099-01-01"))
    assert [error.split(": ")[1] for error in errors_of(folder) if "decisions" in error] == ["decisions[0].decided_on"]


@pytest.mark.parametrize(
    ("file", "mistake", "old", "new", "hidden"),
    [
        (
            "project.yaml",
            "curency: USD",
            "start_date: 2026-01-01",
            "start_date: 1026-01-01",
            "start_date: expected a day",
        ),
        ("project.yaml", "curency: USD", "lake: lake", "lake: s3://lake", "stores.lake: expected the path"),
        (
            "scoring.yaml",
            "formule: x",
            "column: business_impact",
            "column: buisness",
            "dimensions.business_impact.column",
        ),
        ("identity.yaml", "regoin: US", "[store_till]", "[till]", "survivorship.city.trusted_services[0]"),
        ("identity.yaml", "regoin: US", "  city:", "  citi:", "survivorship.citi: expected a profile field"),
    ],
)
def test_a_wrong_key_does_not_hide_what_does_not_agree_with_other_files(folder, file, mistake, old, new, hidden):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new) + f"\n{mistake}\n")
    wrong, (missed,) = [[e for e in errors_of(folder) if (hidden in e) is other] for other in (False, True)]
    assert len(wrong) == 1 and "unknown key" in wrong[0]
    assert missed.startswith(f"{file}:")


def test_keys_of_services_are_checked_although_a_namespace_is_wrong(folder):
    identity, service = folder / "identity.yaml", folder / "services/help_desk.yaml"
    identity.write_text(identity.read_text().replace("normalise: phone", "normalise: telephone"))
    service.write_text(service.read_text().replace("email: requester.email", "e_mail: requester.email"))
    assert [error.split(": ")[1] for error in errors_of(folder)] == [
        "namespaces.phone.normalise",
        "streams.tickets.events[0].keys.e_mail",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "decisions.yaml: the file is empty"),
        (b"\n  \n", "decisions.yaml: the file is empty"),
        (b"# nothing yet\n", "decisions.yaml: the file has no values, only comments"),
        (b"decisions:\n- reason: caf\xe9\n", "decisions.yaml:2: expected UTF-8 text; save the file with that encoding"),
        (b"\xff\xfed\x00", "decisions.yaml:1: expected UTF-8 text; save the file with that encoding"),
        (b"decisions: []\n\x00", "decisions.yaml:2: expected text without control characters"),
        (b"decisions: []\n" + b"#" * 1_000_000, "decisions.yaml: expected a file of at most 1,000,000 bytes"),
        (b"- decisions", "decisions.yaml:1: expected keys and values (found a list)"),
        (b"decisions: []\n---\na: 1", "decisions.yaml:2: column 1: expected one document; remove the second '---'"),
        (
            b"decisions: &a [*a]",
            "decisions.yaml:1: column 16: expected an alias of something finished; '*a' contains itself",
        ),
        (b"decisions: *a", "decisions.yaml:1: column 12: expected an anchor '&a' above this alias"),
        (b"<<: {decisions: []}", "decisions.yaml:1: column 1: expected a plain key: no tag, anchor or merge key '<<'"),
        (b"? [1]\n: 2", "decisions.yaml:1: column 3: expected a key that is a plain word"),
        (b"decisions: " + b"[" * 60, "decisions.yaml:1: column 52: expected at most 40 levels of nesting"),
        (
            b"decisions: 1e999",
            "decisions.yaml:1: column 12: expected a number of at most 308 digits; put it in quotes if it is text",
        ),
        (
            b"decisions: .nan",
            "decisions.yaml:1: column 12: expected a finite number; put it in quotes if it is text",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error_with_its_place(folder, content, expected):
    (folder / "decisions.yaml").write_bytes(content)
    assert errors_of(folder) == [expected]


def test_a_byte_order_mark_is_no_error(folder):
    file = folder / "project.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert CXProject.load(folder).settings.name == "Example Outfitters"


def test_a_fifo_in_place_of_a_file_is_not_waited_for(folder):
    (folder / "decisions.yaml").unlink()
    os.mkfifo(folder / "decisions.yaml")
    assert stat.S_ISFIFO((folder / "decisions.yaml").stat().st_mode)
    assert errors_of(folder) == ["decisions.yaml: expected a file"]


def test_a_folder_in_place_of_the_inventory_is_one_error(folder):
    (folder / "inventory.csv").unlink()
    (folder / "inventory.csv").mkdir()
    assert errors_of(folder) == ["inventory.csv: expected a file"]


def test_a_few_bytes_of_aliases_do_not_become_millions_of_values(folder):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (folder / "decisions.yaml").write_text("\n".join(lines))
    assert errors_of(folder) == [
        "decisions.yaml:6: column 10: expected at most 100,000 values, those that aliases repeat included"
    ]


def test_aliases_cannot_nest_deeper_than_text_may(folder):
    lines = ["a0: &a0 [[[[[[[[[[x]]]]]]]]]]", *(f"a{n}: &a{n} [[[[[[[[[[*a{n - 1}]]]]]]]]]]" for n in range(1, 9))]
    (folder / "decisions.yaml").write_text("\n".join(lines))
    assert errors_of(folder) == ["decisions.yaml:4: column 19: expected at most 40 levels of nesting"]


def test_an_alias_repeats_what_its_anchor_names(folder):
    file = folder / "services/store_till.yaml"
    time = '{path: registered_at, format: "%Y-%m-%d %H:%M", time_zone: America/Denver}'
    text = (
        file.read_text()
        .replace(time, f"&registered {time}", 1)
        .replace(f"occurred_at: {time}", "occurred_at: *registered")
    )
    file.write_text(text)
    stream = CXProject.load(folder).services["store_till"].streams["customers"]
    assert stream.events[0].occurred_at == stream.updated_at


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("decision.yaml", "decision.yaml: unknown file; did you mean 'decisions.yaml'?"),
        ("project.yml", "project.yml: unknown file; did you mean 'project.yaml'?"),
        (
            "stuff.yaml",
            "stuff.yaml: unknown file; known are project.yaml, scoring.yaml, decisions.yaml, identity.yaml, "
            "identity_overrides.yaml, funnels.yaml",
        ),
        ("service/crm.yaml", "service/: unknown folder; did you mean 'services/'?"),
        ("services/crm.yml", "services/crm.yml: expected the name crm.yaml"),
        ("services/sales/crm.yaml", "services/sales/crm.yaml: expected it directly in services/"),
    ],
)
def test_a_file_that_would_not_be_read_is_an_error(folder, name, expected):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("a: 1")
    assert errors_of(folder) == [expected]


def test_other_folders_and_hidden_files_are_left_alone(folder):
    (folder / "exports").mkdir()
    (folder / "exports/anything.yaml").write_text("a: [")
    (folder / ".hidden.yaml").write_text("a: [")
    (folder / "services/.store_till.yaml.swp").write_text("x")
    (folder / "README.md").write_text("x")
    CXProject.load(folder)


def test_a_misspelt_key_is_not_reported_as_missing_too(folder):
    file = folder / "services/help_desk.yaml"
    file.write_text(file.read_text().replace("token_env:", "token_evn:"))
    assert errors_of(folder) == [
        "services/help_desk.yaml:13: client.auth.token_evn: unknown key; did you mean 'token_env'?"
    ]


def test_hundreds_of_mistakes_in_one_file_are_cut_short(folder):
    (folder / "decisions.yaml").write_text("decisions:\n" + "- 1\n" * 1000)
    errors = errors_of(folder)
    assert len(errors) == 201
    assert "decisions.yaml: 800 further errors are not shown" in errors


SECRETS = [
    "Bearer hunter2",
    "sk_live_hunter2",
    "eyJhbGciOiJIUzI1NiJ9.hunter2",
    "https://user:hunter2@host/",
    "https://host/?token=hunter2",
    "hunter2f5a9c0e1b7d4826a0c9e8f7d6",
]


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("token_env", "hunter2"),
        *((key, secret) for key in ("token_env", "type", "rate", "description") for secret in SECRETS),
    ],
)
def test_a_pasted_secret_is_never_repeated(folder, key, secret):
    file = folder / "services/help_desk.yaml"
    text, found = re.subn(
        rf"\b{key}: (\{{.*?\}}|\w+)", f'{key}: ["{secret}", {{"{secret}": "{secret}"}}]', file.read_text(), count=1
    )
    assert found
    file.write_text(text)
    listed = errors_of(folder)
    file.write_text(text.replace(f'["{secret}", {{"{secret}": "{secret}"}}]', f'"{secret}"'))
    plain = errors_of(folder) if key != "description" else []
    assert all("hunter2" not in line for line in [*listed, *plain])


def test_a_long_value_is_shown_by_its_beginning(folder):
    file = folder / "project.yaml"
    file.write_text(file.read_text().replace("currency: USD", f"currency: {'usd ' * 100}"))
    [line] = errors_of(folder)
    assert line.endswith("(found 'usd usd usd usd usd usd usd usd usd usd usd usd usd usd us…)")


def test_the_digest_changes_with_any_declaration_and_with_nothing_else(folder):
    before = folder_digest(folder)
    (folder / "drops/store_till/orders-2026-02.csv").write_text("order_no\n")
    (folder / "lake").mkdir()
    assert folder_digest(folder) == before
    seen = {before}
    for file in ("inventory.csv", "scoring.yaml", "services/help_desk.yaml", "journeys/purchase.yaml"):
        (folder / file).write_text((folder / file).read_text() + "\n#\n")
        seen.add(folder_digest(folder))
    (folder / "services/help_desk.yaml").rename(folder / "services/help.yaml")
    seen.add(folder_digest(folder))
    (folder / "decisions.yaml").unlink()
    seen.add(folder_digest(folder))
    assert len(seen) == 7


def test_rubbish_about_mailboxes_is_told_with_its_key_and_what_is_expected(folder):
    shop = 'shop: {sub_address: "--", same_as: [mail]}\n  a.example: {same_as: [a.example]}'
    with (folder / "identity.yaml").open("a") as rules:
        rules.write(f"email_providers:\n  {shop}\n")
    with pytest.raises(InvalidProject) as caught:
        CXProject.load(folder)
    told = [str(error).partition(": ")[2] for error in caught.value.errors]
    assert sorted(told) == [
        "email_providers.shop.same_as[0]: expected a domain in lower case such as shop.example (found 'mail')",
        "email_providers.shop.sub_address: expected one character that is no letter, digit or dot, such as + or - "
        "(found '--')",
        "email_providers.shop: expected a domain in lower case such as shop.example as the key",
    ]
