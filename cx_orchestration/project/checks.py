"""What must agree between the files of a project folder, beyond what each file says by itself.

Belongs here: names that one file takes from another, and asking each domain package what it finds wrong. Does not
belong here: the shape of one file; the models know that.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

from cx_orchestration.identity.overrides import override_errors
from cx_orchestration.integration.validate import check_service
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.scoring import Decisions, ScoringConfig
from cx_orchestration.model.service import ProfileMapping, ServiceDeclaration, Stream
from cx_orchestration.model.settings import Rollout, Settings
from cx_orchestration.project import supplies
from cx_orchestration.project.environment import malformed_placeholder, variables_named
from cx_orchestration.project.folder import Parts
from cx_orchestration.project.funnel_checks import funnel_errors
from cx_orchestration.project.journey_checks import journey_errors, reserved_types
from cx_orchestration.project.ready_made import ExtendedFile
from cx_orchestration.project.wording import is_secret_key, unknown_name
from cx_orchestration.project.yaml_files import YamlFile
from cx_orchestration.scoring.plan import validate_decisions
from cx_orchestration.scoring.scores import scoring_errors

_FIRST_DAY, _LAST_DAY = dt.date(1970, 1, 1), dt.date(2199, 12, 31)
_LITERAL_PASSWORD = re.compile(
    r"://[^/@:]*:(?!\$\{[A-Z][A-Z0-9_]*\}@)[^/]*@|[?&][a-z]*password=(?!\$\{[A-Z][A-Z0-9_]*\}(&|$))", re.IGNORECASE
)
_PLACEHOLDER_EXPECTED = "expected ${NAME} with the name of an environment variable in capitals"
_NOT_PROFILE_VALUES = {"when", "entity", "keys", "attributes"}

#: Fields of a customer's profile that services can give under a name of their own.
PROFILE_FIELDS = [name for name in ProfileMapping.model_fields if name not in _NOT_PROFILE_VALUES]


def check_project(parts: Parts, now: dt.datetime) -> list[ProjectError]:
    """Everything that does not agree. A part that could not be read is not held against the others.

    What is right by itself in a file with mistakes is checked: mending one mistake does not bring up the next.
    """
    return [
        *(_settings(parts.readable_settings) if parts.readable_settings else ()),
        *(_rollout(parts.readable_settings.rollout, parts) if parts.readable_settings else ()),
        *_scoring(parts),
        *_decisions(parts, now),
        *_identity(parts),
        *override_errors(parts.readable_overrides, _inventory_services(parts), _today(parts.settings, now)),
        *(error for name, service in parts.services.items() for error in _service(name, service, parts)),
        *(error for name in parts.services for error in reserved_types(name, parts)),
        *(error for name, journey in parts.journeys.items() for error in journey_errors(name, journey, parts)),
        *funnel_errors(parts),
    ]


# --- settings -------------------------------------------------------------------------------------------------------


def _settings(settings: Settings) -> Iterator[ProjectError]:
    file = "project.yaml"
    for key, day in (("start_date", settings.start_date), ("end_date", settings.end_date)):
        if day is not None and not _FIRST_DAY <= day <= _LAST_DAY:
            yield ProjectError(file, key, str(day), f"expected a day from {_FIRST_DAY} to {_LAST_DAY}")
    since = settings.rollout.since
    if since is not None and not settings.start_date <= since <= (settings.end_date or _LAST_DAY):
        expected = f"expected a day of the project, {settings.start_date} to {settings.end_date or _LAST_DAY}"
        yield ProjectError(file, "rollout.since", str(since), expected)
    stores = settings.stores
    results = stores.results or "postgresql://"
    for key, text in (("stores.lake", stores.lake), ("stores.registry", stores.registry), ("stores.results", results)):
        if malformed_placeholder(text):
            yield ProjectError(file, key, "", _PLACEHOLDER_EXPECTED)
    if not settings.stores.lake.strip() or "://" in settings.stores.lake or settings.stores.lake.startswith("~"):
        yield ProjectError(file, "stores.lake", "", "expected the path of a folder; ${HOME} stands for one's own")
    if not re.match(r"[a-z0-9_+]+://|\$\{", settings.stores.registry):
        yield ProjectError(file, "stores.registry", "", "expected a SQLAlchemy URL such as sqlite:///registry.db")
    if not re.match(r"postgresql(\+psycopg2)?://|\$\{", results):
        yield ProjectError(file, "stores.results", "", "expected a PostgreSQL URL such as postgresql://host/name")
    for key, text in (("stores.registry", stores.registry), ("stores.results", results)):
        if _LITERAL_PASSWORD.search(text):
            expected = "expected no password here; put it in an environment variable and write ${NAME} in its place"
            yield ProjectError(file, key, "", expected)


def _rollout(rollout: Rollout, parts: Parts) -> Iterator[ProjectError]:
    file, services, journeys = "project.yaml", parts.services, parts.journeys
    for service, streams in rollout.streams.items():
        path = f"rollout.streams.{service}"
        if service in services:
            known = services[service].streams
            for n, stream in enumerate(() if streams == "all" else streams):
                if stream not in known:
                    expected = f"a stream of services/{service}.yaml"
                    yield unknown_name(file, f"{path}[{n}]", stream, expected, known)
        elif f"services/{service}.yaml" not in parts.broken:
            yield unknown_name(file, path, service, "a service that services/ declares", services)
    for journey, stages in rollout.stages.items():
        path = f"rollout.stages.{journey}"
        if journey in journeys:
            for n, stage in enumerate(stages):
                if stage not in journeys[journey].stages:
                    expected = f"a stage of journeys/{journey}.yaml"
                    yield unknown_name(file, f"{path}[{n}]", stage, expected, journeys[journey].stages)
        elif f"journeys/{journey}.yaml" not in parts.broken:
            yield unknown_name(file, path, journey, "a journey that journeys/ declares", journeys)


# --- catalog and scoring --------------------------------------------------------------------------------------------


def _scoring(parts: Parts) -> Iterator[ProjectError]:
    if parts.inventory is not None:
        # The check reads the dimensions alone, whatever else is wrong in the file.
        yield from scoring_errors(
            parts.inventory, parts.scoring or ScoringConfig.model_construct(dimensions=parts.readable_dimensions)
        )


def _decisions(parts: Parts, now: dt.datetime) -> Iterator[ProjectError]:
    readable = parts.readable_decisions
    places = list(readable)

    def in_the_file(text: str) -> str:
        return re.sub(r"\bdecisions\[(\d+)\]", lambda match: f"decisions[{places[int(match[1])]}]", text)

    decisions = Decisions(decisions=list(readable.values()))
    for error in validate_decisions(decisions, parts.inventory or (), today=_today(parts.settings, now)):
        if parts.inventory is not None or not error.path.endswith(".service"):
            yield replace(error, path=in_the_file(error.path), expected=in_the_file(error.expected))


def _today(settings: Settings | None, now: dt.datetime) -> dt.date:
    """The company's day; where its time zone cannot be told, the latest day that it is anywhere."""
    zone = dt.timezone(dt.timedelta(hours=14)) if settings is None else ZoneInfo(settings.time_zone)
    return now.astimezone(zone).date()


# --- identity -------------------------------------------------------------------------------------------------------


def _identity(parts: Parts) -> Iterator[ProjectError]:
    known_services = sorted(_inventory_services(parts) or ())
    for field, rule in parts.readable_survivorship.items():
        for n, service in enumerate(rule.trusted_services):
            if parts.inventory is not None and service not in known_services:
                path = f"survivorship.{field}.trusted_services[{n}]"
                yield unknown_name("identity.yaml", path, service, "a service of inventory.csv", known_services)
        if parts.services and parts.all_services_read and parts.namespaces is not None:
            attributes = supplies.profile_attributes(parts.services.values())
            known = [*PROFILE_FIELDS, *sorted(attributes), *parts.namespaces]
            if field not in known:
                expected = "a profile field, an attribute that some service gives, or a namespace"
                yield unknown_name("identity.yaml", f"survivorship.{field}", field, expected, known)


# --- services -------------------------------------------------------------------------------------------------------


def _service(name: str, service: ServiceDeclaration, parts: Parts) -> Iterator[ProjectError]:
    file = f"services/{name}.yaml"
    known_services = _inventory_services(parts)
    if known_services is not None and service.service == name and name not in known_services:
        expected = "the name of a system of inventory.csv, as a slug (if it is a new one, add a row there)"
        yield unknown_name(file, "service", name, expected, known_services)
    for stream_name, stream in service.streams.items():
        path = f"streams.{stream_name}"
        yield from _namespaces(file, path, stream, parts)
    yield from _connection(file, service)
    yield from check_service(service, file)


def _connection(file: str, service: ServiceDeclaration) -> Iterator[ProjectError]:
    """What may not stand in a connection: secrets belong in the environment, and nowhere else."""
    if service.client is None:
        return
    url = service.client.base_url
    if malformed_placeholder(url):
        yield ProjectError(file, "client.base_url", "", _PLACEHOLDER_EXPECTED)
    elif not re.match(r"https?://|\$\{", url):
        yield ProjectError(file, "client.base_url", "", "expected an address that begins with https:// or http://")
    if re.search(r"://[^/]*@|\?", url):
        yield ProjectError(file, "client.base_url", "", "expected an address without credentials and parameters")
    for header in service.client.headers:
        if is_secret_key(header):
            expected = "expected no credentials here; declare client.auth with the name of an environment variable"
            yield ProjectError(file, f"client.headers.{header}", "", expected)
    for name, stream in service.streams.items():
        path = stream.endpoint.path if stream.endpoint else ""
        if malformed_placeholder(path):
            yield ProjectError(file, f"streams.{name}.endpoint.path", "", _PLACEHOLDER_EXPECTED)
        if any(is_secret_key(variable) for variable in variables_named(path)):
            expected = "expected no credentials here: paths end up in logs; declare client.auth"
            yield ProjectError(file, f"streams.{name}.endpoint.path", "", expected)
        for param in stream.endpoint.params if stream.endpoint else ():
            if is_secret_key(param):
                expected = "expected no credentials here: parameters end up in logs; declare client.auth"
                yield ProjectError(file, f"streams.{name}.endpoint.params.{param}", "", expected)


def _namespaces(file: str, path: str, stream: Stream, parts: Parts) -> Iterator[ProjectError]:
    known = parts.namespaces
    if known is None:
        return
    for where, mapping in supplies.mappings(path, stream):
        for namespace in mapping.keys:
            if namespace not in known:
                path_of_key = f"{where}.keys.{namespace}"
                error = unknown_name(file, path_of_key, namespace, "a namespace of identity.yaml", known)
                cures = _cures(parts.contents[file], path_of_key, namespace)
                yield replace(error, expected=error.expected + cures)


def _cures(content: YamlFile, path: str, namespace: str) -> str:
    """What to do about a key that nobody of this company wrote; who wrote it knows."""
    if not isinstance(content, ExtendedFile) or not content.origin(path):
        return ""
    in_a_list = "[" in path
    leave_out = "declare these events anew without it" if in_a_list else f"write keys: {{{namespace}: null}}"
    return f"; add it to namespaces in identity.yaml, or {leave_out}"


# --- common ---------------------------------------------------------------------------------------------------------


def _inventory_services(parts: Parts) -> list[str] | None:
    """The services of the inventory, or ``None`` when it could not be read."""
    return None if parts.inventory is None else sorted({row.service for row in parts.inventory})
