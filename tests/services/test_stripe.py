"""Stripe by its ready-made declaration: windows of 'created', events for what is gone, whole lists of subscriptions."""

from decimal import Decimal
from typing import Any

from pytest_httpserver import HTTPServer
from stripe_server import KEY, Stripe
from vendor_server import Record, at, epoch
from vendor_site import Site, march, site

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.model.failures import PermanentFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake


def charge(charge_id: str, day: int, hour: int = 12, minute: int = 0, **changes: Any) -> Record:
    return {
        "id": charge_id,
        "object": "charge",
        "created": epoch(at(day, hour, minute)),
        "status": "succeeded",
        "captured": True,
        "amount": 1999,
        "amount_captured": 1999,
        "currency": "usd",
        "customer": "cus_1",
        "billing_details": {"email": "ada@example.org"},
        "payment_method_details": {"type": "card"},
        **changes,
    }


def customer(customer_id: str, day: int, **changes: Any) -> Record:
    return {
        "id": customer_id,
        "created": epoch(at(day)),
        "name": "Ada Canary",
        "email": "ada@example.org",
        "phone": None,
        "address": {"line1": "1 Main St", "postal_code": "80201", "city": "Denver", "country": "US"},
        **changes,
    }


def happened(event_id: str, kind: str, day: int, hour: int = 12, **data: Any) -> Record:
    return {"id": event_id, "type": kind, "created": epoch(at(day, hour)), "data": {"object": data}}


def account(httpserver: HTTPServer, lake: Lake, server: Stripe, **options: Any) -> Site:
    return site(httpserver, lake, "stripe", server, {"STRIPE_TOKEN": KEY}, **options)


def test_days_hold_exactly_the_charges_made_in_them(httpserver: HTTPServer, lake: Lake) -> None:
    charges = [charge(f"ch_{day}{n:03}", day, n % 24) for day in (4, 5, 6, 7) for n in range(150)]
    shop = account(httpserver, lake, Stripe({"charges": charges}))
    expected = {day: [f"ch_{day}{n:03}" for n in range(150)] for day in (5, 6)}
    assert shop.landed("charges", 5, 6) == expected


def test_what_is_made_while_pages_are_read_moves_none(httpserver: HTTPServer, lake: Lake) -> None:
    server = Stripe({"charges": [charge(f"ch_{n:03}", 5, n % 24) for n in range(250)]})
    server.on_list = lambda name: server.lists["charges"].insert(0, charge(f"ch_new{len(server.asked)}", 5, 23, 59))
    shop = account(httpserver, lake, server)
    landed = shop.landed("charges", 5, 5)[5]
    assert set(landed) >= {f"ch_{n:03}" for n in range(250)}


def test_a_debit_that_succeeds_days_later_is_read_again(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    server = Stripe({"charges": [charge("ch_1", 5, status="pending")]})
    shop = account(httpserver, lake, server)
    shop.landed("charges", 5, 5)
    assert shop.events(engine, 5, 5) == []
    server.lists["charges"][0]["status"] = "succeeded"
    assert shop.declaration.streams["charges"].lookback_days == 7
    shop.landed("charges", 5, 9)
    assert [event[0] for event in shop.events(engine, 5, 9)] == ["payment.succeeded"]


def test_a_deleted_customer_is_deleted_although_no_list_has_it(httpserver: HTTPServer, lake: Lake) -> None:
    server = Stripe({"customers": [customer("cus_1", 5), customer("cus_2", 5)]})
    shop = account(httpserver, lake, server)
    assert shop.landed("customers", 5, 5) == {5: ["cus_1", "cus_2"]}
    del server.lists["customers"][1]
    gone = [happened("evt_1", "customer.deleted", 6, id="cus_2"), happened("evt_2", "customer.updated", 6, id="cus_1")]
    server.lists["events"] = gone
    shop.land("customers", 6, 6)
    assert shop.deleted("customers") == {6: ["cus_2"]}


def test_a_subscription_of_long_ago_that_ends_today_is_seen(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    started = {"start_date": epoch(at(1)), "created": epoch(at(1)), "customer": "cus_1", "items": {"data": []}}
    subscriptions = [{"id": f"sub_{n}", "status": "active", "ended_at": None, **started} for n in range(3)]
    server = Stripe({"subscriptions": subscriptions})
    shop = account(httpserver, lake, server)
    shop.landed("subscriptions", 8, 8)
    subscriptions[1] |= {"status": "canceled", "ended_at": epoch(at(9, 8))}
    assert shop.landed("subscriptions", 9, 9) == {8: ["sub_0", "sub_1", "sub_2"], 9: ["sub_1"]}
    ended = [event for event in shop.events(engine, 8, 9) if event[0] == "subscription.cancelled"]
    assert ended == [("subscription.cancelled", "09 08:00", "web", "cus_1", None, None)]


def test_25_requests_a_second_are_never_exceeded(httpserver: HTTPServer, lake: Lake) -> None:
    def change(values: Record) -> None:
        endpoint = values["streams"]["charges"]["endpoint"]
        endpoint["params"] = {**endpoint["params"], "limit": 5}

    server = Stripe({"charges": [charge(f"ch_{n:05}", 5, n % 24) for n in range(300)]})
    shop = account(httpserver, lake, server, change=change, own_rate=True)
    assert len(shop.landed("charges", 5, 5)[5]) == 300
    assert server.count("/v1/charges") == 60, "none was refused"


def test_an_unknown_parameter_fails_for_good(httpserver: HTTPServer, lake: Lake) -> None:
    def change(values: Record) -> None:
        endpoint = values["streams"]["charges"]["endpoint"]
        endpoint["params"] = {**endpoint["params"], "updated[gte]": "{window.start}"}

    failure = account(httpserver, lake, Stripe({}), change=change).land("charges", 5, 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)
    assert "HTTP 400" in str(failure)


def test_without_a_version_of_its_own_the_account_decides_the_shape(httpserver: HTTPServer, lake: Lake) -> None:
    def change(values: Record) -> None:
        values["client"]["headers"] = {}

    failure = account(httpserver, lake, Stripe({}), change=change).land("charges", 5, 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)


def test_a_wrong_key_is_named(httpserver: HTTPServer, lake: Lake) -> None:
    shop = site(httpserver, lake, "stripe", Stripe({}), {"STRIPE_TOKEN": "sk_another"})
    failure = shop.land("charges", 5, 5).failures[march(5)]
    assert isinstance(failure, CredentialsRefused)
    assert "STRIPE_TOKEN" in str(failure)


def test_what_records_stand_for(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    guest = {"customer": None, "billing_details": {"email": "guest@example.org"}}
    server = Stripe(
        {
            "customers": [customer("cus_1", 5)],
            "charges": [
                charge("ch_1", 5, 8),
                charge("ch_2", 5, 9, currency="jpy", amount=500, amount_captured=500),
                charge("ch_3", 5, 10, currency="kwd", amount=1500, amount_captured=1500, **guest),
                charge("ch_4", 5, 11, captured=False, amount_captured=0),
                charge("ch_5", 5, 12, status="failed", amount_captured=0),
                charge("ch_6", 5, 13, amount_captured=999),
            ],
            "refunds": [
                {"id": "re_1", "created": epoch(at(5, 14)), "status": "succeeded", "charge": "ch_1", "amount": 1000,
                 "currency": "usd", "reason": "requested_by_customer"},
                {"id": "re_2", "created": epoch(at(5, 15)), "status": "succeeded", "charge": "ch_2", "amount": 500,
                 "currency": "jpy", "reason": None},
            ],
            "invoices": [
                {"id": "in_1", "created": epoch(at(5, 7)), "customer": "cus_1", "customer_email": "ada@example.org",
                 "status_transitions": {"finalized_at": epoch(at(5, 16))}, "billing_reason": "manual"},
                {"id": "in_2", "created": epoch(at(5, 7)), "customer": "cus_1", "customer_email": None,
                 "status_transitions": {"finalized_at": None}, "billing_reason": "manual"},
            ],
            "events": [
                happened("evt_1", "invoice.paid", 5, 17, id="in_1", customer="cus_1"),
                happened("evt_2", "customer.updated", 5, 18, **customer("cus_1", 5, name="Ada Byron")),
                happened("evt_3", "plan.created", 5, 18, id="plan_1"),
            ],
        }
    )  # fmt: skip
    shop = account(httpserver, lake, server)
    for stream in ("customers", "charges", "refunds", "invoices", "changes"):
        shop.landed(stream, 5, 5)
    money = Decimal
    assert shop.events(engine, 5, 5) == [
        ("payment.succeeded", "05 08:00", "web", "cus_1", money("19.99"), "USD"),
        ("payment.succeeded", "05 09:00", "web", "cus_1", money("500").normalize(), "JPY"),
        ("payment.succeeded", "05 10:00", "web", "guest@example.org", money("1.5"), "KWD"),
        ("payment.failed", "05 12:00", "web", "cus_1", None, None),
        ("payment.succeeded", "05 13:00", "web", "cus_1", money("9.99"), "USD"),
        ("refund.issued", "05 14:00", "web", "cus_1", money("-10").normalize(), "USD"),
        ("refund.issued", "05 15:00", "web", "cus_1", money("-500").normalize(), "JPY"),
        ("invoice.issued", "05 16:00", "web", "cus_1", None, None),
        ("invoice.paid", "05 17:00", "web", "cus_1", None, None),
    ]
    ada = shop.profiles(engine)["cus_1"]
    assert (ada["name"], ada["city"]) == ("Ada Byron", "Denver"), "the later change counts"
