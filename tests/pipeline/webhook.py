"""A destination of messages: a real HTTP server that Apprise posts JSON to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


@dataclass
class Webhook:
    """What arrived, and the status that the server answers with."""

    url: str
    status: int = 200
    messages: list[dict[str, str]] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        if self.status == 200:
            self.messages.append(request.get_json())
        return Response(status=self.status)

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@contextmanager
def listening() -> Iterator[Webhook]:
    with HTTPServer(host="127.0.0.1") as server:
        hook = Webhook(f"json://user:hook-secret@127.0.0.1:{server.port}/alerts")
        server.expect_request("/alerts").respond_with_handler(hook.answer)
        yield hook
