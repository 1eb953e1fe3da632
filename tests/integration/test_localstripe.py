"""A system that nobody here wrote: localstripe, read by the declaration that reads the demo's billing."""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
import requests
import yaml

from cx_orchestration.integration.landing import land
from cx_orchestration.integration.mapping import map_events
from cx_orchestration.integration.profiles import map_profiles
from cx_orchestration.integration.source import ServiceSource
from cx_orchestration.model.days import DayRange
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.tables import EVENTS, REJECTED_RECORDS, landed
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

KEY = "sk_test_canary"
GOOD_CARD, CARD_THAT_IS_REFUSED_LATER = "4242424242424242", "4000000000000341"
CHARGES = 103  # more than one page


class Stripe:
    """A client of the API that only a test needs: it makes things."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {KEY}"

    def make(self, kind: str, *, refused: bool = False, **form: Any) -> dict[str, Any]:
        response = self._session.post(f"{self.url}/v1/{kind}", data=form, timeout=30)
        assert response.status_code == (402 if refused else 200), response.text
        return dict(response.json())

    def look_up(self, kind: str, record_id: str, **params: str) -> dict[str, Any]:
        response = self._session.get(f"{self.url}/v1/{kind}/{record_id}", params=params, timeout=30)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def customer(self, name: str, card: str) -> dict[str, Any]:
        token = self.make(
            "tokens", **{"card[number]": card, "card[exp_month]": 12, "card[exp_year]": 2039, "card[cvc]": 123}
        )
        form = {"email": f"{name}@example.org", "name": name, "source": token["id"], "metadata[login]": f"login-{name}"}
        return self.make("customers", **form)


@pytest.fixture
def stripe() -> Iterator[Stripe]:
    script = Path(__file__).with_name("localstripe_server.py")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Stripe(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.terminate()
            process.wait(10)


def source_for(url: str, key: str = KEY) -> ServiceSource:
    text = files("cx_orchestration.demo").joinpath("project/services/stripe.yaml").read_text()
    declaration = ServiceDeclaration.model_validate(yaml.safe_load(text))
    environ = {"CX_STRIPE_URL": url, "CX_STRIPE_TOKEN": key}
    return ServiceSource(declaration, zone=ZoneInfo("UTC"), folder=Path(), environ=environ)


def around(created: int) -> DayRange:
    """The days before and after as well: the test may run over midnight."""
    day = dt.datetime.fromtimestamp(created, dt.UTC).date()
    return DayRange(day - dt.timedelta(days=1), day + dt.timedelta(days=1))


def test_localstripe_is_read_record_for_record(stripe: Stripe, lake: Lake, engine: Engine) -> None:
    ada = stripe.customer("ada", GOOD_CARD)
    ben = stripe.customer("ben", CARD_THAT_IS_REFUSED_LATER)
    paid = [
        stripe.make("charges", customer=ada["id"], amount=1000 + n, currency="usd", **{"metadata[product]": "beans"})
        for n in range(CHARGES)
    ]
    refused = stripe.make("charges", refused=True, customer=ben["id"], amount=777, currency="usd")
    refund = stripe.make("refunds", charge=paid[4]["id"], amount=500)

    now = dt.datetime.now(dt.UTC)
    days = around(ada["created"])
    source = source_for(stripe.url)
    declaration = source.declaration
    landings = {name: land(lake, source, name, days, run_id="r", now=now) for name in declaration.streams}
    source.close()
    assert all(not landing.failures and landing.outside == 0 for landing in landings.values())
    assert landings["charges"].requests == 2

    def payloads(stream: str) -> dict[str, Any]:
        rows = lake.read(landed("stripe", stream)).to_pylist()
        return {row["record_id"]: orjson.loads(row["payload"]) for row in rows}

    assert payloads("customers") == {made["id"]: stripe.look_up("customers", made["id"]) for made in (ada, ben)}
    charges = payloads("charges")
    failed = refused["error"]["charge"]
    assert charges == {each: stripe.look_up("charges", each) for each in [*(made["id"] for made in paid), failed]}
    assert payloads("refunds") == {refund["id"]: stripe.look_up("refunds", refund["id"], **{"expand[]": "charge"})}

    mapped = map_events(engine, lake, declaration, days, run_id="r")
    events = {row["record_id"]: row for row in lake.read(EVENTS).to_pylist()}
    assert lake.read(REJECTED_RECORDS).num_rows == 0
    assert mapped.by_stream == {"charges": CHARGES + 1, "refunds": 1}
    assert {events[made["id"]]["type"] for made in paid} == {"payment.succeeded"}
    assert sum(events[made["id"]]["amount"] for made in paid) == Decimal(sum(1000 + n for n in range(CHARGES))) / 100
    assert (events[failed]["type"], events[failed]["entity"], events[failed]["amount"]) == (
        "payment.failed", ben["id"], None,
    )  # fmt: skip
    given_back = events[refund["id"]]
    assert (given_back["type"], given_back["entity"], given_back["amount"], given_back["currency"]) == (
        "refund.issued", ada["id"], Decimal("-5.0000"), "USD",
    )  # fmt: skip

    profiles = {row["entity"]: row for row in map_profiles(engine, lake, {"stripe": declaration}).profiles.to_pylist()}
    assert set(profiles) == {ada["id"], ben["id"]}
    assert profiles[ada["id"]]["name"] == "ada"
    assert profiles[ada["id"]]["keys"] == [
        {"namespace": "email", "value": "ada@example.org"}, {"namespace": "login", "value": "login-ada"},
    ]  # fmt: skip


def test_a_wrong_key_is_one_clear_failure(stripe: Stripe, lake: Lake) -> None:
    now = dt.datetime.now(dt.UTC)
    source = source_for(stripe.url, key="wrong_canary")
    landing = land(lake, source, "charges", around(int(now.timestamp())), run_id="r", now=now)
    source.close()
    assert landing.requests == 1
    assert {str(failure) for failure in landing.failures.values()} == {
        "stripe/charges: /v1/charges refused the credentials (HTTP 401): check the environment variable CX_STRIPE_TOKEN"
    }
