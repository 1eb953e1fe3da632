"""Whatever stands in a file, loading the folder gives a project or ``InvalidProject``, and never anything else."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.project import CXProject
from cx_orchestration.project.template import write_template
from cx_orchestration.project.yaml_files import YamlProblem, parse_yaml

FILES = [
    "project.yaml",
    "inventory.csv",
    "scoring.yaml",
    "decisions.yaml",
    "identity.yaml",
    "identity_overrides.yaml",
    "services/store_till.yaml",
    "services/help_desk.yaml",
    "journeys/purchase.yaml",
]

FUZZ = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.sampled_from(
        ["2026-01-01", "${X}", "%", "email", "order.placed", "store_till", "utf-16", "rot13", "[key]", "a.b"]
    ),
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8) | st.just("type"), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "company"
    write_template(folder)
    return folder


def load_with(folder, file, content):
    right = (folder / file).read_bytes()
    (folder / file).write_bytes(content)
    try:
        CXProject.load(folder, {})
    except InvalidProject as invalid:
        assert invalid.errors
        assert all(error.expected and "\n" not in error.path + error.value for error in invalid.errors)
    finally:
        (folder / file).write_bytes(right)


@pytest.mark.parametrize("file", FILES)
@FUZZ
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes(pristine, file, content):
    load_with(pristine, file, content)


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith(".yaml")])
@FUZZ
@given(document=documents)
def test_any_values(pristine, file, document):
    load_with(pristine, file, json.dumps(document).encode())


def places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield from places(below, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("file", [file for file in FILES if file.endswith(".yaml")])
@FUZZ
@given(data=st.data())
def test_any_value_in_place_of_a_right_one(pristine, file, data):
    right = parse_yaml((pristine / file).read_text()).values
    path = data.draw(st.sampled_from(list(places(right))))
    broken = replaced(right, path, data.draw(documents))
    load_with(pristine, file, json.dumps(broken).encode())


@FUZZ
@given(text=st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,?<~\\ \t\n0.e_", max_size=60))
def test_any_text_of_yaml_signs_gives_values_or_a_problem(text):
    try:
        parse_yaml(text)
    except YamlProblem as problem:
        assert problem.expected


@FUZZ
@given(document=documents)
def test_json_reads_as_what_it_says(document):
    text = json.dumps(document)
    try:
        assert parse_yaml(text).values == document
    except YamlProblem as problem:
        assert "digits" in problem.expected or "character" in problem.expected or "valid YAML" in problem.expected
