"""What Dagster's UI says about assets and checks is Markdown for people who know none of the project's documents."""

import re

from demo_site import Site

from cx_orchestration.definitions import build_defs

#: The number of a requirement, as in "(I2)", and reStructuredText's code.
MEANINGLESS = re.compile(r"\([A-Z]\d|``")


def test_descriptions_of_assets_and_checks_have_neither_requirement_numbers_nor_foreign_markup(site: Site) -> None:
    graph = build_defs(site.project).resolve_asset_graph()
    told = {key.to_user_string(): graph.get(key).description or "" for key in graph.get_all_asset_keys()}
    told |= {
        f"{key.asset_key}:{key.name}": graph.get_check_spec(key).description or "" for key in graph.asset_check_keys
    }
    assert any("Warns of" in description for description in told.values())
    assert {name: text for name, text in told.items() if MEANINGLESS.search(text)} == {}
