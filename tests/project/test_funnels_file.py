"""funnels.yaml: what is refused, all of it at once, by its place in the file."""

import pytest

from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.project import CXProject

SOUND = """
  second_order:
    semantics: first_touch
    window_days: 30
    steps:
      - {step: first, on: [order.completed]}
      - {step: again, on: [order.completed], when: [{name: amount, at_least: 20}]}
"""


def errors_of(folder, text: str) -> list[str]:
    (folder / "funnels.yaml").write_text(f"funnels:\n{text}")
    with pytest.raises(InvalidProject) as caught:
        CXProject.load(folder)
    return [str(error) for error in caught.value.errors]


def test_a_project_does_without_the_file_and_reads_it_when_it_is_there(folder):
    assert CXProject.load(folder).funnels == {}
    (folder / "funnels.yaml").write_text(f"funnels:\n{SOUND}")
    funnel = CXProject.load(folder).funnels["second_order"]
    assert ([step.step for step in funnel.steps], funnel.semantics) == (["first", "again"], "first_touch")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "first_touch",
            "last_touch",
            "funnels.second_order.semantics: expected 'first_touch' or 'any_start'",
        ),
        ("on: [order.completed]}", "on: [order.complet]}", "steps[0].on[0]: expected an event type that some service"),
        ("step: again", "step: first", "two steps are called 'first'"),
        ("      - {step: first, on: [order.completed]}\n", "", "a funnel needs at least two steps"),
        ("name: amount", "name: amout", "steps[1].when[0].name: expected metadata that some service gives order.comp"),
        ("at_least: 20", "above: 5, below: 3", "steps[1].when: no event can fit all of these: remove one (found "),
        ("  second_order:", "  purchase:", "funnels.purchase: expected a name that no journey has"),
        ("    window_days: 30\n", "", "funnels.second_order.window_days: is missing"),
    ],
)
def test_what_cannot_be_meant_is_told_by_its_place(folder, old, new, expected):
    assert old in SOUND
    (error,) = errors_of(folder, SOUND.replace(old, new, 1))
    assert expected in error


def test_one_broken_funnel_hides_no_mistake_of_another(folder):
    unknown = SOUND.replace("second_order", "other").replace("order.completed", "order.compleated", 1)
    told = errors_of(folder, SOUND.replace("first_touch", "last_touch") + unknown)
    assert len(told) == 2
    assert "did you mean 'order.completed'?" in told[1]
