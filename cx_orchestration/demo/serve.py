"""All services of a demo company in one process on loopback: for tests in a thread, else as a command.

    python -m cx_orchestration.demo.serve --customers 200 --days 30 --ready env.json

Belongs here: starting and stopping, and telling the environment that the project's services need. Does not belong here:
how any service answers (``servers``).
"""

import argparse
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from cx_orchestration.demo.company import SEED, Company, generate
from cx_orchestration.demo.project_folder import write_project
from cx_orchestration.demo.servers.discourse import Discourse
from cx_orchestration.demo.servers.faults import Fault
from cx_orchestration.demo.servers.mailchimp import Mailchimp
from cx_orchestration.demo.servers.salesforce import Salesforce
from cx_orchestration.demo.servers.segment import Segment
from cx_orchestration.demo.servers.stripe import Stripe
from cx_orchestration.demo.servers.survey import Survey
from cx_orchestration.demo.servers.vendor import Environment, Limit, Shelf, Vendor, serve_vendor
from cx_orchestration.demo.servers.zendesk import Zendesk
from cx_orchestration.demo.services.writing import Records

SERVICES = ("salesforce", "mailchimp", "zendesk", "stripe", "segment", "discourse", "survey")

_LOOPBACK = "127.0.0.1"


class DemoServers:
    """The services of one company as one ASGI app, each mounted under its name, with credentials of this start.

    ``page_size`` makes pages smaller than the vendors' own.
    """

    def __init__(
        self,
        company: Company,
        *,
        faults: Mapping[str, Fault] | None = None,
        limits: Mapping[str, Limit] | None = None,
        page_size: int | None = None,
    ) -> None:
        faults, limits = faults or {}, limits or {}
        if unknown := sorted((set(faults) | set(limits)) - set(SERVICES)):
            raise ValueError(f"no such service: {', '.join(unknown)}; expected {', '.join(SERVICES)}")
        shelves = {
            service: {name: Shelf(_on_file(records, faults.get(service))) for name, records in streams.items()}
            for service, streams in company.records.items()
        }
        self._vendors = _vendors(shelves, page_size or 2_000)
        self.app = Starlette(
            routes=[
                Mount(f"/{name}", serve_vendor(vendor, fault=faults.get(name), limit=limits.get(name)))
                for name, vendor in self._vendors.items()
            ]
        )

    def environment(self, port: int) -> Environment:
        """Addresses and credentials, by the names that the project's services take them from."""
        environment: Environment = {}
        for name, vendor in self._vendors.items():
            environment[f"CX_{name.upper()}_URL"] = f"http://{_LOOPBACK}:{port}/{name}"
            environment |= vendor.environment
        return environment


def _vendors(shelves: dict[str, dict[str, Shelf]], most: int) -> dict[str, Vendor]:
    crm, desk, forum = shelves["salesforce"], shelves["zendesk"], shelves["discourse"]
    marketing, billing, analytics = shelves["mailchimp"], shelves["stripe"], shelves["segment"]
    return {
        "salesforce": Salesforce(
            {"Contact": crm["contacts"], "Lead": crm["leads"]}, page_size=min(most, 2_000)
        ).vendor(),
        "mailchimp": Mailchimp(
            marketing["members"], marketing["welcome_activity"], page_size=min(most, 1_000)
        ).vendor(),
        "zendesk": Zendesk(desk["users"], desk["tickets"], page_size=min(most, 1_000)).vendor(),
        "stripe": Stripe(billing, page_size=min(most, 100)).vendor(),
        "segment": Segment(analytics["events"], page_size=min(most, 1_000)).vendor(),
        "discourse": Discourse(forum["users"], forum["posts"], page_size=min(most, 100)).vendor(),
        "survey": Survey(shelves["survey"]["responses"], page_size=min(most, 200)).vendor(),
    }


def _on_file(records: Records, fault: Fault | None) -> Records:
    if fault is not None and fault.kind == "empty":
        return Records(np.array([], dtype=np.int64), [])
    return records


@contextmanager
def running_company(
    company: Company,
    faults: Mapping[str, Fault] | None = None,
    limits: Mapping[str, Limit] | None = None,
    page_size: int | None = None,
    watch: Callable[[], None] | None = None,
) -> Iterator[Environment]:
    """Serve a company from a thread on a free port, and give the environment that reaches it.

    The port listens before this returns, so the first request waits rather than fails. ``watch`` is called, in that
    thread, before a request is answered.
    """
    servers = DemoServers(company, faults=faults, limits=limits, page_size=page_size)
    listening = _listen(0)
    server = uvicorn.Server(_config(servers.app if watch is None else _watched(servers.app, watch)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield servers.environment(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((_LOOPBACK, port))
    listening.listen(128)
    return listening


def _watched(app: ASGIApp, watch: Callable[[], None]) -> ASGIApp:
    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        watch()
        await app(scope, receive, send)

    return watched


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2, server_header=False
    )


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    options = _options().parse_args(arguments)
    company = generate(options.seed, options.customers, options.days, null=options.null)
    if options.project is not None:
        write_project(options.project, company)
    if options.truth is not None:
        company.truth.write(options.truth)
    servers = DemoServers(company, faults=dict(options.fault))
    listening = _listen(options.port)
    text = orjson.dumps(servers.environment(listening.getsockname()[1]), option=orjson.OPT_INDENT_2).decode()
    if options.ready is None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    else:
        _write_secret(options.ready, text + "\n")
    uvicorn.Server(_config(servers.app)).run(sockets=[listening])


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cx_orchestration.demo.serve", description=main.__doc__)
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--null", action="store_true", help="a company with nothing planted")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready", type=Path, help="file for the environment, complete once requests are served")
    parser.add_argument("--project", type=Path, help="write the company's project folder here")
    parser.add_argument("--truth", type=Path, help="write who is who and what was planted here")
    parser.add_argument("--fault", type=_fault, action="append", default=[], metavar="SERVICE:KIND[:AFTER[:TIMES]]")
    return parser


def _fault(text: str) -> tuple[str, Fault]:
    service, _, fault = text.partition(":")
    try:
        return service, Fault.parse(fault)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.rename(path)


if __name__ == "__main__":
    main()
