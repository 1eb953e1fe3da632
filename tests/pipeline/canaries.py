"""Twenty people and a token that are nobody's, and services that show them wherever a failure could pick them up."""

import gzip
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cx_orchestration.project.template import write_template

TOKEN = "zq-token-canary-4411903"
PASTED = "zq-pasted-canary-8c1f9e"
DAYS = ("2026-01-01", "2026-01-02")


@dataclass(frozen=True)
class Person:
    """Every value is found by its own text alone: no two people, and nothing else, share it."""

    number: int

    @property
    def name(self) -> str:
        return f"Zoquira Canaria{self.number:02d}"

    @property
    def email(self) -> str:
        return f"zoquira.canary{self.number:02d}@example.net"

    @property
    def phone(self) -> str:
        return f"+1 555 77 0188{self.number:02d}"

    @property
    def address(self) -> str:
        return f"{self.number:02d} Canaryquill Lane"

    @property
    def id(self) -> str:
        return f"cust-canary-{self.number:02d}"

    @property
    def values(self) -> list[str]:
        return [self.name, self.email, self.phone, self.address, self.id]

    def record(self, **more: Any) -> dict[str, Any]:
        """A ticket of this person that is as declared, but for ``more``."""
        return {
            "id": self.id,
            "updated_at": f"{DAYS[0]}T12:00:{self.number:02d}Z",
            "created_at": f"{DAYS[0]}T12:00:{self.number:02d}Z",
            "channel": "mail",
            "requester": {"id": self.email, "email": self.email, "phone": self.phone},
            "topic": f"{self.name}, {self.address}",
            **more,
        }


PEOPLE = [Person(number) for number in range(20)]
EVERYBODY = [person.record() for person in PEOPLE]

#: Every way to write a canary that a log or a message could have chosen.
CANARIES = sorted(
    {
        form
        for value in [TOKEN, PASTED, *(value for person in PEOPLE for value in person.values)]
        for form in (value, quote(value), json.dumps(value).strip('"'), value.lower(), value.upper())
    }
)


def page(records: Any, **more: Any) -> bytes:
    return json.dumps({"tickets": records, "meta": {"next_cursor": None}, **more}).encode()


def bomb() -> bytes:
    """Somewhat more than a session is willing to inflate, as some hundred kB."""
    return gzip.compress(page([PEOPLE[13].email]) + b" " * (129 << 20), 1)


def reset(request: Request) -> Response:
    """Half an answer, then a reset of the connection."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + page(EVERYBODY)[:400])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return Response()


def everywhere(
    status: int, body: bytes, kind: str = "application/json", **headers: str
) -> Callable[[Request], Response]:
    """An answer with people in its body and its headers."""
    said = {
        "X-Customer": PEOPLE[0].email,
        "X-Token": TOKEN,
        **{name.replace("_", "-"): headers[name] for name in headers},
    }
    return lambda _: Response(body, status, said, content_type=kind)


_ERROR = json.dumps({"error": f"no access for {PEOPLE[1].email}", "token": TOKEN, "people": EVERYBODY}).encode()
_HTML = f"<html><h1>Hello {PEOPLE[2].name}</h1>{PEOPLE[2].email} {TOKEN}</html>".encode()
_PERSON_IN_PATH = f"/api/people/{quote(PEOPLE[3].email)}?phone={quote(PEOPLE[3].phone)}&token={TOKEN}"

#: What each stream of the service answers, and, where it is not the usual one, how its pages are declared.
ANSWERS: dict[str, Callable[[Request], Response]] = {
    "good": everywhere(200, page(EVERYBODY)),
    "unauthorized": everywhere(401, _ERROR, WWW_Authenticate=f'Bearer realm="{PEOPLE[4].email}"'),
    "forbidden": everywhere(403, _ERROR),
    "not_found": everywhere(404, _ERROR),
    "rate_limited": everywhere(429, _ERROR, Retry_After=PEOPLE[5].id),
    "broken": everywhere(500, _ERROR),
    "unavailable": everywhere(503, _HTML, "text/html"),
    "reset": reset,
    "truncated": everywhere(200, page(EVERYBODY)[:500], Content_Length="99999"),
    "half_json": everywhere(200, page(EVERYBODY)[:-30]),
    "html": everywhere(200, _HTML, "text/html"),
    "error_with_200": everywhere(200, _ERROR),
    "wrong_path": everywhere(200, json.dumps({"people": EVERYBODY}).encode()),
    "people_by_name": everywhere(200, page({person.email: person.record() for person in PEOPLE})),
    "no_end": everywhere(200, json.dumps({"tickets": EVERYBODY, "next": PEOPLE[6].email}).encode()),
    "same_cursor": everywhere(200, page(EVERYBODY, meta={"next_cursor": PEOPLE[7].email})),
    "cursor_object": everywhere(200, page(EVERYBODY, meta={"next_cursor": PEOPLE[8].record()})),
    "elsewhere": everywhere(302, b"", Location=f"http://localhost:9/{PEOPLE[9].email}?token={TOKEN}"),
    "redirected": everywhere(302, b"", Location=_PERSON_IN_PATH),
    "next_elsewhere": everywhere(200, page(EVERYBODY, next=f"http://{PEOPLE[10].id}.example.net/{TOKEN}")),
    "next_person": everywhere(200, page(EVERYBODY, next=_PERSON_IN_PATH)),
    "next_nonsense": everywhere(200, page(EVERYBODY, next=f"http://[{PEOPLE[11].email}")),
    "link": everywhere(200, page(EVERYBODY), Link=f'<{_PERSON_IN_PATH}>; rel="next"'),
    "encoding": everywhere(200, page(EVERYBODY), Content_Encoding=PEOPLE[12].id),
    "damaged_gzip": everywhere(200, gzip.compress(page(EVERYBODY))[:-40], Content_Encoding="gzip"),
    "bomb": lambda _: Response(bomb(), headers={"Content-Encoding": "gzip"}, content_type="application/json"),
    "poison": everywhere(
        200,
        page(
            [
                PEOPLE[14].record(updated_at=f"the day of {PEOPLE[14].name}"),
                PEOPLE[15].record(id=None),
                PEOPLE[16].record(topic=f"{PEOPLE[16].name}\u0000"),
                PEOPLE[17].email,
                [PEOPLE[18].email],
                PEOPLE[19].record(updated_at=float("nan")),
            ]
        ).replace(b"Canaryquill", b"\\ud800 Canaryquill"),
    ),
    # Its name comes last: after this answer no stream of the service is asked.
    "your_turn_in_an_hour": everywhere(429, _ERROR, Retry_After="3600"),
    "rejected": everywhere(
        200, page([person.record(created_at=person.email, requester={"id": None}) for person in PEOPLE])
    ),
}
PAGINATORS: dict[str, dict[str, Any]] = {
    "no_end": {"type": "next_url", "next_url_path": "after"},
    "next_elsewhere": {"type": "next_url", "next_url_path": "next"},
    "next_person": {"type": "next_url", "next_url_path": "next"},
    "next_nonsense": {"type": "next_url", "next_url_path": "next"},
    "link": {"type": "link_header"},
}

_HEADINGS = "id,updated_at,created_at,channel,name,email"


def _line(person: Person, *more: str) -> str:
    return ",".join(
        [person.id, f"{DAYS[0]}T12:00:00Z", f"{DAYS[0]}T12:00:00Z", "mail", person.name, person.email, *more]
    )


#: Files as people save them, by stream: format, and bytes.
FILES: dict[str, tuple[str, bytes]] = {
    "too_many_values": ("csv", "\n".join([_HEADINGS, _line(PEOPLE[0]), _line(PEOPLE[1], PEOPLE[1].phone)]).encode()),
    "no_headings": ("csv", "\n".join([f"{PEOPLE[2].email},{PEOPLE[2].email}", _line(PEOPLE[2])]).encode()),
    "open_quote": ("csv", f'{_HEADINGS}\n"{_line(PEOPLE[3])}\n'.encode()),
    "text_after_quote": ("csv", f'{_HEADINGS}\n"{PEOPLE[4].email}"{PEOPLE[4].phone}\n'.encode()),
    "latin": ("csv", f"{_HEADINGS}\n{_line(PEOPLE[5])}é\n".encode("latin-1")),
    "wide": ("csv", f"{_HEADINGS}\n{PEOPLE[6].email * 20_000}\n".encode()),
    "half_line": ("jsonl", json.dumps(PEOPLE[7].record()).encode()[:-20]),
    "no_parquet": ("parquet", PEOPLE[8].email.encode() * 10),
    "other_columns": ("csv", f"customer,mail\n{PEOPLE[9].id},{PEOPLE[9].email}\n".encode()),
}


def _events() -> list[dict[str, Any]]:
    return [
        {
            "type": "support.requested",
            "occurred_at": "created_at",
            "channel": {"path": "channel", "map": {"mail": "email"}, "default": "other"},
            "entity": "requester.id",
            "keys": {"email": "requester.email", "phone": "requester.phone"},
            "attributes": {"topic": "topic"},
        }
    ]


def write_canary_project(folder: Path, server: HTTPServer) -> None:
    """A project of two services, each stream of which fails in its own way."""
    write_template(folder)
    for old in (*(folder / "services").iterdir(), *(folder / "journeys").iterdir()):
        old.unlink()
    settings = yaml.safe_load((folder / "project.yaml").read_text())
    settings |= {"start_date": DAYS[0], "end_date": DAYS[1], "time_zone": "UTC"}
    settings["stores"] = {"lake": "lake", "registry": "${CX_REGISTRY_URL}"}
    (folder / "project.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    streams: dict[str, Any] = {}
    for name, answer in ANSWERS.items():
        server.expect_request(f"/api/{name}").respond_with_handler(answer)
        streams[name] = {
            "endpoint": {
                "path": f"/api/{name}",
                "params": {"since": "{window.start}", "owner": PEOPLE[0].email},
                "window": {"format": "iso"},
                "data_selector": "tickets",
                "paginator": PAGINATORS.get(
                    name, {"type": "cursor", "cursor_path": "meta.next_cursor", "cursor_param": "cursor"}
                ),
            },
            "record_id": "id",
            "updated_at": "updated_at",
            "events": _events(),
        }
    client = {
        "base_url": "${HELP_DESK_URL}",
        "auth": {"type": "bearer", "token_env": "HELP_DESK_TOKEN"},
        "rate": {"per_second": 10_000},
        "max_attempts": 1,
    }
    _write(folder, "help_desk", {"kind": "rest", "client": client, "streams": streams})
    drops = folder / "drops"
    drops.mkdir(exist_ok=True)
    file_streams = {}
    for name, (kind, content) in FILES.items():
        (drops / f"{name}-{DAYS[0]}.{kind}").write_bytes(content)
        file_streams[name] = {
            "files": {"pattern": f"drops/{name}-{{day}}.{kind}", "format": kind},
            "record_id": "id",
            "updated_at": "updated_at",
            "events": [{**_events()[0], "entity": "email", "keys": {"email": "email"}, "attributes": {"name": "name"}}],
        }
    _write(folder, "store_till", {"kind": "files", "streams": file_streams})
    decisions = [
        {
            "service": service, "disposition": "integrate", "decided_by": "Head of CX", "role": "business leader",
            "decided_on": "2026-01-01", "reason": "It is asked in a test.",
        }
        for service in ("help_desk", "store_till")
    ]  # fmt: skip
    (folder / "decisions.yaml").write_text(yaml.safe_dump({"decisions": decisions}))


def _write(folder: Path, service: str, declared: dict[str, Any]) -> None:
    text = yaml.safe_dump({"service": service, **declared}, sort_keys=False)
    (folder / "services" / f"{service}.yaml").write_text(text, encoding="utf-8")
