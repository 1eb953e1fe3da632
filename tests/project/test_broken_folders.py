"""Each row breaks the template in one place and says exactly what is then reported."""

import pytest

from cx_orchestration.model.failures import InvalidProject
from cx_orchestration.project import CXProject

TIME = '{path: registered_at, format: "%Y-%m-%d %H:%M", time_zone: America/Denver}'
SLUG = "expected a name of lower-case letters, digits and '_' such as order_history"

#: file, text in it, what it becomes, the errors
BROKEN = [
    # --- values of one file
    ("project.yaml", "name: Example Outfitters", "", ["name: is missing"], "time_zone: America"),
    (
        "project.yaml",
        "time_zone: America/Denver",
        "time_zone: Mars/Olympus",
        ["time_zone: expected an IANA time zone such as Europe/Zurich (found 'Mars/Olympus')"],
    ),
    (
        "project.yaml",
        "time_zone: America/Denver",
        "time_zone: America",
        ["time_zone: expected an IANA time zone such as Europe/Zurich (found 'America')"],
    ),
    (
        "project.yaml",
        "start_date: 2026-01-01",
        "start_date: 1.1.2026",
        ["start_date: expected a date such as 2026-01-31 (found '1.1.2026')"],
    ),
    (
        "project.yaml",
        "start_date: 2026-01-01",
        "start_date: 0001-01-01",
        ["start_date: expected a day from 1970-01-01 to 2199-12-31 (found 0001-01-01)"],
    ),
    (
        "project.yaml",
        "end_date: 2026-01-31",
        "end_date: 2025-01-31",
        ["end_date lies before start_date"],
        "name: Example",
    ),
    (
        "project.yaml",
        "owner: team:cx",
        "owner: the CX team",
        ["owner: expected an e-mail address or team: and a name, such as team:stores (found 'the CX team')"],
    ),
    (
        "project.yaml",
        "currency: USD",
        "curency: USD",
        ["curency: unknown key; did you mean 'currency'?"],
    ),
    (
        "project.yaml",
        "busy_season_factor: 3",
        "busy_season_factor: .5",
        ["busy_season_factor: expected a number of at least 1 (found 0.5)"],
    ),
    (
        "project.yaml",
        'nightly_at: "02:30"',
        "nightly_at: 2:30",
        ["nightly_at: expected a time of day such as 02:30 (found '2:30')"],
    ),
    (
        "project.yaml",
        "lookback_days: 3",
        'lookback_days: "3"',
        ["lookback_days: expected a whole number of at least 0 and of at most 3660 (found '3')"],
    ),
    (
        "services/store_till.yaml",
        "    record_id: {concat: [order_no, status]}",
        "    settle_hours: 999999999999\n    record_id: {concat: [order_no, status]}",
        ["streams.orders.settle_hours: expected a whole number of at least 0 and of at most 8784 (found 999999999999)"],
    ),
    (
        "project.yaml",
        "lake: lake",
        "lake: ${lake}",
        ["stores.lake: expected ${NAME} with the name of an environment variable in capitals"],
    ),
    (
        "project.yaml",
        "lake: lake",
        "lake: s3://bucket/lake",
        ["stores.lake: expected the path of a folder; ${HOME} stands for one's own"],
    ),
    (
        "project.yaml",
        "# registry: sqlite:///registry.db",
        "registry: postgresql://cx:hunter2@db/cx",
        [
            "stores.registry: "
            "expected no password here; put it in an environment variable and write ${NAME} in its place"
        ],
    ),
    (
        "project.yaml",
        "# registry: sqlite:///registry.db",
        "results: postgresql://cx@db/cx?sslmode=require&password=hunter2",
        ["stores.results: expected no password here; put it in an environment variable and write ${NAME} in its place"],
    ),
    (
        "project.yaml",
        "# registry: sqlite:///registry.db",
        "registry: registry.db",
        ["stores.registry: expected a SQLAlchemy URL such as sqlite:///registry.db"],
    ),
    (
        "decisions.yaml",
        "disposition: integrate\n",
        "disposition: integrated\n",
        [
            "decisions[0].disposition: expected 'integrate', 'integrate_later', 'keep_as_is', "
            "'consolidate', 'replace' or 'retire'; did you mean 'integrate'? (found 'integrated')"
        ],
    ),
    (
        "decisions.yaml",
        "    role: business leader\n",
        "",
        ["decisions[0].role: is missing: architect, business leader, technical leader, product management ..."],
        "- service: store_till",
    ),
    (
        "scoring.yaml",
        "weight: 50",
        "weight: -1",
        ["dimensions.business_impact.weight: expected a number of at least 0 (found -1)"],
    ),
    (
        "identity.yaml",
        "normalise: phone",
        "normalise: telephone",
        [
            "namespaces.phone.normalise: expected 'email', 'phone', 'lower', 'exact', 'number', 'device', 'card' "
            "or 'date'; did you mean 'phone'? (found 'telephone')"
        ],
    ),
    ("services/store_till.yaml", "  customers:", "  Customers:", [f"streams.Customers: {SLUG} as the key"]),
    (
        "services/store_till.yaml",
        "kind: files",
        "kind: rest",
        ["'client' is needed for kind 'rest' and only there"],
        "service: store_till",
    ),
    (
        "services/store_till.yaml",
        "format: csv\n    record_id: customer_no",
        "format: excel\n    record_id: customer_no",
        ["streams.customers.files.format: expected 'csv', 'jsonl' or 'parquet' (found 'excel')"],
        "format: excel",
    ),
    # --- one problem, one error, whatever a value may be instead
    (
        "services/store_till.yaml",
        "- type: customer.registered",
        "- type: 5",
        [
            "streams.customers.events[0].type: expected an event type such as "
            "order.completed or a value such as {path: customer.id} (found 5)"
        ],
    ),
    (
        "services/store_till.yaml",
        "- type: customer.registered",
        "- type: Customer Registered",
        [
            "streams.customers.events[0].type: expected an event type such as "
            "order.completed or a value such as {path: customer.id} (found 'Customer Registered')"
        ],
    ),
    (
        "services/store_till.yaml",
        "          map:\n",
        "          maps:\n",
        ["streams.orders.events[0].type.maps: unknown key; did you mean 'map'?"],
    ),
    (
        "services/store_till.yaml",
        "record_id: {concat: [order_no, status]}",
        "record_id: {concat: [order_no, {pat: status}]}",
        ["streams.orders.record_id.concat[1].pat: unknown key; did you mean 'path'?"],
    ),
    (
        "services/store_till.yaml",
        "currency: {const: USD}",
        "currency: {const: [USD]}",
        [
            "streams.orders.events[0].currency.const: expected text or a whole number "
            "or a number or true or false (found a list)"
        ],
    ),
    (
        "services/store_till.yaml",
        "currency: {const: USD}",
        "currency: {const: USD, path: currency}",
        ["streams.orders.events[0].currency: a value needs exactly one of 'path', 'const', 'coalesce', 'concat'"],
    ),
    (
        "services/store_till.yaml",
        f"updated_at: {TIME}",
        "updated_at: {path: registered_at, format: epoch}",
        [
            "streams.customers.updated_at.format: expected 'iso', 'epoch_s', 'epoch_ms', "
            "'epoch_us' or 'date' or a format with % such as %d.%m.%Y; did you mean 'epoch_s'? (found 'epoch')"
        ],
    ),
    (
        "services/help_desk.yaml",
        "type: cursor, cursor_path",
        "type: cursors, cursor_path",
        [
            "streams.tickets.endpoint.paginator.type: expected one of cursor, header_cursor, last_id, "
            "link_header, next_url, offset, page_number, single_page; did you mean 'cursor'? (found 'cursors')"
        ],
    ),
    (
        "services/help_desk.yaml",
        "type: cursor, cursor_path",
        "cursor_path",
        [
            "streams.tickets.endpoint.paginator.type: is missing; expected one of cursor, "
            "header_cursor, last_id, link_header, next_url, offset, page_number, single_page"
        ],
    ),
    (
        "services/help_desk.yaml",
        "type: cursor, cursor_path: meta.next_cursor, cursor_param: cursor",
        "type: cursor, cursor_path: meta.next_cursor, cursor_parm: cursor",
        ["streams.tickets.endpoint.paginator.cursor_parm: unknown key; did you mean 'cursor_param'?"],
    ),
    # --- nothing that could be a secret is repeated
    (
        "services/help_desk.yaml",
        "token_env: HELP_DESK_TOKEN",
        "token_env: sk_live_51HxYzabc",
        ["client.auth.token_env: expected the name of an environment variable such as BILLING_TOKEN, never its value"],
    ),
    (
        "services/help_desk.yaml",
        "  rate: {per_second: 5}",
        "  rate: eyJhbGciOiJIUzI1NiJ9",
        ["client.rate: expected keys and values"],
    ),
    (
        "services/help_desk.yaml",
        "base_url: ${HELP_DESK_URL}",
        "base_url: https://me:hunter2@help.example.com",
        ["client.base_url: expected an address without credentials and parameters"],
    ),
    (
        "services/help_desk.yaml",
        "base_url: ${HELP_DESK_URL}",
        "base_url: ${help_desk}",
        ["client.base_url: expected ${NAME} with the name of an environment variable in capitals"],
    ),
    (
        "services/help_desk.yaml",
        "base_url: ${HELP_DESK_URL}",
        "base_url: help.example.com",
        ["client.base_url: expected an address that begins with https:// or http://"],
    ),
    (
        "services/help_desk.yaml",
        "  rate: {per_second: 5}",
        "  headers: {X-Api-Key: hunter2}",
        [
            "client.headers.X-Api-Key: expected no credentials here; "
            "declare client.auth with the name of an environment variable"
        ],
    ),
    (
        "services/help_desk.yaml",
        "per_page: 100",
        "api_key: hunter2",
        [
            "streams.tickets.endpoint.params.api_key: "
            "expected no credentials here: parameters end up in logs; declare client.auth"
        ],
    ),
    # --- YAML itself
    (
        "identity.yaml",
        "    normalise: phone",
        "\tnormalise: phone",
        ["column 1: expected spaces; tabs cannot indent YAML"],
    ),
    (
        "identity.yaml",
        "    normalise: phone",
        "    normalise: phone: home",
        ["column 21: expected no second ':' here; put text that contains ': ' in quotes"],
    ),
    (
        "identity.yaml",
        "  phone:\n",
        "  email:\n",
        ["column 3: expected each key once; 'email' stands here a second time"],
        "  email:\n    normalise: phone",
    ),
    (
        "identity.yaml",
        "region: US",
        "region: !!python/object/apply:os.system [US]",
        ["column 9: expected a value without a tag such as !!str or !include"],
    ),
    (
        "services/help_desk.yaml",
        "path: /api/tickets",
        "path: /api/${Desk}/tickets",
        ["streams.tickets.endpoint.path: expected ${NAME} with the name of an environment variable in capitals"],
    ),
    (
        "services/help_desk.yaml",
        "path: /api/tickets",
        "path: /api/${DESK_TOKEN}/tickets",
        ["streams.tickets.endpoint.path: expected no credentials here: paths end up in logs; declare client.auth"],
    ),
    # --- names that one file takes from another
    (
        "inventory.csv",
        "Help Desk,",
        "Help Desks,",
        [
            "services/help_desk.yaml:6: service: expected the name of a system of inventory.csv, as a slug "
            "(if it is a new one, add a row there); "
            "did you mean 'help_desks'? (found 'help_desk')"
        ],
    ),
    (
        "inventory.csv",
        "Answer questions and complaints,Critical",
        "Answer questions and complaints,Huge",
        ["row 3, Business Impact: expected one of Critical, Supportive, Redundant (found 'Huge')"],
    ),
    (
        "decisions.yaml",
        "service: store_till",
        "service: store_tills",
        [
            "decisions[0].service: "
            "expected a service of the inventory: help_desk, newsletter, store_till (found store_tills)"
        ],
    ),
    (
        "scoring.yaml",
        "column: business_impact",
        "column: bussiness_impact",
        [
            "dimensions.business_impact.column: expected a column of the inventory: system, business_leader, "
            "technical_leader, business_function, business_impact, customer_impact, customers_per_year, "
            "implementation_profile, integration_profile, product_dependency, team, observed_by, observed_on "
            "(found bussiness_impact)"
        ],
    ),
    (
        "identity.yaml",
        "trusted_services: [store_till]",
        "trusted_services: [store_tills]",
        [
            "survivorship.city.trusted_services[0]: expected a service of inventory.csv; "
            "did you mean 'store_till'? (found 'store_tills')"
        ],
    ),
    (
        "identity.yaml",
        "  city:\n    trusted",
        "  citi:\n    trusted",
        [
            "survivorship.citi: expected a profile field, an attribute that some service gives, or "
            "a namespace; did you mean 'city'? (found 'citi')"
        ],
    ),
    (
        "services/help_desk.yaml",
        "email: requester.email",
        "e_mail: requester.email",
        [
            "streams.tickets.events[0].keys.e_mail: "
            "expected a namespace of identity.yaml; did you mean 'email'? (found 'e_mail')"
        ],
    ),
    (
        "services/store_till.yaml",
        "service: store_till ",
        "service: till ",
        ["service: expected 'store_till' as in the file's name, or the file to be called till.yaml (found 'till')"],
    ),
    (
        "services/store_till.yaml",
        f"updated_at: {TIME}",
        f"updated_at: {TIME.replace('Denver', 'Dever')}",
        [
            "streams.customers.updated_at.time_zone: expected an IANA time zone such as Europe/Zurich "
            "(found 'America/Dever')"
        ],
    ),
    (
        "services/store_till.yaml",
        "        amount: total",
        "        amount: total..sum",
        [
            "streams.orders.events[0].amount.path: "
            'expected a path such as a.b[0]."odd name".c; it breaks at character 6 (found total..sum)'
        ],
    ),
    (
        "services/store_till.yaml",
        "pattern: drops/store_till/customers*.csv",
        "pattern: ../customers*.csv",
        [
            "streams.customers.files.pattern: expected a pattern of files inside the project folder "
            "(found ../customers*.csv)"
        ],
    ),
    (
        "journeys/purchase.yaml",
        "journey: purchase",
        "journey: purchases",
        [
            "journey: expected 'purchase' as in the file's name, or the file to be called "
            "purchases.yaml (found 'purchases')"
        ],
    ),
    (
        "journeys/purchase.yaml",
        "from: [joined], on: order.placed, to: ordered,",
        "from: [joined], on: order.place, to: ordered,",
        [
            "transitions[0].on: expected an event type that some service gives; "
            "did you mean 'order.placed'? (found 'order.place')"
        ],
    ),
    (
        "journeys/purchase.yaml",
        "support_events: [support.requested]",
        "support_events: [support.request]",
        [
            "support_events[0]: expected an event type that some service gives; "
            "did you mean 'support.requested'? (found 'support.request')"
        ],
    ),
    (
        "journeys/purchase.yaml",
        "segments: [membership",
        "segments: [member_ship",
        [
            "segments[0]: expected an attribute of some service's profile or events; "
            "did you mean 'membership'? (found 'member_ship')"
        ],
    ),
    (
        "journeys/purchase.yaml",
        "segments: [membership",
        "acquisition_cost: member_ship\nsegments: [membership",
        [
            "acquisition_cost: expected an attribute of some service's profile or events; "
            "did you mean 'membership'? (found 'member_ship')"
        ],
    ),
    (
        "journeys/purchase.yaml",
        "segments: [membership",
        "human_events: [support.request]\nsegments: [membership",
        [
            "human_events[0]: expected an event type that some service gives; "
            "did you mean 'support.requested'? (found 'support.request')"
        ],
    ),
    (
        "journeys/purchase.yaml",
        "requires: [amount, currency, department]",
        "requires: [amount, currency, departement]",
        [
            "transitions[2].requires[2]: expected metadata that some service gives order.returned; "
            "did you mean 'department'? (found 'departement')"
        ],
    ),
    (
        "journeys/purchase.yaml",
        "on: order.completed, to: collected,",
        "on: order.completed, when: [{name: topic, exists: true}], to: collected,",
        ["transitions[1].when[0].name: expected metadata that some service gives order.completed (found 'topic')"],
    ),
    (
        "journeys/purchase.yaml",
        "version: 1",
        "version: 1\ncorrelation: membershop",
        [
            "correlation: expected an attribute that some service gives customer.registered or order.placed: nothing "
            "else begins an instance (found 'membershop')"
        ],
        "correlation",
    ),
    (
        "journeys/purchase.yaml",
        "on: order.completed, to: collected,",
        "on: journey.purchase.begun, to: collected,",
        [
            "transitions[1].on: expected a map that does not wait for this one: purchase waits for purchase "
            "(found journey.purchase.begun)"
        ],
    ),
    (
        "journeys/purchase.yaml",
        "segments: [membership",
        "human_events: [journey.purchase.abandoned]\nsegments: [membership",
        ["human_events[0]: expected an event type that some service gives (found 'journey.purchase.abandoned')"],
    ),
    (
        "journeys/purchase.yaml",
        "    stage: pre_sales",
        "    stage: presales",
        [
            "steps.joined.stage: expected one of the stages educate, pre_sales, sales, post_sales, advocacy "
            "(found presales)"
        ],
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "expected", "at"), [(*row, None)[:5] for row in BROKEN])
def test_each_mistake_is_told_once_with_file_line_key_and_expectation(folder, file, old, new, expected, at):
    path = folder / file
    text = path.read_text()
    assert old in text
    broken = text.replace(old, new, 1)
    path.write_text(broken)
    line = broken[: broken.index(at or new.split("\n")[0])].count("\n") + 1
    with pytest.raises(InvalidProject) as caught:
        CXProject.load(folder)
    place = file if file.endswith(".csv") else f"{file}:{line}"
    told = [str(error).removeprefix(f"{place}: ") for error in caught.value.errors]
    assert told == expected
