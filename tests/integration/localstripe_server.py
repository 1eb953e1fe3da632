"""Starts localstripe on loopback and a free port, which its own command line cannot; prints the port."""

import socket

from aiohttp import web
from localstripe.resources import Store
from localstripe.server import app

if __name__ == "__main__":
    # It would write everything into one file of the machine's temporary folder after each request.
    Store.dump_to_disk = lambda _: None
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    web.run_app(app, sock=listener, print=None, access_log=None)
