"""Values that only one person can have, from keys to the map: what the assets make of them, night by night."""

import dataclasses
import datetime as dt

import dagster as dg

from cx_orchestration.assets.identity import identity_map, links
from cx_orchestration.identity.resolve import resolve
from cx_orchestration.identity.vetoes import unique_keys
from cx_orchestration.model.identity import IdentityConfig
from cx_orchestration.model.identity_overrides import Override
from cx_orchestration.model.tables import IDENTITY_MAP, RESOLVED
from cx_orchestration.project import CXProject
from cx_orchestration.project.template import write_template

CONFIG = IdentityConfig.model_validate(
    {
        "region": "US",
        "namespaces": {
            "email": {"normalise": "email"},
            "loyalty": {"normalise": "number", "unique": True},
            "birth_date": {"normalise": "date", "strength": "weak", "unique": True},
        },
        "matching": {"enabled": False},
    }
)
TOGETHER = Override(
    left="crm/1", right="desk/1", decision="always", by="data steward", on=dt.date(2026, 2, 1), why="a mistyped number"
)


def people(date_at_desk: str = "1991-04-05") -> dict[str, dict[str, str]]:
    return {
        "crm/1": {"email": "one@example.com", "loyalty": "L-100200"},
        "desk/1": {"email": "one@example.com", "loyalty": "L-100201"},
        "crm/2": {"email": "two@example.com", "birth_date": "1990-04-05"},
        "desk/2": {"email": "two@example.com", "birth_date": date_at_desk},
        "till/2": {"email": "two@example.com"},
    }


def together(company, left: str, right: str) -> bool:
    return company.who()[left] == company.who()[right]


def test_records_that_share_an_email_and_not_a_unique_value_stay_apart_until_people_or_a_correction_join_them(
    new_company, tmp_path
) -> None:
    company = new_company(CONFIG)
    write_template(tmp_path / "project")
    project = dataclasses.replace(CXProject.load(tmp_path / "project"), identity=CONFIG)

    def night(entities, *decisions: Override) -> tuple[bool, bool]:
        company.now += dt.timedelta(days=1)
        company.show(entities)
        decided = dataclasses.replace(project, overrides=decisions)
        resources = {"project": decided, "lake": company.lake, "engine": company.engine, "analytics": company.engine}
        with dg.DagsterInstance.ephemeral() as instance:
            assert dg.materialize([links, identity_map], resources=resources, instance=instance).success
        return together(company, "crm/1", "desk/1"), together(company, "crm/2", "desk/2")

    assert night(people()) == (False, False), "loyalty numbers differ; birth dates differ"
    assert sorted(map(len, company.groups())) == [1, 1, 1, 2], "who gives no birth date belongs to one of the two"
    assert night(people(), TOGETHER) == (True, False), "people outweigh it"
    assert night(people(date_at_desk="4/5/1990")) == (False, True), "the decision is gone; the date is corrected"


def test_nights_in_which_unique_values_change_end_where_looking_at_everything_does(new_company) -> None:
    by_night, anew = new_company(CONFIG), new_company(CONFIG)
    lax = IdentityConfig.model_validate(CONFIG.model_dump() | {"namespaces": {"email": {"normalise": "email"}}})
    nights = [
        (lax, "4/5/1990", (True, True)),
        (CONFIG, "4/5/1990", (False, True)),
        (CONFIG, "1991-04-05", (False, False)),
    ]
    for config, date, expected in nights:
        anew.lake.replace(RESOLVED, RESOLVED.empty(), run_id="forget")
        for company in (by_night, anew):
            company.config = config
            company.links(people(date))
            unique = unique_keys(company.lake, company.engine, config)
            resolve(company.lake, company.engine, unique=unique, now=company.now, run_id="night")
            assert (together(company, "crm/1", "desk/1"), together(company, "crm/2", "desk/2")) == expected
        assert by_night.lake.content_hash(IDENTITY_MAP) == anew.lake.content_hash(IDENTITY_MAP)


def test_a_birth_date_with_day_and_month_swapped_forbids_nothing_and_another_one_does(new_company) -> None:
    company = new_company(CONFIG)
    for date, joined in (("1990-05-04", True), ("1990-05-05", False), ("1991-04-05", False)):
        company.links(people(date))
        unique = unique_keys(company.lake, company.engine, CONFIG)
        resolve(company.lake, company.engine, unique=unique, now=company.now, run_id="night")
        assert together(company, "crm/2", "desk/2") is joined, date
