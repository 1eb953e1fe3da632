"""A service's file that says only what differs from a ready-made declaration."""

import json

import jsonschema
import pytest
from typer.testing import CliRunner

from cx_orchestration.cli import app
from cx_orchestration.integration.validate import check_service
from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.project import CXProject
from cx_orchestration.project.environment import variables_named
from cx_orchestration.project.ready_made import READY_MADE, extended, ready_made, ready_made_names
from cx_orchestration.project.schemas import SERVICE, SHIPPED
from cx_orchestration.project.supplies import event_types, namespaces
from cx_orchestration.project.yaml_files import parse_yaml, read_yaml

BASE = """\
service: vendor
kind: rest
client:
  base_url: ${VENDOR_URL}
  auth: {type: bearer, token_env: VENDOR_TOKEN}
  headers: {Accept: application/json, Version: "2"}
streams:
  tickets:
    settle_hours: 1
    events: [{type: a.b}, {type: c.d}]
  users:
    record_id: id
"""


@pytest.fixture
def bases(tmp_path):
    folder = tmp_path / "bases"
    folder.mkdir()
    (folder / "vendor.yaml").write_text(BASE)
    return folder


def laid_over(bases, text):
    content, errors = extended("services/our_desk.yaml", parse_yaml(text), bases)
    assert errors == []
    return content.values


def test_mappings_merge_deeply_and_other_values_replace(bases):
    values = laid_over(
        bases,
        "service: our_desk\nextends: vendor\nclient: {headers: {Version: '3'}}\n"
        "streams: {tickets: {settle_hours: 5, events: [{type: e.f}]}}\n",
    )
    assert values == {
        "service": "our_desk",
        "extends": "vendor",
        "kind": "rest",
        "client": {
            "base_url": "${VENDOR_URL}",
            "auth": {"type": "bearer", "token_env": "VENDOR_TOKEN"},
            "headers": {"Accept": "application/json", "Version": "3"},
        },
        "streams": {"tickets": {"settle_hours": 5, "events": [{"type": "e.f"}]}, "users": {"record_id": "id"}},
    }


def test_null_removes_a_stream_and_a_key(bases):
    values = laid_over(
        bases, "extends: vendor\nclient: {headers: null}\nstreams: {users: null, tickets: {events: null}}\n"
    )
    assert values["streams"] == {"tickets": {"settle_hours": 1}}
    assert set(values["client"]) == {"base_url", "auth"}


def test_a_mapping_of_another_type_replaces_the_whole_mapping(bases):
    text = "extends: vendor\nclient: {auth: {type: basic, username_env: A, password_env: B}}\n"
    assert laid_over(bases, text)["client"]["auth"] == {"type": "basic", "username_env": "A", "password_env": "B"}
    same = "extends: vendor\nclient: {auth: {token_env: OTHER}}\n"
    assert laid_over(bases, same)["client"]["auth"] == {"type": "bearer", "token_env": "OTHER"}


def test_nothing_of_a_base_changes_when_it_is_extended(bases):
    laid_over(bases, "extends: vendor\nstreams: {tickets: {events: null}, users: null}\n")
    assert laid_over(bases, "extends: vendor\n") == {**parse_yaml(BASE).values, "extends": "vendor"}


def test_removing_what_is_not_there_is_an_error_with_a_suggestion(bases):
    _, errors = extended("services/x.yaml", parse_yaml("extends: vendor\nstreams:\n  tickts: null\n"), bases)
    assert [str(error) for error in errors] == [
        "services/x.yaml:3: streams.tickts: expected a value: null removes a key of the ready-made vendor.yaml, "
        "which has none of this name; did you mean 'tickets'? (found nothing)"
    ]


# --- in a project ---------------------------------------------------------------------------------------------------


@pytest.fixture
def extend(folder):
    """Declares the project's newsletter by extending something, and loads the project."""

    def load(text):
        (folder / "services/newsletter.yaml").write_text(text)
        try:
            return CXProject.load(folder).services["newsletter"]
        except InvalidProject as invalid:
            return [str(error) for error in invalid.errors]

    return load


def test_a_service_of_two_lines_is_the_ready_made_one_under_another_name(extend):
    service = extend("service: newsletter\nextends: survey\n")
    assert service == ready_made("survey").model_copy(update={"service": "newsletter", "extends": "survey"})


def test_an_unknown_name_is_an_error_that_names_the_known_ones(extend):
    known = ", ".join(ready_made_names())
    assert extend("service: newsletter\nextends: survy\n") == [
        f"services/newsletter.yaml:2: extends: expected a ready-made service ({known}); did you mean 'survey'? "
        "(found 'survy')"
    ]
    assert extend("service: newsletter\nextends: [surveys]\n") == [
        f"services/newsletter.yaml:2: extends: expected a ready-made service ({known}) (found a list)"
    ]


def test_under_an_unknown_name_only_what_is_wrong_under_any_is_told_as_well(extend):
    errors = extend(
        "service: newsletter\nextends: nobody\nknd: rest\nclient: {timeout_seconds: soon}\n"
        "streams: {tickets: {settle_hours: 3}}\n"
    )
    assert [error.split(": ")[1] for error in errors] == ["extends", "knd", "client.timeout_seconds"]


def test_what_the_file_itself_says_wrong_is_told_at_its_own_line_and_without_the_base(extend):
    assert extend(
        "service: newsletter\nextends: survey\nstreams:\n  answers:\n    settle_hours: long\n    setle_hours: 1\n"
    ) == [
        "services/newsletter.yaml:5: streams.answers.settle_hours: "
        "expected a whole number of at least 0 and of at most 8784 (found 'long')",
        "services/newsletter.yaml:6: streams.answers.setle_hours: unknown key; did you mean 'settle_hours'?",
    ]


def line_in_survey(path):
    return read_yaml(READY_MADE / "survey.yaml").line_of(path)


def test_an_error_in_what_was_inherited_names_the_projects_file_and_the_base(extend, folder):
    for file in ("identity.yaml", "services/store_till.yaml", "services/help_desk.yaml"):
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace(" email:", " e_mail:"))
    errors = extend("service: newsletter\n\nextends: survey\n")
    line = line_in_survey("streams.answers.events[0].keys.email")
    assert errors[0] == (
        "services/newsletter.yaml:3: streams.answers.events[0].keys.email: expected a namespace of identity.yaml; "
        "did you mean 'e_mail'?; add it to namespaces in identity.yaml, or declare these events anew without it; "
        f"inherited from the ready-made survey.yaml, line {line} (found 'email')"
    )


def test_an_inherited_key_that_identity_does_not_know_comes_with_both_cures(extend):
    (error,) = extend("service: newsletter\nextends: zendesk\n")
    line = read_yaml(READY_MADE / "zendesk.yaml").line_of("streams.users.profile.keys.login")
    assert error == (
        "services/newsletter.yaml:2: streams.users.profile.keys.login: expected a namespace of identity.yaml; "
        "add it to namespaces in identity.yaml, or write keys: {login: null}; "
        f"inherited from the ready-made zendesk.yaml, line {line} (found 'login')"
    )
    service = extend("service: newsletter\nextends: zendesk\nstreams: {users: {profile: {keys: {login: null}}}}\n")
    assert set(service.streams["users"].profile.keys) == {"email", "phone"}


def test_the_login_of_the_template_is_a_comment_away(extend, folder):
    identity = folder / "identity.yaml"
    text = identity.read_text().replace("# login:", "login:").replace("#   normalise", "  normalise")
    identity.write_text(text)
    service = extend("service: newsletter\nextends: zendesk\n")
    assert "login" in service.streams["users"].profile.keys


def test_an_error_that_both_files_make_together_says_so(extend):
    errors = extend("service: newsletter\nextends: survey\nstreams:\n  answers:\n    sweep: hash\n")
    line = line_in_survey("streams.answers")
    assert errors == [
        "services/newsletter.yaml:4: streams.answers: a stream needs exactly one of 'updated_at' and 'sweep'; "
        f"partly inherited from the ready-made survey.yaml, line {line}"
    ]


def test_what_null_removed_although_it_is_needed_is_missing_in_the_projects_file(extend):
    assert extend("service: newsletter\nextends: survey\nstreams:\n  answers:\n    record_id: null\n") == [
        "services/newsletter.yaml:5: streams.answers.record_id: is missing"
    ]


def test_a_file_without_a_service_of_its_own_has_the_bases_name(extend):
    errors = extend("extends: survey\n")
    assert errors[0].startswith(
        "services/newsletter.yaml:1: service: expected 'newsletter' as in the file's name, or the"
    )
    assert errors[0].endswith(
        f"inherited from the ready-made survey.yaml, line {line_in_survey('service')} (found 'survey')"
    )


def test_secrets_are_refused_and_not_repeated_in_a_file_that_extends(extend):
    errors = extend(
        "service: newsletter\nextends: survey\nclient:\n  headers: {Authorization: sk_live_canary}\n"
        "  auth: {token_env: sk_live_canary1234567890}\n"
    )
    assert len(errors) == 1  # the shape comes first
    errors += extend("service: newsletter\nextends: survey\nclient: {headers: {Authorization: sk_live_canary}}\n")
    assert "expected no credentials here" in errors[1]
    assert "canary" not in "".join(errors)


# --- editors --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(json.loads((SHIPPED / SERVICE.schema_file).read_text()))


@pytest.mark.parametrize(
    "text",
    [
        "extends: survey",
        "{service: x, extends: survey, streams: {answers: null}}",
        "{extends: survey, client: {auth: {token_env: OTHER}, rate: null}}",
        "{extends: survey, streams: {answers: {endpoint: {params: {per_page: 50, x: null}, window: {max_days: 1}}}}}",
        "{extends: survey, streams: {answers: {updated_at: {format: epoch_s}, record_id: {scale: null}}}}",
    ],
)
def test_with_extends_the_schema_requires_nothing_and_allows_null(validator, text):
    assert list(validator.iter_errors(parse_yaml(text).values)) == []


@pytest.mark.parametrize(
    "text",
    [
        "service: x",
        "extends: nobody",
        "{extends: survey, knd: rest}",
        "{extends: survey, client: {auth: {tokn_env: OTHER}}}",
        "{extends: survey, streams: {answers: {settle_hours: soon}}}",
        "{extends: survey, streams: {answers: {events: [{type: a.b}]}}}",  # lists replace, so they must be whole
        "{service: x, kind: rest, streams: {answers: null}}",
    ],
)
def test_the_schema_refuses_what_is_wrong_in_any_case(validator, text):
    assert not validator.is_valid(parse_yaml(text).values)


# --- the ready-made ones --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ready_made_names())
def test_each_ready_made_declaration_is_right_by_itself(name, validator):
    declaration = ready_made(name)
    assert declaration.service == name
    assert declaration.extends is None
    assert declaration.description
    assert check_service(declaration) == []
    assert list(validator.iter_errors(read_yaml(READY_MADE / f"{name}.yaml").values)) == []


@pytest.mark.parametrize("name", ready_made_names())
def test_the_document_says_what_each_needs_and_gives(name):
    text = (READY_MADE.parent.parent / "docs/ready-made-services.md").read_text(encoding="utf-8")
    section = text.split(f"## {name}\n")[1].split("\n## ")[0]
    declaration = ready_made(name)
    named = {
        *variables_named(declaration.model_dump(mode="json")),
        *declaration.streams,
        *namespaces(declaration),
        *event_types(declaration),
    }
    assert {word for word in named if f"`{word}`" not in section} == set()


def test_services_lists_what_each_ready_made_one_needs():
    output = CliRunner().invoke(app, ["services"]).output
    assert [line.split(":")[0] for line in output.splitlines() if line and line[0] != " "] == ready_made_names()
    assert "environment SURVEY_URL, SURVEY_TOKEN" in output


def test_services_prints_one_to_read_or_to_copy():
    assert (
        CliRunner().invoke(app, ["services", "survey"]).output.rstrip()
        == (READY_MADE / "survey.yaml").read_text().rstrip()
    )


def test_services_suggests_a_name():
    result = CliRunner().invoke(app, ["services", "survy"])
    assert (result.exit_code, result.stderr) == (
        1, "error: there is no ready-made service 'survy'; did you mean 'survey'?; 'cx services' lists them\n",
    )  # fmt: skip
