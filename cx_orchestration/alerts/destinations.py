"""Where messages go: Apprise URLs, for e-mail, Slack, Teams, webhooks and many more.

Belongs here: sending, and saying which destination did not take a message. An Apprise URL holds secrets, so
destinations are known by the environment variable that holds them.
"""

import logging
from collections.abc import Collection, Mapping

from apprise import Apprise, NotifyFormat

from cx_orchestration.alerts.messages import Message

# Apprise logs addresses that it cannot read, and those may hold a password.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


class Destinations:
    """The destinations that the project names; ``environ`` has their addresses."""

    def __init__(self, names: Collection[str], environ: Mapping[str, str]) -> None:
        self._urls = {name: environ.get(name, "") for name in names}

    def __bool__(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._urls)

    def send(self, message: Message) -> dict[str, str]:
        """Send to all. Gives, by the variable that names it, why a destination did not take the message, or ``""``."""
        return {name: _send(url, message) for name, url in self._urls.items()}


def _send(url: str, message: Message) -> str:
    if not url:
        return "the environment variable is not set"
    apprise = Apprise()
    if not apprise.add(url):
        return "its value is no address that Apprise knows"
    sent = apprise.notify(title=message.title, body=message.body, body_format=NotifyFormat.TEXT)
    return "" if sent else "the destination did not take the message"
