"""The tables of the lake that others read: names, columns, grain and partitions. Columns only ever get added."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import pyarrow as pa

from cx_orchestration.model.persons import CUSTOMERS as OF_CUSTOMERS
from cx_orchestration.model.persons import ENTITIES as OF_ENTITIES
from cx_orchestration.model.persons import NOBODY, Persons

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")
KEYS = pa.list_(pa.struct([("namespace", pa.string()), ("value", pa.string())]))
DROPPED = pa.list_(pa.struct([("namespace", pa.string()), ("reason", pa.string())]))
MONEY = pa.decimal128(18, 4)

Nightly: TypeAlias = Literal["rewritten", "grows"]


@dataclass(frozen=True)
class Table:
    """One Delta table.

    ``path`` is the folder under the lake's root, ``partition_by`` the columns whose values a partition replace names.
    ``volatile`` columns record when or by which run something was written: they do not count when two contents are
    compared. Values of ``distinct`` columns (or parts of them, as Parquet names these) hardly ever repeat; rows may
    come without ``optional`` ones, which are then null. ``nightly`` says of a table that each night reads whole whether
    the night also writes it anew (``rewritten``) or adds to it (``grows``). ``persons`` says how its rows lead to the
    persons they are about; every table must say it. ``meanings`` says in words what each column holds, and
    ``further_meanings`` what those do that rows have beyond the schema, by how their names end; they stand beside the
    schema and not in it, because Delta would keep a change of wording as a change of the table.
    """

    path: str
    grain: str
    schema: pa.Schema
    persons: Persons
    partition_by: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    distinct: tuple[str, ...] = ()
    nightly: Nightly | None = None
    optional: tuple[str, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    further_meanings: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def meaning(self, column: str) -> str | None:
        """What a column holds, in words; ``None`` for one that the table does not know."""
        further = (words for end, words in self.further_meanings.items() if column.endswith(end))
        return self.meanings.get(column) or next(further, None)

    def empty(self) -> pa.Table:
        return self.schema.empty_table()


#: A column as it is declared below: its name, its type, and its meaning for people who read the table.
Column = tuple[str, pa.DataType, str]


def _table(
    path: str,
    grain: str,
    *columns: Column,
    persons: Persons,
    partition_by: tuple[str, ...] = (),
    volatile: tuple[str, ...] = (),
    distinct: tuple[str, ...] = (),
    nightly: Nightly | None = None,
    optional: tuple[str, ...] = (),
    further_meanings: Mapping[str, str] | None = None,
) -> Table:
    schema = pa.schema([pa.field(name, kind) for name, kind, _ in columns])
    meanings = {name: meaning for name, _, meaning in columns}
    further = further_meanings or {}
    return Table(path, grain, schema, persons, partition_by, volatile, distinct, nightly, optional, meanings, further)


text, real, whole, flag, time, date = pa.string(), pa.float64(), pa.int64(), pa.bool_(), UTC_MICROSECONDS, pa.date32()

# --- catalog and scoring --------------------------------------------------------------------------------------------

INVENTORY = _table(
    "catalog/inventory",
    "one interaction with a system, per snapshot",
    ("service", text, "slug of `system`"),
    ("system", text, "the name as people say it"),
    ("business_leader", text, "who answers for it on the business side"),
    ("technical_leader", text, "who answers for its technology"),
    ("business_function", text, "what it supports"),
    ("business_impact", text, "`Critical`, `Supportive`, `Redundant`"),
    ("customer_impact", text, "`All`, `Most`, `Some`, `Few`"),
    ("customers_per_year", whole, "customers impacted, approximately"),
    ("implementation_profile", text, "`Licensed Service`, `Licensed System`, `Custom System`"),
    ("integration_profile", text, "`Fully-Accessible`, `Partially-Accessible`, `Inaccessible`"),
    ("product_dependency", text, "`Tightly-Coupled`, `Loosely-Coupled`, `Uncoupled`"),
    ("team", text, "who uses it"),
    ("observed_by", text, "who visited the team"),
    ("observed_on", date, "the day of the visit"),
    ("extras", text, "JSON object: further columns of the file, by header slug"),
    ("snapshot_at", time, "the newest is the current inventory"),
    ("snapshot_id", text, "follows from the content"),
    persons=NOBODY,
    volatile=("snapshot_at",),
)

OVERLAP = _table(
    "catalog/overlap",
    "one service of a business function that several services serve",
    ("business_function", text, "what the services do alike"),
    ("service", text, "the service, as its name stands in keys"),
    ("impact_score", real, "0 to 100"),
    ("complexity_score", real, "0 to 100"),
    ("disposition", text, "the reviewed one, else the proposed one"),
    ("teams", text, "who uses it for this function"),
    ("business_impact", text, "the strongest that a team named"),
    ("customers_per_year", whole, "the most that a team named"),
    persons=NOBODY,
)

GAPS = _table(
    "catalog/gaps",
    "one thing that the inventory or the integration lacks",
    (
        "kind",
        text,
        "`system_not_in_inventory`, `declared_not_in_inventory`, `no_identity_key`, `stranded`, "
        "`approved_not_declared`",
    ),
    ("subject", text, "the system or service"),
    ("detail", text, "where it shows"),
    ("seen", whole, "events and profiles that show it; 0 where the folder alone does"),
    persons=NOBODY,
)

SERVICE_SCORES = _table(
    "scoring/service_scores",
    "one service",
    ("service", text, "the service, as its name stands in keys"),
    ("impact_score", real, "0 to 100"),
    ("complexity_score", real, "0 to 100"),
    ("disposition", text, "the proposed one"),
    ("why", text, "the rule or band that proposes it"),
    persons=NOBODY,
    # Two for each dimension of scoring.yaml, and one.
    further_meanings={
        "_value": "of this dimension of scoring.yaml, 0 to 100",
        "_share": "points of its score that are due to this dimension of scoring.yaml",
        "customers_per_year": "the largest number of any row of the inventory",
    },
)

SENSITIVITY = _table(
    "scoring/sensitivity",
    "one flip of a disposition or rank when one weight moves",
    ("service", text, "the service, as its name stands in keys"),
    ("dimension", text, "whose weight moves"),
    ("change", text, "`weight -10%` or `weight +10%`"),
    ("what", text, "`disposition` or `rank`"),
    ("before", text, "the disposition or rank with the weights as declared"),
    ("after", text, "the same with the changed weight"),
    persons=NOBODY,
)

DISPOSITION_PLAN = _table(
    "scoring/disposition_plan",
    "one service with its proposed and its reviewed disposition",
    ("service", text, "the service, as its name stands in keys"),
    ("proposed", text, "the disposition by the scores"),
    ("disposition", text, "the decision, else the proposal"),
    ("decided_by", text, "null without a decision"),
    ("role", text, "of who decided"),
    ("decided_on", date, "null without a decision"),
    ("reason", text, "of the decision, else of the proposal"),
    ("status", text, "`decided` or `proposed`"),
    persons=NOBODY,
)

INTEGRATION_PLAN = _table(
    "scoring/integration_plan",
    "one service in the order of the strategy",
    ("rank", whole, "from 1"),
    ("service", text, "the service, as its name stands in keys"),
    ("disposition", text, "the decision, else the proposal"),
    ("decided_by", text, "null without a decision"),
    ("decided_on", date, "null without a decision"),
    ("status", text, "`approved`, `proposed`, `undeclared`, `later`, `not_integrated`"),
    ("reason", text, "why it has this status"),
    ("impact_score", real, "0 to 100"),
    ("complexity_score", real, "0 to 100"),
    ("tie_break", text, "what put it behind an equal one"),
    ("priority", real, "the order key, 0 to 100"),
    persons=NOBODY,
)

# --- landing and integration ----------------------------------------------------------------------------------------

_LANDED = (
    ("record_id", text, "the record's id in its stream"),
    ("updated_at", time, "when the service last changed it; null where that cannot be read"),
    ("extracted_at", time, "when it was read from the service"),
    ("payload", text, "JSON text, keys in the order received"),
    ("deleted", flag, "true where it says that the service deleted the record"),
    ("day", date, "in the company's time zone"),
)


def landed(service: str, stream: str) -> Table:
    """Records of one stream as received, by the day (in the project's time zone) of their ``updated_at``."""
    return _table(
        f"landing/{service}/{stream}",
        "one record as it was on that day",
        *_LANDED,
        persons=Persons(payload=True),
        partition_by=("day",),
        volatile=("extracted_at",),
        distinct=("record_id", "payload"),
        optional=("deleted",),
    )


EVENTS = _table(
    "integration/events",
    "one customer event as a landed day reports it",
    ("event_id", text, "UUIDv5 of service, stream, record and type"),
    ("type", text, "such as `order.completed`"),
    ("occurred_at", time, "when it happened"),
    ("service", text, "the service, as its name stands in keys"),
    ("stream", text, "the stream of the service that gave it"),
    ("record_id", text, "of the record that it stands for"),
    ("channel", text, "where it happened, such as `web`, `store` or `phone`"),
    ("entity", text, "the customer's id in this service"),
    ("keys", KEYS, "identity keys as received"),
    ("amount", MONEY, "money, refunds negative where the mapping says so"),
    ("currency", text, "code of three letters"),
    ("score", real, "what the customer rated"),
    ("score_kind", text, "`nps`, `csat` or `ces`"),
    ("attributes", text, "JSON object of texts"),
    ("day", date, "the landed day that reports it"),
    ("authenticated_state", text, "`authenticated`, `logged_out`; null where the mapping does not tell"),
    persons=Persons(entities=(("service", "entity"),), texts=("attributes",), dated="occurred_at"),
    partition_by=("service", "day"),
    distinct=("event_id", "record_id", "entity", "keys", "attributes"),
    optional=("authenticated_state",),
)

REJECTED_RECORDS = _table(
    "integration/rejected_records",
    "one reason why one landed record gave no event",
    ("service", text, "the service, as its name stands in keys"),
    ("stream", text, "the stream of the service that gave it"),
    ("record_id", text, "the record's id in its stream"),
    ("event_type", text, "null where the record as a whole is bad"),
    ("reason", text, "a fixed text, listed in docs/services.md"),
    ("payload", text, "the record as received"),
    ("day", date, "the landed day that holds the record"),
    persons=Persons(payload=True),
    partition_by=("service", "day"),
    distinct=("record_id", "payload"),
)

COVERAGE = _table(
    "integration/coverage",
    "one declared service: which of the project's days it has, and which it lacks",
    ("service", text, "the service, as its name stands in keys"),
    ("status", text, "`complete`, `incomplete`, `not integrated`"),
    ("first_day", date, "landed by all streams"),
    ("last_day", date, "likewise"),
    ("days_landed", whole, "days that all streams have"),
    ("days_missing", whole, "days that some stream lacks"),
    ("missing", text, "the missing days, as ranges"),
    ("days_open", whole, "landed days that were read before they had settled, and are read again"),
    ("open", text, "the open days, as ranges"),
    ("events", whole, "distinct events"),
    ("rejected", whole, "rows in quarantine"),
    persons=NOBODY,
)

LOAD_TESTS = _table(
    "integration/load_tests",
    "one load test of one service, by `cx loadtest`",
    ("service", text, "the service, as its name stands in keys"),
    ("tested_at", time, "when the test began"),
    ("declaration", text, "digest of the service's declaration: a test counts for this one only"),
    ("peak_per_hour", real, "records of the busiest hour"),
    ("peak_from", text, "`history`, `given`, or `like` and the service whose history it is"),
    ("factor", real, "times the busiest hour"),
    ("seconds", real, "how long records arrived"),
    ("every_seconds", real, "how often the pipeline asked for what is new"),
    ("offered", whole, "records that arrived"),
    ("committed", whole, "records whose batch was committed"),
    ("offered_per_second", real, "records"),
    ("achieved_per_second", real, "records, up to the last commit"),
    ("latency_p50", real, "seconds from arrival to commit, of half of the records at most"),
    ("latency_p95", real, "likewise, of 95 percent"),
    ("latency_p99", real, "likewise, of 99 percent"),
    ("busy", real, "share of the time in which the pipeline worked"),
    ("max_backlog", whole, "records that had arrived and were not committed"),
    ("drain_seconds", real, "from the last possible arrival to the last commit"),
    ("still_waiting", whole, "records that still waited when time was up"),
    ("lost", whole, "records that went in and did not come out"),
    ("doubled", whole, "records that came out more than once, or that nobody put in"),
    ("retried", whole, "attempts that failed and were made again"),
    ("passed", flag, "nothing lost or doubled, and nothing still waiting"),
    ("why", text, "what stands against passing; empty when passed"),
    ("notes", text, "what to know about the figures"),
    ("known_per_hour", real, "records of the busiest hour that had landed by then; 0 without any"),
    persons=NOBODY,
)

PROGRESS = _table(
    "integration/integration_progress",
    "one service of the inventory: how far its integration is",
    ("rank", whole, "in the plan, from 1"),
    ("service", text, "the service, as its name stands in keys"),
    ("status", text, "`inventoried`, `scored`, `decided`, `integrating`, `integrated`, `closed`, `retired`"),
    ("since", time, "when it came to this status"),
    ("days_done", whole, "due days that all its streams have landed and that are mapped"),
    ("days_due", whole, "days that it owes by now; 0 while it is not to be integrated"),
    ("reason", text, "why it is not further"),
    persons=NOBODY,
    volatile=("since",),
)

PROGRESS_HISTORY = _table(
    "integration/progress_history",
    "one change of one service's progress; its newest row says how it is",
    ("service", text, "the service, as its name stands in keys"),
    ("changed_at", time, "when the change was seen"),
    ("status", text, "as in `integration/integration_progress`, or `removed`: the inventory has it no more"),
    ("days_done", whole, "likewise"),
    ("days_due", whole, "likewise"),
    ("reason", text, "likewise"),
    persons=NOBODY,
    volatile=("changed_at",),
)

# --- identity -------------------------------------------------------------------------------------------------------

PROFILES = _table(
    "identity/profiles",
    "one customer of one service",
    ("service", text, "the service, as its name stands in keys"),
    ("entity", text, "the customer's id in this service"),
    ("keys", KEYS, "those of all its records and events"),
    ("name", text, "the whole name, where the service has it as one"),
    ("given_name", text, "as received"),
    ("family_name", text, "as received"),
    ("birth_date", text, "as received"),
    ("street", text, "as received"),
    ("postcode", text, "as received"),
    ("city", text, "as received"),
    ("country", text, "as received"),
    ("attributes", text, "JSON object of texts"),
    ("updated_at", time, "of the latest record, else of the last event"),
    ("dropped", DROPPED, "of each key that does not link its namespace and the reason"),
    ("fingerprint", whole, "of all that was received of the customer, and of the rules by which keys are read"),
    persons=Persons(entities=(("service", "entity"),), texts=("attributes",), dated="updated_at"),
    distinct=("entity", "keys.list.element.value", "updated_at", "fingerprint"),
    nightly="rewritten",
    optional=("dropped", "fingerprint"),
)

PROFILES_CHANGED = _table(
    "identity/profiles_changed",
    "one state of one customer of one service whom the last change of `identity/profiles` was about: as they were, as "
    "they are",
    ("service", text, "the service, as its name stands in keys"),
    ("entity", text, "the customer's id in this service"),
    ("is_there", flag, "whether this is how they are"),
    ("keys", KEYS, "as in `identity/profiles`"),
    ("is_bare", flag, "of those who are there as in `identity/identity_map`, else null"),
    persons=OF_ENTITIES,
    distinct=("entity", "keys.list.element.value"),
)

KEYS_SEEN = _table(
    "identity/keys",
    "one identity key of one customer of one service",
    ("service", text, "the service, as its name stands in keys"),
    ("entity", text, "the customer's id in this service"),
    ("namespace", text, "as `identity.yaml` names it"),
    ("value", text, "in its one spelling"),
    ("first_seen", time, "the earliest record or event that has it; null where none tells its time"),
    ("last_seen", time, "the latest"),
    ("state", text, "the best it was seen in: `authenticated`, `logged_out`, `ambiguous`"),
    persons=Persons(entities=(("service", "entity"),), dated="last_seen"),
    distinct=("entity", "value", "first_seen", "last_seen"),
    nightly="rewritten",
)

KEYS_DROPPED = _table(
    "identity/keys_dropped",
    "one service, key namespace and reason why keys of it do not link",
    ("service", text, "the service, as its name stands in keys"),
    ("namespace", text, "as the mapping names it"),
    ("reason", text, "`empty`, `invalid`, `placeholder`, `unknown_namespace`"),
    ("count", whole, "keys, one of two customers twice"),
    persons=NOBODY,
)

SCORECARD = _table(
    "identity/scorecard",
    "one service and one key namespace: how well it tells who is who",
    ("service", text, "the service, as its name stands in keys"),
    ("namespace", text, "declared in `identity.yaml`, or had by some service"),
    ("entities", whole, "customers of the service"),
    ("with_key", whole, "of them, those that have such a key"),
    ("coverage", real, "the same as a share"),
    ("validity", real, "share of usable ones among the keys it gives; null where it gives none"),
    ("values", whole, "distinct values that it has"),
    ("uniqueness", real, "share of them that one customer of the service alone has"),
    ("shared", real, "share of its customers that have a value which links and which another service has too"),
    ("islands", whole, "customers that have the key and that no other service knows"),
    ("generic_values", whole, "values that are nobody's"),
    ("conflicts", whole, "customers of the service with two values of a key that only one person can have"),
    ("most_values", whole, "the most values that one person has of it, across services"),
    persons=NOBODY,
)

KEY_VALUES = _table(
    "identity/key_values",
    "one value of a key namespace that several entities hold",
    ("namespace", text, "as `identity.yaml` names it"),
    ("digest", text, "32 hexadecimal digits that stand for the value, as in `identity/links`"),
    ("entities", whole, "how many hold it"),
    ("names", whole, "first letters that their given names have"),
    ("verdict", text, "`links`, `shared` (by a household, by accounts on one device) or `generic`"),
    ("why", text, "why it does not link; empty where it does"),
    ("since", time, "when the verdict became so"),
    ("fingerprint", text, "changes when a holder, or what counts of one, changes"),
    persons=Persons(digests=(("namespace", "digest"),)),
    volatile=("since",),
    distinct=("digest", "fingerprint"),
    nightly="rewritten",
)

LINKED = _table(
    "identity/linked",
    "the state of its inputs that the ledger of links by shared values takes into account: one row, none meanwhile",
    ("profiles_version", whole, "version of `identity/profiles`"),
    ("keys_version", whole, "version of `identity/keys`"),
    ("rules", text, "digest of the rules of key namespaces"),
    ("linked_at", time, "when the ledger was brought up to date with them"),
    persons=NOBODY,
    volatile=("linked_at",),
)

LINKS = _table(
    "identity/links",
    "one entry of the ledger: a link made, or the same link retracted",
    ("link_id", text, "follows from pair and rule"),
    ("left_service", text, "the service of one of the two customers"),
    ("left_entity", text, "that customer's id there"),
    ("right_service", text, "the service of the other"),
    ("right_entity", text, "that customer's id there"),
    ("rule", text, "such as `exact:email`"),
    ("match_weight", real, "in bits"),
    ("evidence", text, "JSON: namespace and digests of shared values, or the levels a model compared"),
    ("made_at", time, "when the link was made"),
    ("retracted_at", time, "null in the row that makes the link"),
    ("retracted_why", text, "null likewise"),
    ("model_version", text, "of the model that weighed the pair; null where no model did"),
    persons=Persons(entities=(("left_service", "left_entity"), ("right_service", "right_entity"))),
    volatile=("made_at", "retracted_at"),
    distinct=("link_id", "left_entity", "right_entity"),
    nightly="grows",
)

MATCHING_FIELDS = _table(
    "identity/matching_fields",
    "one state of one customer of one service, as a model compared it: names, dates and addresses in one spelling. "
    "Rows are added, and all are written anew when many are out of date: a row stands while no other replaces it",
    ("service", text, "the service, as its name stands in keys"),
    ("entity", text, "the customer's id in this service"),
    ("fingerprint", text, "of the texts as received, from which the fields follow"),
    ("given", text, "the first given name, or its initial"),
    ("middle", text, "the other given names"),
    ("family", text, "the family name; of an organisation its name"),
    ("words", text, "the distinct ones of the whole name, sorted"),
    ("birth", text, "yyyymmdd, or yyyy"),
    ("street", text, "its numbers, then its words"),
    ("numbers", text, "those in the street"),
    ("postcode", text, "letters and digits only"),
    ("city", text, "lower case"),
    ("country", text, "lower case"),
    ("keys", KEYS, "those that say something of a person"),
    ("model_version", text, "of the model that compared it"),
    ("number", whole, "of this row"),
    ("replaces", whole, "the number of the row with the customer's former state; null if there is none"),
    ("is_there", flag, "false in the last row of a customer who is gone"),
    ("profile", whole, "fingerprint of the profile that was read"),
    ("is_short", flag, "whether keys of the profile are left out of `keys`"),
    (
        "blocks",
        pa.list_(whole),
        "what the customer shares with those to be compared with: hashes, whose last seven bits tell how many may",
    ),
    ("read_by", text, "digest of the rules by which it was read"),
    persons=Persons(entities=(("service", "entity"),)),
    distinct=("entity", "fingerprint", "keys.list.element.value", "number", "replaces", "profile", "blocks"),
    nightly="grows",
)

MATCHING_MODELS = _table(
    "identity/models",
    "one trained model; the one trained last is in use",
    ("model_version", text, "hash of all that decides a weight"),
    ("trained_at", time, "when it was trained"),
    ("entities", whole, "how many it was trained on"),
    ("settings", text, "JSON: the settings of a Splink model, with all probabilities"),
    ("field_profile", text, "JSON: coverage of fields and distribution of levels then, caps of blocks"),
    persons=NOBODY,
    volatile=("trained_at",),
)

TERM_FREQUENCIES = _table(
    "identity/term_frequencies",
    "one value of a field, as a digest, and how common it was when a model was trained",
    ("model_version", text, "the model"),
    ("field", text, "such as `family`"),
    ("term", text, "32 hexadecimal digits of SHA-256 over field and value; more than one entity had it"),
    ("frequency", real, "its share of the entities that have the field"),
    persons=Persons(digests=(("field", "term"),)),
)

IDENTITY_MAP = _table(
    "identity/identity_map",
    "one customer of one service, and who that is",
    ("service", text, "the service, as its name stands in keys"),
    ("entity", text, "the customer's id in this service"),
    ("customer_id", text, "who it is, across services"),
    ("since", time, "when this became so"),
    ("born_at", time, "when the customer's id was handed out"),
    ("before_merge", text, "in a customer that was merged, the id that the record had before; else null"),
    (
        "component",
        text,
        "the same for customers that links hold together and vetoes or weights keep apart: the first of their ids; "
        "null for a customer whom no link leads to another",
    ),
    (
        "is_bare",
        flag,
        "whether the record gives nothing to compare but keys: neither name, nor birth date, nor address",
    ),
    persons=OF_ENTITIES,
    volatile=("since", "born_at"),
    distinct=("entity", "customer_id"),
    nightly="rewritten",
    optional=("born_at", "before_merge", "component", "is_bare"),
)

CUSTOMER_ALIASES = _table(
    "identity/customer_aliases",
    "one customer id that was handed out and now resolves to another",
    ("old_customer_id", text, "the id that was handed out"),
    ("customer_id", text, "the successor; null when no records are left"),
    ("why", text, "`merged`, `no records left` or `erased`"),
    ("since", time, "when this became so"),
    ("born_at", time, "when the former id was handed out"),
    persons=Persons(customers=("old_customer_id", "customer_id"), stays=True),
    volatile=("since", "born_at"),
    optional=("born_at",),
)

CUSTOMER_HISTORY = _table(
    "identity/customer_history",
    "one thing that happened to one customer id",
    ("day", date, "the UTC day of the run"),
    ("happened_at", time, "when the run saw it"),
    ("map_version", whole, "the version of `identity/identity_map` in which it shows"),
    ("event", text, "`born`, `merged`, `split`, `restored` or `retired`"),
    ("customer_id", text, "whom it happened to; of a merge the customer who is left, of a split the one who was split"),
    (
        "other_customer_id",
        text,
        "of a merge the id that now resolves to the customer, of a split where the records went, of a restored id "
        "whom it had been merged with; else null",
    ),
    ("entities", whole, "how many records it is about"),
    ("evidence", text, "JSON: rules, links (ids, the heaviest ten) and reasons; null for `born` and `retired`"),
    persons=Persons(
        customers=("customer_id", "other_customer_id"), texts=("evidence",), once=True, dated="happened_at"
    ),
    partition_by=("day",),
    volatile=("day", "happened_at", "map_version"),
)

RESOLVED = _table(
    "identity/resolved",
    "what the last run of `identity/identity_map` has taken into account: one row",
    ("resolved_at", time, "when it ended"),
    ("map_version", whole, "the version of `identity/identity_map` that it left"),
    ("links_version", whole, "the version of `identity/links` that it read; null when there was none"),
    ("profiles_version", whole, "likewise, of `identity/profiles`"),
    ("unique_version", whole, "likewise, of the values that only one person can have"),
    ("settings", text, "JSON: by which settings pairs were joined"),
    ("customers", whole, "how many there are"),
    persons=NOBODY,
    volatile=("resolved_at",),
    optional=("profiles_version",),
)

REVIEW_QUEUE = _table(
    "identity/review_queue",
    "one pair of records that a person should look at",
    ("rank", whole, "from 1, the most valuable first"),
    ("left_service", text, "the service of one of the two customers"),
    ("left_entity", text, "that customer's id there"),
    ("right_service", text, "the service of the other"),
    ("right_entity", text, "that customer's id there"),
    ("together", flag, "they are one customer now"),
    ("match_weight", real, "in bits"),
    ("probability", real, "that they are one person, by the weight alone"),
    ("stake", whole, "records and events that a decision could move"),
    ("value", real, "`stake` times the chance that what stands is wrong"),
    ("forbidden_by", text, "keys whose values, a slip of the pen apart, alone forbid that they are one; else null"),
    ("evidence", text, "JSON: levels of agreement, or the namespaces of values that are shared"),
    persons=Persons(entities=(("left_service", "left_entity"), ("right_service", "right_entity"))),
)

CUSTOMERS = _table(
    "identity/customers",
    "one customer",
    ("customer_id", text, "the customer across services; stays the same from run to run"),
    ("document", text, "JSON under `customer.v2.schema.json`"),
    ("entities", whole, "how many services' customers it is made of"),
    ("events", whole, "how many events it holds"),
    ("produced_at", time, "when it last came to say something else"),
    ("inputs", text, "digest of what it was made from: a document is made anew when that changes"),
    ("bucket", pa.int32(), "follows from `customer_id`"),
    persons=Persons(customers=("customer_id",), texts=("document",), dated="produced_at"),
    partition_by=("bucket",),
    volatile=("produced_at",),
)

# --- journeys -------------------------------------------------------------------------------------------------------

EVENT_TYPES = _table(
    "journeys/event_types",
    "one event type that was ever seen",
    ("type", text, "such as `order.completed`"),
    ("type_code", pa.int32(), "from 0, without gaps; once given, a type keeps it"),
    persons=NOBODY,
)

SEQUENCES = _table(
    "journeys/sequences",
    "one distinct customer event, in each file sorted by customer key, time and event id",
    ("customer_id", text, "who it is, across services"),
    ("event_id", text, "the event, as in `integration/events`"),
    ("type", text, "such as `order.completed`"),
    ("occurred_at", time, "when it happened"),
    ("service", text, "the service, as its name stands in keys"),
    ("channel", text, "where it happened, such as `web`, `store` or `phone`"),
    ("amount", MONEY, "money, refunds negative where the mapping says so"),
    ("currency", text, "code of three letters"),
    ("score", real, "what the customer rated"),
    ("score_kind", text, "`nps`, `csat` or `ces`"),
    ("attributes", text, "JSON object of texts"),
    ("customer_key", whole, "stands for `customer_id` within its bucket, from which it follows"),
    ("type_code", pa.int32(), "stands for `type`, as in `journeys/event_types`"),
    ("occurred_us", whole, "`occurred_at` in microseconds since 1970"),
    ("bucket", pa.int32(), "follows from `customer_id` and the number of buckets"),
    ("week", pa.int32(), "of `occurred_at`: Mondays in UTC, counted from 29 December 1969"),
    persons=Persons(customers=("customer_id",), texts=("attributes",), dated="occurred_at"),
    partition_by=("bucket", "week"),
    distinct=("event_id", "customer_key", "occurred_us"),
)

JOURNEY_MAPS = _table(
    "journeys/maps",
    "one version of a journey map that was folded with",
    ("journey", text, "the journey map"),
    ("version", whole, "as the map declared it"),
    ("since", time, "from when on it is in force, until the next one is; null for the first that was known"),
    ("body", text, "the map as JSON"),
    persons=NOBODY,
)

STEPS = _table(
    "journeys/steps",
    "one event of a journey instance",
    ("journey", text, "the journey map"),
    ("map_version", whole, "the version of the map that it was read with"),
    ("instance_id", text, "the instance, as in `journeys/instances`"),
    ("customer_id", text, "who it is, across services"),
    ("seq", whole, "from 1 in each instance"),
    ("event_id", text, "the event, as in `integration/events`"),
    ("type", text, "such as `order.completed`"),
    ("from_state", text, "the step where it stood; null where an instance begins"),
    ("to_state", text, "the step where it then stands"),
    ("stage", text, "the stage of that step"),
    ("channel", text, "where it happened, such as `web`, `store` or `phone`"),
    ("occurred_at", time, "when it happened"),
    ("deviation", flag, "the event is on the map, but not from here: nothing moved"),
    ("correlation", text, "the value of the map's correlation key, null in a map without one"),
    ("part", text, "the part of `to_state`, null in a map without parts"),
    ("week", pa.int32(), "of `occurred_at`, counted as in `journeys/sequences`"),
    persons=OF_CUSTOMERS,
    partition_by=("journey", "week"),
    distinct=("event_id",),
)

INSTANCES = _table(
    "journeys/instances",
    "one customer's one way through one journey",
    ("journey", text, "the journey map"),
    ("map_version", whole, "the version of the map that it was read with"),
    ("instance_id", text, "UUIDv5 of journey, customer and first event"),
    ("customer_id", text, "who it is, across services"),
    ("started_at", time, "when its first event happened"),
    ("last_step_at", time, "the last move"),
    ("ended_at", time, "completed, or the deadline passed; null while active"),
    ("state", text, "the step it stands at or ended at; with parts, of the part that moved last or rested too long"),
    ("stage", text, "the stage of that step"),
    ("status", text, "`active`, `completed`, `abandoned`"),
    ("last_event_id", text, "of its last row in `steps`"),
    ("last_event_at", time, "of the same row"),
    ("steps", whole, "moves"),
    ("deviations", whole, "events that are on the map, but not from where it stood"),
    ("support_events", whole, "times the customer turned to support"),
    ("revenue", MONEY, "in the project's currency"),
    ("cost", MONEY, "support events times the cost of one"),
    ("correlation", text, "the value of the map's correlation key, null in a map without one"),
    ("standing", text, "in a map with parts: the steps where they stand or ended, joined by ` + `"),
    ("week", pa.int32(), "of `ended_at`, counted as in `journeys/sequences`; -1 while active"),
    persons=OF_CUSTOMERS,
    partition_by=("journey", "week"),
    distinct=("instance_id", "last_event_id"),
)

STEP_FIGURES = _table(
    "journeys/step_figures",
    "one step of a journey that an instance has come to",
    ("journey", text, "the journey map"),
    ("step", text, "the step, which may be one of an earlier version of the map"),
    (
        "instances",
        whole,
        "that came there at least once, by an event, a newer version of the map, or as a part's start",
    ),
    ("active", whole, "whose `state` it is, as in `journeys/instances`"),
    ("completed", whole, "that ended there as completed, as told there"),
    ("abandoned", whole, "that rested there too long and so gave up, as told there"),
    ("judged", whole, "of `instances`, whose wait is over, whether they went on or not; null without a wait"),
    ("again", whole, "moves from the step to itself"),
    persons=NOBODY,
)
MOVE_FIGURES = _table(
    "journeys/move_figures",
    "one move between two steps of a journey that an instance has made",
    ("journey", text, "the journey map"),
    ("from_step", text, "null where instances begin"),
    ("to_step", text, "where it leads to"),
    ("moves", whole, "how often"),
    ("median_seconds", real, "half of them took at most so long since the move before; null where instances begin"),
    persons=NOBODY,
)
THREADS = _table(
    "journeys/threads",
    "where a customer's instances, one after the other, stood after a fold; a customer's rows of the newest fold count",
    ("journey", text, "the journey map"),
    ("customer_id", text, "who it is, across services"),
    ("customer_key", whole, "stands for `customer_id`, as in `journeys/sequences`"),
    ("fold", whole, "the number of the fold that wrote the row"),
    ("correlation", text, "the value of the map's correlation key, null in a map without one"),
    (
        "status",
        pa.int32(),
        "of the last instance: 0 active, 1 completed, 2 abandoned; -1: the customer has none any more",
    ),
    ("seen", pa.int32(), "the newest version of the map that it was compared with, counted from 0"),
    ("part", pa.int32(), "the part that moved last, counted from 0"),
    ("steps", pa.list_(pa.int32()), "by part the step, counted over all versions of the map, or -1"),
    ("since", pa.list_(whole), "by part when the rest began, in microseconds since 1970"),
    ("memory", pa.list_(pa.int32()), "the last step in each stage that a way leads back to, or -1"),
    ("due", whole, "when it has rested too long, in microseconds since 1970; null unless that can happen"),
    ("instance_id", text, "the active instance; this and what follows is null without one"),
    ("first_event_id", text, "its first event"),
    ("first_at", whole, "when that happened, in microseconds since 1970"),
    ("first_channel", text, "where that happened"),
    ("first_carried", text, "JSON object: what maps ask of that event; only of a journey that is on other maps"),
    ("last_event_id", text, "of its last row in `steps`"),
    ("last_at", whole, "when that happened, in microseconds since 1970"),
    ("moved_at", whole, "the last move, in microseconds since 1970"),
    ("moves", pa.int32(), "moves"),
    ("deviations", pa.int32(), "events that are on the map, but not from where it stood"),
    ("contacts", pa.int32(), "times the customer turned to support"),
    ("revenue", whole, "in ten-thousandths of the project's currency"),
    ("bucket", pa.int32(), "as in `journeys/sequences`"),
    ("is_open", pa.int32(), "1 with an active instance, else 0"),
    persons=Persons(customers=("customer_id",), texts=("first_carried",), dated="first_at"),
    partition_by=("journey", "bucket", "is_open"),
    distinct=("customer_id", "customer_key", "due", "instance_id", "first_event_id", "last_event_id"),
)

# --- paths ----------------------------------------------------------------------------------------------------------

#: Whose events a table of paths is about.
_SELECTION: Column = ("journey", text, "whose map's event types are looked at; empty: all event types")

DIRECTLY_FOLLOWS = _table(
    "journeys/directly_follows",
    "one pair of event types that come right after each other",
    _SELECTION,
    ("from_type", text, "null where a customer's events begin"),
    ("to_type", text, "null where they end"),
    ("transitions", whole, "how often"),
    ("customers", whole, "of how many customers"),
    ("share", real, "of all that follows `from_type`: the transition matrix"),
    ("mean_seconds", real, "from the one to the other; null where there is only one"),
    persons=NOBODY,
)
VARIANTS = _table(
    "journeys/variants",
    "one of the most frequent paths, and one row for all others",
    _SELECTION,
    ("rank", whole, "from 1, most frequent first; null for all others together"),
    ("path", text, "event types, with ` > ` between them; null for all others"),
    ("events", whole, "of all its customers"),
    ("customers", whole, "whose whole path it is"),
    ("variants", whole, "how many paths the row stands for"),
    ("share", real, "of the customers"),
    ("mean_seconds", real, "from first event to last, of those with more than one; null without any"),
    persons=NOBODY,
)
FUNNELS = _table(
    "journeys/funnels",
    "one step of a funnel: of a journey's, its beginning, then its milestones; of a declared one, as declared",
    ("journey", text, "whose map's funnel it is; empty: a declared one"),
    (
        "semantics",
        text,
        "`first_touch`: only a customer's first entry counts; `any_start`: the one that leads furthest",
    ),
    ("window_days", real, "within which after the entry a step must be reached"),
    ("place", whole, "from 1"),
    ("step", text, "the milestone, `begin` for the beginning; of a declared funnel, as it is called there"),
    ("customers", whole, "who reached it"),
    ("dropped", whole, "of these, who came no further and whose time is over"),
    ("open", whole, "of these, who came no further and still have time"),
    ("mature", whole, "of `customers`, those whose window is over, wherever they are"),
    ("of_entered", real, "share of those who entered, of `mature` ones alone"),
    ("of_previous", real, "share of those who reached the step before, of `mature` ones alone"),
    ("mean_seconds", real, "from entry"),
    ("funnel", text, "the funnel of `funnels.yaml`; null: of a journey's map"),
    persons=NOBODY,
)
FUNNEL_EXITS = _table(
    "journeys/funnel_exits",
    "one thing that customers who dropped out of a funnel at a step did next",
    ("journey", text, "as in `journeys/funnels`"),
    ("semantics", text, "as in `journeys/funnels`"),
    ("place", whole, "of the last step they reached"),
    ("step", text, "that step"),
    ("next_type", text, "the first event after it, of any type; null: nothing"),
    ("customers", whole, "how many; over a step, they are `dropped` in `journeys/funnels`"),
    ("funnel", text, "as in `journeys/funnels`"),
    persons=NOBODY,
)
SESSIONS = _table(
    "journeys/sessions",
    "one event type that sessions begin or end with; a session ends before a gap of more than 30 minutes",
    ("type", text, "such as `order.completed`"),
    ("begun", whole, "sessions that begin with it"),
    ("single", whole, "of these, with one event"),
    ("events", whole, "of these sessions"),
    ("mean_seconds", real, "of these sessions, from first event to last"),
    ("ended", whole, "sessions that end with it"),
    persons=NOBODY,
)
LEAVING = _table(
    "journeys/leaving",
    "one event type of a journey's map after which customers may go quiet",
    _SELECTION,
    ("type", text, "such as `order.completed`"),
    ("wait_days", real, "the longest `abandoned_after_days` of the steps that it leads to"),
    ("visits", whole, "events of the type"),
    ("left", whole, "of these, without any event of the map within that time"),
    ("returned", whole, "of `left`, with one later"),
    ("open", whole, "of `visits`, those whose time is not over: neither left nor stayed"),
    ("rate", real, "`left` of `visits - open`"),
    persons=NOBODY,
)
RETENTION = _table(
    "journeys/retention",
    "one week of life of the customers whose first event lies in one calendar week",
    ("cohort", date, "the Monday"),
    ("week", whole, "since a customer's first event, from 0"),
    ("customers", whole, "of the cohort"),
    ("observed", whole, "of these, for whom that week is over"),
    ("active", whole, "of `observed`, with an event in it"),
    ("share", real, "`active` of `observed`"),
    persons=NOBODY,
)
TIME_TO_MILESTONE = _table(
    "journeys/time_to_milestone",
    "one number of days after customers began: who has reached a milestone by then",
    ("journey", text, "the journey map"),
    ("step", text, "the milestone"),
    ("days", real, "since a customer's first instance began"),
    ("share", real, "Kaplan-Meier: who had no time yet is censored, not lost"),
    ("share_low", real, "lower end of its 95% interval"),
    ("share_high", real, "upper end"),
    ("at_risk", whole, "had not reached it, and were followed beyond these days"),
    ("customers", whole, "who began, whether or not they reached it"),
    persons=NOBODY,
)
COHORT_MILESTONES = _table(
    "journeys/cohort_milestones",
    "the customers whose first event lies in one calendar week or month, on the way to one milestone",
    ("journey", text, "the journey map"),
    ("step", text, "the milestone"),
    ("period", text, "`week` or `month`: each customer is in one cohort of each"),
    ("cohort", date, "its first day, in UTC; weeks as in `journeys/retention`"),
    ("window_days", real, "`conversion_window_days` of the map, from the beginning of a customer's first instance on"),
    ("customers", whole, "of the cohort, with an instance"),
    ("reached", whole, "of these, who have reached it so far"),
    ("mature", whole, "of `customers`, those whose window is over"),
    ("reached_in_time", whole, "of `mature`, who reached it within the window"),
    ("share", real, "`reached_in_time` of `mature`; null without any"),
    ("share_low", real, "lower end of its 95% interval (Wilson)"),
    ("share_high", real, "upper end"),
    ("median_days", real, "from the beginning, of `reached_in_time`; null without any"),
    ("median_moves", real, "after the beginning, of the same"),
    ("instances", whole, "of `customers`, those that began at least the window ago"),
    ("instances_reached", whole, "of these, the ones that came to the milestone within the window"),
    ("share_of_instances", real, "`instances_reached` of `instances`; null without any"),
    persons=NOBODY,
)
CHANNEL_HANDOFFS = _table(
    "journeys/channel_handoffs",
    "one pair of channels that come right after each other",
    ("from_channel", text, "null where a customer's events begin"),
    ("to_channel", text, "null where they end"),
    ("transitions", whole, "how often"),
    ("customers", whole, "of how many customers"),
    ("share", real, "of all that follows `from_channel`"),
    ("mean_seconds", real, "from the one to the other; null where there is only one"),
    persons=NOBODY,
)

#: What is counted of the paths of all customers.
PATHS = (
    DIRECTLY_FOLLOWS,
    VARIANTS,
    FUNNELS,
    FUNNEL_EXITS,
    SESSIONS,
    LEAVING,
    RETENTION,
    TIME_TO_MILESTONE,
    COHORT_MILESTONES,
    CHANNEL_HANDOFFS,
)

# --- exploration ----------------------------------------------------------------------------------------------------

#: What the tables of findings have in common: a cluster at a step, compared with the others there.
_CLUSTER: tuple[Column, ...] = (
    ("finding_id", text, "UUIDv5 of table, journey, step, segment and value"),
    ("journey", text, "the journey map"),
    ("step", text, "the step compared at; empty where the whole journey is compared"),
    ("segment", text, "the attribute that the cluster shares; of a cluster that was found, several with ` & `"),
    ("segment_value", text, "its value, or what is asked of each of them"),
    ("n", whole, "customers in the cluster"),
    ("baseline_n", whole, "the others"),
    ("value", real, ""),
    ("baseline", real, "the same, of the others"),
    ("effect", real, "`value - baseline`"),
    ("effect_low", real, "lower end of its 95% interval"),
    ("effect_high", real, "upper end"),
    ("effect_early", real, "the effect among those who came in the first half of the time; null without both groups"),
    ("effect_late", real, "the same, in the second half"),
    ("is_stable", flag, "both halves show the effect, in the same direction"),
    ("p_value", real, "one-sided"),
    ("p_adjusted", real, "after Benjamini and Hochberg over the analysis's candidates"),
    ("is_finding", flag, "false: looked at, and not a finding"),
    ("shadow_of", text, "the `finding_id` that explains this row"),
)


def _findings(name: str, grain: str, *more: Column, **meanings: str) -> Table:
    """``meanings`` are those that this table gives to columns of all: at least to ``value``."""
    cluster = [(column, kind, meanings.get(column, meaning)) for column, kind, meaning in _CLUSTER]
    return _table(f"exploration/{name}", grain, *cluster, *more, persons=NOBODY)


ABANDONMENT_HOTSPOTS = _findings(
    "abandonment_hotspots",
    "one cluster of customers at one step, and whether more of them give up there than of the others",
    ("value_at_risk", real, "revenue, see docs/findings.md"),
    (
        "hours_to_move_on",
        real,
        "median until they go to another step, who still rest there censored; null where fewer than half do, and in "
        "rows that are neither finding nor shadow",
    ),
    ("baseline_hours_to_move_on", real, "the same, of the others"),
    ("days_to_milestone", real, "likewise, until the next milestone"),
    ("baseline_days_to_milestone", real, "the same, of the others"),
    value="share who gave up",
)
SUPPORT_SHIFTS = _findings(
    "support_shifts",
    "one cluster of customers at one step, and whether more of them turn to support after it",
    ("support_cost", real, "of the contacts beyond the others'"),
    ("before_contact", text, "the commonest event types right before the first contact, with their shares"),
    ("contacts_per_asker", real, "contacts within the window of each who turned to support"),
    ("repeat_rate", real, "share of them who did so more than once"),
    (
        "hours_to_human",
        real,
        "median from the first contact until a human answered, who still wait censored; null where fewer than half "
        "were answered, or the map names no `human_events`",
    ),
    value="share who turned to support",
)
PROFITABLE_PATHS = _findings(
    "profitable_paths",
    "one segment on one path, and whether it brings more revenue per customer with less support than the others",
    ("path", text, "the commonest order of steps among those who brought revenue"),
    ("support_rate", real, "share who turned to support"),
    ("baseline_support_rate", real, "the same, of the others"),
    ("acquisition_cost", real, "mean cost of winning one of them, of those of whom it is known"),
    ("baseline_acquisition_cost", real, "the same, of the others"),
    (
        "on_frontier",
        flag,
        "no other candidate has more revenue without more support, or less support without less revenue",
    ),
    step="empty: the whole journey is compared",
    value="revenue per customer",
)
CHANGE_PRIORITIES = _findings(
    "change_priorities",
    "one change: what revenue it keeps and expense it saves, largest first",
    ("rank", whole, "from 1"),
    ("change", text, "what to mend"),
    ("revenue_kept", real, "total over the `n` customers"),
    ("expense_saved", real, "total"),
    ("net_value", real, "`revenue_kept + expense_saved`"),
    ("net_value_low", real, "lower end of its 95% interval"),
    ("net_value_high", real, "upper end"),
    ("assumption", text, "what the numbers rest on"),
    segment="`friction`",
    segment_value="the event type that went wrong",
    n="customers who met it",
    value="revenue less support expense per customer",
)
INCIDENTS = _findings(
    "incidents",
    "one rate at one step, of all customers or of a cluster, in the period in which it stands out most",
    ("outcome", text, "`gave_up` or `asked_support`: what is counted of each visit"),
    ("visits", whole, "visits in the period"),
    ("baseline_visits", whole, "at other times"),
    ("from_day", date, "the first day of the period"),
    ("until_day", date, "the last one"),
    ("judged_until", date, "the day of the last visit to the step that is old enough to be judged"),
    ("is_over", flag, "the period ends before `judged_until`"),
    ("excess", real, "visits with the outcome beyond what `baseline` gives"),
    finding_id="UUIDv5 of table, journey, step, outcome, segment and value",
    segment="the attribute that the cluster shares; `all` for all customers",
    segment_value="its value; `customers` for all",
    n="customers who came in the period",
    baseline_n="customers who came at other times",
    baseline="the same, at other times",
    value="share of the period's visits that ended there, or after which the customer turned to support",
    effect_early="the effect in the first half of the period's visits",
    effect_late="in the second half",
    is_stable="both halves of the period show the effect",
)
WEEKLY_RATES = _table(
    "exploration/weekly_rates",
    "one week of one rate at one step: of all customers, and of each cluster with an incident",
    ("journey", text, "the journey map"),
    ("step", text, "where the visit was"),
    ("outcome", text, "`gave_up` or `asked_support`"),
    ("segment", text, "the attribute that the cluster shares; `all` for all customers"),
    ("segment_value", text, "its value; `customers` for all"),
    ("week", date, "its Monday"),
    ("visits", whole, "that began in it and are old enough to be judged"),
    ("hits", whole, "those with the outcome"),
    ("value", real, "`hits / visits`"),
    ("baseline", real, "the rate of all weeks, but for days of an incident of this row's rate"),
    ("limit_low", real, "three standard deviations below the baseline"),
    ("limit_high", real, "above it"),
    ("in_incident", flag, "some of its days belong to an incident of this row's rate"),
    persons=NOBODY,
)

SEGMENT_COHORTS = _table(
    "exploration/segment_cohorts",
    "one share of a cluster of at least `exploration.min_customers`, as known when the journey began: at a step, or in "
    "a week",
    ("journey", text, "the journey map"),
    (
        "measure",
        text,
        "`begins_at`, instances that began at the step, resuming ones apart; `completed`, instances that did within "
        "`conversion_window_days`; `reached`, customers who came to the milestone within these; `active`, customers "
        "with an event in that week after beginning",
    ),
    ("step", text, "where it began, or the milestone; null for the others"),
    ("week", whole, "after beginning, 1 the second week; null but for `active`"),
    ("segment", text, "the attribute that the cluster shares; `all` for all customers"),
    ("segment_value", text, "its value; `customers` for all"),
    ("customers", whole, "in the cluster, old enough to be judged"),
    ("n", whole, "what the share is of: customers, or their instances"),
    ("hits", whole, "those of which it is true"),
    ("share", real, "`hits / n`"),
    ("share_low", real, "95% interval; of instances it counts those of one customer as alike"),
    ("share_high", real, "upper end"),
    persons=NOBODY,
)

EXPERIENCE = _table(
    "exploration/experience",
    "one measure of what customers answered, at one step, in one layer, or on a whole journey, by version of its map",
    ("journey", text, "the journey map"),
    ("map_version", whole, "the version of the map; null where `level` is `elsewhere`"),
    (
        "level",
        text,
        "`step`; `layer`, of all its steps; `journey`, of all steps; `elsewhere`, answers of the journey's customers "
        "that belong to no step",
    ),
    ("stage", text, "the stage of the step"),
    ("step", text, "the step that the customer had come to last"),
    ("layer", text, "of the step: `product` or `relationship`"),
    ("measure", text, "`nps`, `csat` or `ces`"),
    ("n", whole, "customers who answered; each counts with the last answer"),
    (
        "value",
        real,
        "NPS in points from -100 to 100, CSAT as the share of satisfied, CES as the mean; null, see `note`",
    ),
    ("value_low", real, "lower end of its 95% interval"),
    ("value_high", real, "upper end"),
    ("promoters", real, "of NPS: share who answered 9 or 10"),
    ("detractors", real, "of NPS: share who answered 6 or less"),
    ("answers", whole, "all that these customers gave on the scale"),
    ("off_scale", whole, "answers beyond the scale, which count for nothing else"),
    ("note", text, "why there is no value: how many customers answered, of how many needed"),
    persons=NOBODY,
)

KPIS = _table(
    "exploration/kpis",
    "one KPI in one hour of the last 7 days, or on one of the last 28 days, in the company's time zone",
    ("period", text, "`hour` or `day`"),
    ("begins_at", time, "when the hour or day begins"),
    ("journey", text, "the journey map; null: of all events"),
    (
        "kpi",
        text,
        "`contacts` to support, `revenue` in the project's currency, `answers` given; of a journey's instances "
        "`started`, `completed`, `abandoned` (so far)",
    ),
    ("value", real, "what has come in so far; null where no service that feeds the KPI has the day"),
    ("expected", real, "mean of the same hour, or weekday, of the last 8 weeks that are there"),
    ("expected_low", real, "lower end of the interval in which 95% of such values lie; null where they never vary"),
    ("expected_high", real, "upper end"),
    ("weeks", whole, "how many earlier weeks were there; fewer than 4 say nothing"),
    (
        "verdict",
        text,
        "`above`, `below` or `as expected`; null where that cannot be said, never `below` before all data are there",
    ),
    ("complete", flag, "all services that feed the KPI have the day, and nothing of it is still to come"),
    ("waits_for", text, "what is still to come: services, or `journeys` that do not know the newest events"),
    ("reaches", time, "the end of the newest day that is complete for this KPI; null: none is"),
    persons=NOBODY,
)

# --- all of them ----------------------------------------------------------------------------------------------------

#: The tables that are not a stream's landed records, by path.
DECLARED = {each.path: each for each in list(globals().values()) if isinstance(each, Table)}


def table_at(path: str) -> Table:
    """The table whose folder under the lake's root is ``path``. Raises ``KeyError`` for a path that is no table's."""
    kind, _, rest = path.partition("/")
    service, _, stream = rest.partition("/")
    return landed(service, stream) if kind == "landing" and stream else DECLARED[path]
