"""Shopify by its ready-made declaration: pages by Link header, the bucket, HTML from a proxy, both bounds included; and
by GraphQL, throttled with status 200."""

import datetime as dt
from decimal import Decimal
from typing import Any

from pytest_httpserver import HTTPServer
from shopify_server import TOKEN, Shopify
from vendor_server import Record, at
from vendor_site import Site, march, site

from cx_orchestration.integration.http import CredentialsRefused
from cx_orchestration.model.failures import PermanentFailure, TransientFailure
from cx_orchestration.storage.engine import Engine
from cx_orchestration.storage.lake import Lake

ENVIRON = {"SHOPIFY_TOKEN": TOKEN}
DENVER = dt.timezone(dt.timedelta(hours=-7))


def told(moment: dt.datetime) -> str:
    """Times are told in the shop's zone."""
    return moment.astimezone(DENVER).isoformat(timespec="seconds")


def order(number: int, day: int, hour: int = 12, second: int = 0, **changes: Any) -> Record:
    moment = told(at(day, hour, 0, second))
    return {
        "id": number,
        "name": f"#{number}",
        "token": f"token-{number}",
        "created_at": moment,
        "processed_at": moment,
        "updated_at": moment,
        "cancelled_at": None,
        "closed_at": None,
        "cancel_reason": None,
        "source_name": "web",
        "financial_status": "paid",
        "email": "ada@example.org",
        "phone": None,
        "customer": {"id": 700},
        "total_price": "120.50",
        "currency": "USD",
        "payment_gateway_names": ["shopify_payments"],
        "line_items": [{"title": "Starter set"}],
        "refunds": [],
        **changes,
    }


def customer(number: int, day: int, **changes: Any) -> Record:
    address = {"address1": "1 Main St", "zip": "80202", "city": "Denver", "country_code": "US"}
    return {
        "id": number,
        "created_at": told(at(day)),
        "updated_at": told(at(day)),
        "state": "enabled",
        "email": "ada@example.org",
        "phone": "+13035550100",
        "first_name": "Ada",
        "last_name": "Canary",
        "default_address": address,
        **changes,
    }


def shop(httpserver: HTTPServer, lake: Lake, server: Shopify, **options: Any) -> Site:
    return site(httpserver, lake, "shopify", server, ENVIRON, **options)


def test_days_hold_exactly_the_orders_that_changed_in_them(httpserver: HTTPServer, lake: Lake) -> None:
    orders = [order(day * 1000 + n, day, n % 24) for day in (4, 5, 6, 7) for n in range(300)]
    expected = {day: [str(day * 1000 + n) for n in range(300)] for day in (5, 6)}
    assert shop(httpserver, lake, Shopify(orders=orders)).landed("orders", 5, 6) == expected


def test_an_order_at_midnight_is_in_one_day(httpserver: HTTPServer, lake: Lake) -> None:
    orders = [order(1, 4, 23, 59), order(2, 5, 0), order(3, 5, 23, 59), order(4, 6, 0)]
    company = shop(httpserver, lake, Shopify(orders=orders))
    assert company.land("orders", 5).outside == 0
    assert company.ids("orders") == {5: ["2", "3"]}


def test_archived_and_cancelled_orders_are_there(httpserver: HTTPServer, lake: Lake) -> None:
    orders = [order(1, 5, closed_at=told(at(5))), order(2, 5, cancelled_at=told(at(5))), order(3, 5)]
    assert shop(httpserver, lake, Shopify(orders=orders)).landed("orders", 5) == {5: ["1", "2", "3"]}


def test_filters_beside_page_info_are_refused(httpserver: HTTPServer, lake: Lake) -> None:
    def by_cursor(values: dict[str, Any]) -> None:
        values["streams"]["orders"]["endpoint"]["paginator"] = {
            "type": "header_cursor", "cursor_header": "X-Shopify-Shop-Api-Call-Limit", "cursor_param": "page_info",
        }  # fmt: skip

    company = shop(httpserver, lake, Shopify(orders=[order(n, 5) for n in range(300)]), change=by_cursor)
    failure = company.land("orders", 5).failures[march(5)]
    assert isinstance(failure, PermanentFailure)
    assert "HTTP 400" in str(failure)


def test_a_full_bucket_and_pages_of_html_are_waited_for(httpserver: HTTPServer, lake: Lake) -> None:
    server = Shopify(orders=[order(n, 5) for n in range(43)])
    server.bad_gateways = 2

    def small_pages(values: dict[str, Any]) -> None:
        values["streams"]["orders"]["endpoint"]["params"]["limit"] = 1

    company = shop(httpserver, lake, server, change=small_pages)
    assert company.landed("orders", 5) == {5: sorted(str(n) for n in range(43))}
    assert 2.0 in company.clock.slept


def test_a_proxy_that_stays_down_is_transient(httpserver: HTTPServer, lake: Lake) -> None:
    server = Shopify(orders=[order(1, 5)])
    server.bad_gateways = 99
    assert isinstance(shop(httpserver, lake, server).land("orders", 5).failures[march(5)], TransientFailure)


def test_orders_become_events(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    orders = [
        order(1, 5, 9),
        order(2, 5, 10, source_name="pos", customer=None, email="", financial_status="pending"),
        order(3, 5, 11, cancelled_at=told(at(5, 17)), cancel_reason="customer", financial_status="voided"),
        order(4, 5, 12, financial_status="partially_refunded"),
    ]
    company = shop(httpserver, lake, Shopify(orders=orders))
    company.landed("orders", 5)
    assert company.events(engine, 5, 5) == [
        ("order.placed", "05 09:00", "web", "700", None, None),
        ("payment.succeeded", "05 09:00", "web", "700", Decimal("120.5"), "USD"),
        ("order.placed", "05 10:00", "store", "token-2", None, None),
        ("order.placed", "05 11:00", "web", "700", None, None),
        ("order.placed", "05 12:00", "web", "700", None, None),
        ("payment.succeeded", "05 12:00", "web", "700", Decimal("120.5"), "USD"),
        ("order.cancelled", "05 17:00", "web", "700", None, None),
    ]


def test_each_refund_of_an_order_is_an_event(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    def back(number: int, hour: int, amount: str, status: str = "success", kind: str = "refund") -> Record:
        given = {"id": number, "kind": kind, "status": status, "amount": amount, "currency": "USD"}
        return {**given, "created_at": told(at(5, hour)), "processed_at": None}

    refunds = [
        {"id": 1, "transactions": [back(11, 13, "20.00"), back(12, 13, "5.00", "failure")]},
        {"id": 2, "transactions": [back(21, 14, "7.50"), back(22, 14, "1.00", kind="void")]},
        {"id": 3, "transactions": []},
    ]
    orders = [order(1, 5, 15, refunds=refunds), *(order(n, 5) for n in range(2, 302))]
    company = shop(httpserver, lake, Shopify(orders=orders))
    assert company.landed("refunds", 5) == {5: ["11", "12", "21", "22"]}
    assert company.events(engine, 5, 5) == [
        ("refund.issued", "05 13:00", "web", "700", Decimal("-2E+1"), "USD"),
        ("refund.issued", "05 14:00", "web", "700", Decimal("-7.5"), "USD"),
    ]


def test_customers_have_profiles_and_accounts_are_signups(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    guests = [customer(1, 5), customer(2, 5, state="disabled", email="ben@example.org", first_name="Ben")]
    company = shop(httpserver, lake, Shopify(customers=guests))
    company.landed("customers", 5)
    assert company.events(engine, 5, 5) == [("signup.completed", "05 12:00", "web", "1", None, None)]
    ada = company.profiles(engine)["1"]
    assert (ada["given_name"], ada["city"], ada["country"]) == ("Ada", "Denver", "US")
    assert [key["namespace"] for key in ada["keys"]] == ["email", "phone"]


def test_checkouts_that_were_left_have_begun(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    left = {"id": 1, "token": "t", "created_at": told(at(5, 9)), "updated_at": told(at(5, 10)), "source_name": "web"}
    company = shop(httpserver, lake, Shopify(checkouts=[{**left, "email": "ada@example.org", "customer": {"id": 700}}]))
    assert company.landed("checkouts", 5) == {5: ["1"]}
    assert company.events(engine, 5, 5) == [("checkout.started", "05 09:00", "web", "700", None, None)]


def test_a_wrong_token_is_refused_credentials(httpserver: HTTPServer, lake: Lake) -> None:
    company = site(httpserver, lake, "shopify", Shopify(), {"SHOPIFY_TOKEN": "wrong"})
    assert isinstance(company.land("orders", 5).failures[march(5)], CredentialsRefused)


# --- GraphQL --------------------------------------------------------------------------------------------------------


def node(number: int, day: int, hour: int = 12, **changes: Any) -> Record:
    moment = at(day, hour).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "id": f"gid://shopify/Order/{number:03}",
        "name": f"#{number}",
        "createdAt": moment,
        "processedAt": moment,
        "updatedAt": moment,
        "cancelledAt": None,
        "sourceName": "web",
        "displayFinancialStatus": "PAID",
        "email": "ada@example.org",
        "customer": {"id": "gid://shopify/Customer/700"},
        "paymentGatewayNames": ["shopify_payments"],
        "lineItems": {"nodes": [{"title": "Starter set"}]},
        "totalPriceSet": {"shopMoney": {"amount": "120.5", "currencyCode": "USD"}},
        **changes,
    }


def by_graphql(httpserver: HTTPServer, lake: Lake, server: Shopify) -> Site:
    return site(httpserver, lake, "shopify_graphql", server, ENVIRON)


def test_graphql_is_paged_by_a_cursor_in_the_body(httpserver: HTTPServer, lake: Lake, engine: Engine) -> None:
    server = Shopify(orders=[node(day * 100 + n, day) for day in (4, 5, 6) for n in range(60)])
    company = by_graphql(httpserver, lake, server)
    assert company.landed("orders", 5) == {5: [f"gid://shopify/Order/{500 + n}" for n in range(60)]}
    assert [asked.body["variables"]["after"] is None for asked in server.asked] == [True, False]
    assert company.events(engine, 5, 5)[:2] == [
        ("order.placed", "05 12:00", "web", "gid://shopify/Customer/700", None, None),
        ("order.placed", "05 12:00", "web", "gid://shopify/Customer/700", None, None),
    ]


def test_graphql_throttled_under_200_is_waited_for(httpserver: HTTPServer, lake: Lake) -> None:
    server = Shopify(orders=[node(1, 5)])
    server.points = 0
    company = by_graphql(httpserver, lake, server)
    assert company.landed("orders", 5) == {5: ["gid://shopify/Order/001"]}
    assert company.clock.slept


def test_a_graphql_error_under_200_is_permanent(httpserver: HTTPServer, lake: Lake) -> None:
    def misspelt(values: dict[str, Any]) -> None:
        values["streams"]["orders"]["endpoint"]["json"]["query"] = "{ ordrs { id } }"

    company = site(httpserver, lake, "shopify_graphql", Shopify(), ENVIRON, misspelt)
    assert isinstance(company.land("orders", 5).failures[march(5)], PermanentFailure)
