"""What the inventory or the integration lacks (C4).

Belongs here: which traces in the data count as evidence of a system, and the comparison with the inventory and the
declarations. Does not belong here: who is told about a gap.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from cx_orchestration.model import tables
from cx_orchestration.model.inventory import IntegrationProfile, InventoryRow
from cx_orchestration.model.service import ServiceDeclaration
from cx_orchestration.model.settings import Catalog
from cx_orchestration.storage.engine import Engine, sql_text
from cx_orchestration.storage.lake import Lake

HOST_ATTRIBUTES = (
    "referrer",
    "referer",
    "referrer_url",
    "referrer_host",
    "referring_domain",
    "page_referrer",
    "initial_referrer",
    "webhook_url",
    "callback_url",
)
"""Attributes of events and profiles that hold an address: its host is evidence of the system that answers there."""

NAME_ATTRIBUTES = (
    "source",
    "event_source",
    "source_system",
    "source_app",
    "utm_source",
    "lead_source",
    "original_source",
    "webhook",
    "webhook_source",
    "integration",
    "imported_from",
    "synced_from",
    "created_via",
    "created_by_app",
)
"""Attributes of events and profiles that name the system something came from, as vendors' data calls them.

A mapping that takes such a field over under one of these names makes it evidence; other attributes are never searched,
since free text may tell of a person.
"""

NOT_A_SYSTEM = frozenset(
    """
    advertising affiliate android api app call campaign chat click cpc customer desktop direct display e-mail email
    event form import internal in_app ios letter mail manual mobile newsletter none not_set null offline online organic
    other outbound paid partner phone portal qr qr_code radio referral search self_service shop site sms social store
    survey system tablet test tv unknown user visitor walk_in web web_form webhook webform website widget word_of_mouth
    """.split()  # noqa: SIM905 - a list literal would take sixty lines
)
"""Values that say by which way something came, not from which system."""

_BY_WHICH_WAY = frozenset(re.sub(r"[^a-z0-9]+", "", value) for value in NOT_A_SYSTEM)
_NAME = re.compile(r"[a-z][a-z0-9 ._/+-]{1,39}")
_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}")
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})
_TOP_LEVEL = frozenset({"ai", "app", "biz", "cloud", "com", "dev", "info", "net", "online", "org", "shop", "tech"})


def find_gaps(
    rows: Iterable[InventoryRow],
    declared: Mapping[str, ServiceDeclaration],
    *,
    approved: Collection[str],
    lake: Lake,
    engine: Engine,
    passed_over: Catalog | None = None,
    least_seen: int = 5,
) -> pd.DataFrame:
    """Rows of ``tables.GAPS``, by kind, most often seen first.

    ``approved`` names the services whose reviewed disposition is integrate, declared or not. The kinds:

    - ``system_not_in_inventory``: seen in the data of the service that ``detail`` names; ``seen`` counts the events
      and profiles that hold a trace of it. Traces seen fewer than ``least_seen`` times are left out: what stands in one
      or two records may be somebody's own words.
    - ``declared_not_in_inventory``: ``services/<name>.yaml`` without a row in the inventory.
    - ``no_identity_key``: a declaration none of whose mappings takes an identity key; ``seen`` counts the service's
      events in the lake.
    - ``stranded``: the inventory says Inaccessible, and no file drop is declared.
    - ``approved_not_declared``: to be integrated, but without ``services/<name>.yaml``.

    ``seen`` is 0 where the project folder alone shows the gap. Details hold names of services and fields, never a
    value that could be a person's.
    """
    rows = list(rows)
    known = _Known.of(rows, declared, passed_over or Catalog())
    gaps = [
        *_systems_seen(known, lake, engine, least_seen),
        *_in_the_project(rows, declared, approved),
        *_without_identity_key(declared, lake, engine),
    ]
    gaps.sort(key=lambda gap: (gap["kind"], -gap["seen"], gap["subject"]))
    return pd.DataFrame.from_records(gaps, columns=tables.GAPS.schema.names)


# --- what the data shows --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """What a trace may be of without being a gap."""

    systems: list[frozenset[str]]
    compact: frozenset[str]
    domains: frozenset[str]
    ignored: frozenset[str]

    @classmethod
    def of(cls, rows: list[InventoryRow], declared: Mapping[str, ServiceDeclaration], passed_over: Catalog) -> "_Known":
        names = sorted({row.system for row in rows} | {row.service for row in rows})
        hosts = {
            urlsplit(declaration.client.base_url).hostname for declaration in declared.values() if declaration.client
        }
        return cls(
            systems=[_words(name) for name in names],
            compact=frozenset(_compact(name) for name in names),
            domains=frozenset(domain.strip().lower() for domain in passed_over.own_domains)
            | frozenset(host for host in hosts if host),
            ignored=frozenset(_compact(name) for name in passed_over.ignore),
        )

    def has_host(self, host: str) -> bool:
        """A host is known by its domain, or by a system all of whose words stand in it (``analytics.google.com``).

        A domain stands for all its owner's systems: with Google Analytics in the inventory, all of google.com is known.
        """
        if any(host == domain or host.endswith("." + domain) for domain in self.domains):
            return True
        domain = _domain(host)
        if {_compact(host), _compact(domain)} & self.ignored:
            return True
        return self.has_name(domain.partition(".")[0]) or any(words <= _words(host) for words in self.systems)

    def has_name(self, name: str) -> bool:
        """A name is known when its words are among a system's (``zendesk`` of Zendesk Support) or contain them all."""
        if _compact(name) in self.compact | self.ignored:
            return True
        words = _words(name)
        return any(words <= system or system <= words for system in self.systems)


@dataclass
class _Trace:
    seen: int = 0
    where: set[str] = field(default_factory=set)


def _systems_seen(known: _Known, lake: Lake, engine: Engine, least_seen: int) -> list[dict[str, Any]]:
    names = [*HOST_ATTRIBUTES, *NAME_ATTRIBUTES]
    found = engine.query(
        sql_text(__package__, "services_seen.sql"),
        {"events": lake.scan(tables.EVENTS), "profiles": lake.scan(tables.PROFILES)},
        {"names": names, "paths": [f'$."{name}"' for name in names], "hosts": list(HOST_ATTRIBUTES)},
    )
    traces: dict[str, _Trace] = {}
    for row in found.to_pylist():
        if (subject := _subject(row["reading"], row["value"], known)) is not None:
            trace = traces.setdefault(subject, _Trace())
            trace.seen += row["seen"]
            trace.where.add(f"'{row['attribute']}' of {row['service']}")
    return [
        {
            "kind": "system_not_in_inventory",
            "subject": subject,
            "detail": f"Seen in {', '.join(sorted(trace.where))}: add it to the inventory, or, if it is no system of "
            "yours, to catalog.own_domains or catalog.ignore of project.yaml.",
            "seen": trace.seen,
        }
        for subject, trace in traces.items()
        if trace.seen >= least_seen
    ]


def _subject(reading: str, value: str, known: _Known) -> str | None:
    """The domain or name under which a trace is reported; ``None`` when it is known or says nothing of a system."""
    if reading == "name" and _is_host(value):
        reading = "host"
    if reading == "host":
        return None if not _HOST.fullmatch(value) or known.has_host(value) else _domain(value)
    # Vendors write the event behind the system's name: stripe.charge.succeeded, hubspot/contact.
    name = re.split(r"[./]", value)[0].strip()
    if not _NAME.fullmatch(value) or len(name) < 2 or _compact(name) in _BY_WHICH_WAY:
        return None
    return None if known.has_name(name) else name


def _is_host(value: str) -> bool:
    top = value.rpartition(".")[2]
    return _HOST.fullmatch(value) is not None and (top in _TOP_LEVEL or len(top) == 2)


def _domain(host: str) -> str:
    """The part of a host that somebody registered: ``acme.zendesk.com`` to ``zendesk.com``."""
    labels = host.split(".")
    country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if country else labels[-2:])


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", name.lower()))


def _compact(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())


# --- what the project folder shows ----------------------------------------------------------------------------------


def _in_the_project(
    rows: list[InventoryRow], declared: Mapping[str, ServiceDeclaration], approved: Collection[str]
) -> list[dict[str, Any]]:
    inventoried = {row.service for row in rows}
    inaccessible = {row.service for row in rows if row.integration_profile == IntegrationProfile.INACCESSIBLE}
    by_file = {name for name, declaration in declared.items() if declaration.kind == "files"}
    without = {
        "declared_not_in_inventory": (
            declared.keys() - inventoried,
            "services/{0}.yaml is declared, but inventory.csv has no such system: add its row.",
        ),
        "stranded": (
            inaccessible - by_file,
            "The inventory says Inaccessible: its data stays where it is until somebody declares a file drop "
            "(services/{0}.yaml with kind: files).",
        ),
        "approved_not_declared": (
            set(approved) - declared.keys(),
            "Its integration is decided, but services/{0}.yaml is missing: declare the service.",
        ),
    }
    return [
        {"kind": kind, "subject": service, "detail": detail.format(service), "seen": 0}
        for kind, (services, detail) in without.items()
        for service in services
    ]


def _without_identity_key(
    declared: Mapping[str, ServiceDeclaration], lake: Lake, engine: Engine
) -> list[dict[str, Any]]:
    keyless = sorted(name for name, declaration in declared.items() if not _takes_a_key(declaration))
    if not keyless:
        return []
    counted = engine.query(sql_text(__package__, "events_by_service.sql"), {"events": lake.scan(tables.EVENTS)})
    events = {row["service"]: row["events"] for row in counted.to_pylist()}
    return [
        {
            "kind": "no_identity_key",
            "subject": name,
            "detail": f"No mapping in services/{name}.yaml takes an identity key, so nothing of it can be joined to "
            "another service's customers: name one under 'keys'.",
            "seen": events.get(name, 0),
        }
        for name in keyless
    ]


def _takes_a_key(declaration: ServiceDeclaration) -> bool:
    return any(
        any(event.keys for event in stream.events) or (stream.profile is not None and bool(stream.profile.keys))
        for stream in declaration.streams.values()
    )
