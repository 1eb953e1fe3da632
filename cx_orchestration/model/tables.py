"""The tables of the lake that others read: names, columns, grain and partitions. Columns only ever get added."""

from dataclasses import dataclass

import pyarrow as pa

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")
KEYS = pa.list_(pa.struct([("namespace", pa.string()), ("value", pa.string())]))
MONEY = pa.decimal128(18, 4)


@dataclass(frozen=True)
class Table:
    """One Delta table.

    ``path`` is the folder under the lake's root, ``partition_by`` the columns whose values a partition replace names.
    ``volatile`` columns record when or by which run something was written: they do not count when two contents are
    compared.
    """

    path: str
    grain: str
    schema: pa.Schema
    partition_by: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()

    def empty(self) -> pa.Table:
        return self.schema.empty_table()


def _schema(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in fields])


text, real, whole, flag, time, date = pa.string(), pa.float64(), pa.int64(), pa.bool_(), UTC_MICROSECONDS, pa.date32()

# --- catalog and scoring --------------------------------------------------------------------------------------------

INVENTORY = Table(
    "catalog/inventory",
    "one interaction with a system, per snapshot",
    _schema(
        ("service", text),
        ("system", text),
        ("business_leader", text),
        ("technical_leader", text),
        ("business_function", text),
        ("business_impact", text),
        ("customer_impact", text),
        ("customers_per_year", whole),
        ("implementation_profile", text),
        ("integration_profile", text),
        ("product_dependency", text),
        ("team", text),
        ("observed_by", text),
        ("observed_on", date),
        ("extras", text),
        ("snapshot_at", time),
        ("snapshot_id", text),
    ),
    volatile=("snapshot_at",),
)

OVERLAP = Table(
    "catalog/overlap",
    "one service of a business function that several services serve",
    _schema(
        ("business_function", text),
        ("service", text),
        ("impact_score", real),
        ("complexity_score", real),
        ("disposition", text),
        ("teams", text),
        ("business_impact", text),
        ("customers_per_year", whole),
    ),
)

GAPS = Table(
    "catalog/gaps",
    "one thing that the inventory or the integration lacks (C4)",
    _schema(("kind", text), ("subject", text), ("detail", text), ("seen", whole)),
)

# Further columns ``<dimension>_share`` follow from scoring.yaml.
SERVICE_SCORES = Table(
    "scoring/service_scores",
    "one service",
    _schema(
        ("service", text), ("impact_score", real), ("complexity_score", real), ("disposition", text), ("why", text)
    ),
)

SENSITIVITY = Table(
    "scoring/sensitivity",
    "one flip of a disposition or rank when one weight moves",
    _schema(
        ("service", text),
        ("dimension", text),
        ("change", text),
        ("what", text),
        ("before", text),
        ("after", text),
    ),
)

DISPOSITION_PLAN = Table(
    "scoring/disposition_plan",
    "one service with its proposed and its reviewed disposition",
    _schema(
        ("service", text),
        ("proposed", text),
        ("disposition", text),
        ("decided_by", text),
        ("role", text),
        ("decided_on", date),
        ("reason", text),
        ("status", text),
    ),
)

INTEGRATION_PLAN = Table(
    "scoring/integration_plan",
    "one service in the order of the strategy",
    _schema(
        ("rank", whole),
        ("service", text),
        ("disposition", text),
        ("decided_by", text),
        ("decided_on", date),
        ("status", text),
        ("reason", text),
        ("impact_score", real),
        ("complexity_score", real),
        ("tie_break", text),
        ("priority", real),
    ),
)

# --- landing and integration ----------------------------------------------------------------------------------------

_LANDED = _schema(("record_id", text), ("updated_at", time), ("extracted_at", time), ("payload", text), ("day", date))


def landed(service: str, stream: str) -> Table:
    """Records of one stream as received, by the day (in the project's time zone) of their ``updated_at``."""
    return Table(
        f"landing/{service}/{stream}",
        "one record as it was on that day",
        _LANDED,
        partition_by=("day",),
        volatile=("extracted_at",),
    )


EVENTS = Table(
    "integration/events",
    "one customer event as a landed day reports it",
    _schema(
        ("event_id", text),
        ("type", text),
        ("occurred_at", time),
        ("service", text),
        ("stream", text),
        ("record_id", text),
        ("channel", text),
        ("entity", text),
        ("keys", KEYS),
        ("amount", MONEY),
        ("currency", text),
        ("score", real),
        ("score_kind", text),
        ("attributes", text),
        ("day", date),
    ),
    partition_by=("service", "day"),
)

REJECTED_RECORDS = Table(
    "integration/rejected_records",
    "one reason why one landed record gave no event",
    _schema(
        ("service", text),
        ("stream", text),
        ("record_id", text),
        ("event_type", text),
        ("reason", text),
        ("payload", text),
        ("day", date),
    ),
    partition_by=("service", "day"),
)

COVERAGE = Table(
    "integration/coverage",
    "one declared service: which of the project's days it has, and which it lacks",
    _schema(
        ("service", text),
        ("status", text),
        ("first_day", date),
        ("last_day", date),
        ("days_landed", whole),
        ("days_missing", whole),
        ("missing", text),
        ("events", whole),
        ("rejected", whole),
    ),
)

# --- identity -------------------------------------------------------------------------------------------------------

PROFILES = Table(
    "identity/profiles",
    "one customer of one service",
    _schema(
        ("service", text),
        ("entity", text),
        ("keys", KEYS),
        ("name", text),
        ("given_name", text),
        ("family_name", text),
        ("birth_date", text),
        ("street", text),
        ("postcode", text),
        ("city", text),
        ("country", text),
        ("attributes", text),
        ("updated_at", time),
    ),
)

LINKS = Table(
    "identity/links",
    "one entry of the ledger: a link made, or the same link retracted",
    _schema(
        ("link_id", text),
        ("left_service", text),
        ("left_entity", text),
        ("right_service", text),
        ("right_entity", text),
        ("rule", text),
        ("match_weight", real),
        ("evidence", text),
        ("made_at", time),
        ("retracted_at", time),
        ("retracted_why", text),
    ),
    volatile=("made_at", "retracted_at"),
)

IDENTITY_MAP = Table(
    "identity/identity_map",
    "one customer of one service, and who that is",
    _schema(("service", text), ("entity", text), ("customer_id", text), ("since", time)),
    volatile=("since",),
)

CUSTOMER_ALIASES = Table(
    "identity/customer_aliases",
    "one customer id that was handed out and now resolves to another",
    _schema(("old_customer_id", text), ("customer_id", text), ("why", text), ("since", time)),
    volatile=("since",),
)

CUSTOMERS = Table(
    "identity/customers",
    "one customer",
    _schema(("customer_id", text), ("document", text), ("entities", whole), ("events", whole), ("produced_at", time)),
    volatile=("produced_at",),
)

# --- journeys -------------------------------------------------------------------------------------------------------

SEQUENCES = Table(
    "journeys/sequences",
    "one distinct customer event, sorted by customer, time and event id",
    _schema(
        ("customer_id", text),
        ("event_id", text),
        ("type", text),
        ("occurred_at", time),
        ("service", text),
        ("channel", text),
        ("amount", MONEY),
        ("currency", text),
        ("score", real),
        ("score_kind", text),
        ("attributes", text),
        ("bucket", pa.int32()),
    ),
    partition_by=("bucket",),
)

STEPS = Table(
    "journeys/steps",
    "one event of a journey instance",
    _schema(
        ("journey", text),
        ("map_version", whole),
        ("instance_id", text),
        ("customer_id", text),
        ("seq", whole),
        ("event_id", text),
        ("type", text),
        ("from_state", text),
        ("to_state", text),
        ("stage", text),
        ("channel", text),
        ("occurred_at", time),
        ("deviation", flag),
    ),
    partition_by=("journey",),
)

INSTANCES = Table(
    "journeys/instances",
    "one customer's one way through one journey",
    _schema(
        ("journey", text),
        ("map_version", whole),
        ("instance_id", text),
        ("customer_id", text),
        ("started_at", time),
        ("last_step_at", time),
        ("ended_at", time),
        ("state", text),
        ("stage", text),
        ("status", text),
        ("last_event_id", text),
        ("last_event_at", time),
        ("steps", whole),
        ("deviations", whole),
        ("support_events", whole),
        ("revenue", MONEY),
        ("cost", MONEY),
    ),
    partition_by=("journey",),
)

# --- exploration ----------------------------------------------------------------------------------------------------

_FINDING = (
    ("finding_id", text),
    ("journey", text),
    ("step", text),
    ("segment", text),
    ("segment_value", text),
    ("n", whole),
    ("baseline_n", whole),
    ("value", real),
    ("baseline", real),
    ("effect", real),
    ("effect_low", real),
    ("effect_high", real),
    ("p_value", real),
    ("p_adjusted", real),
    ("is_finding", flag),
    ("shadow_of", text),
)


def _findings(name: str, grain: str, *more: tuple[str, pa.DataType]) -> Table:
    return Table(f"exploration/{name}", grain, _schema(*_FINDING, *more))


ABANDONMENT_HOTSPOTS = _findings(
    "abandonment_hotspots",
    "one cluster of customers at one step: do more of them give up there than the others? (E1)",
    ("value_at_risk", real),
)
SUPPORT_SHIFTS = _findings(
    "support_shifts",
    "one cluster of customers at one step: do more of them turn to support after it? (E2)",
    ("support_cost", real),
)
PROFITABLE_PATHS = _findings(
    "profitable_paths",
    "one segment on one path: more revenue per customer and less support than the others? (E3)",
    ("path", text),
    ("support_rate", real),
    ("baseline_support_rate", real),
)
CHANGE_PRIORITIES = _findings(
    "change_priorities",
    "one change: what revenue it keeps and expense it saves, largest first (E4)",
    ("rank", whole),
    ("change", text),
    ("revenue_kept", real),
    ("expense_saved", real),
    ("net_value", real),
    ("net_value_low", real),
    ("net_value_high", real),
    ("assumption", text),
)

# --- all of them ----------------------------------------------------------------------------------------------------

#: The tables that are not a stream's landed records, by path.
DECLARED = {each.path: each for each in list(globals().values()) if isinstance(each, Table)}


def table_at(path: str) -> Table:
    """The table whose folder under the lake's root is ``path``. Raises ``KeyError`` for a path that is no table's."""
    kind, _, rest = path.partition("/")
    service, _, stream = rest.partition("/")
    return landed(service, stream) if kind == "landing" and stream else DECLARED[path]
