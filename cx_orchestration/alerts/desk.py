"""The desk that tells people: every trouble once, and its end once."""

import datetime as dt
from collections.abc import Callable, Collection

from cx_orchestration.alerts.destinations import Destinations
from cx_orchestration.alerts.messages import Message, failure_message, recovery_message
from cx_orchestration.storage.alerts import Trouble, Troubles


class Desk:
    """Tells the destinations; ``log`` takes a line about each that did not take a message. ``list_command`` is the
    command that lists what is left failed."""

    def __init__(
        self,
        troubles: Troubles,
        destinations: Destinations,
        log: Callable[[str], None],
        *,
        ui_url: str,
        list_command: str,
    ) -> None:
        self._troubles, self._destinations, self._log = troubles, destinations, log
        self._ui_url, self._list_command = ui_url, list_command

    def begin(self, troubles: Collection[Trouble]) -> None:
        """Remember troubles; those that are known already are not told again."""
        for trouble in troubles:
            self._troubles.begin(trouble)

    def tell(self, now: dt.datetime) -> int:
        """Tell of every trouble that nobody was told of; how many were told. What nobody took is told the next time."""
        told = 0
        for trouble in self._troubles.standing():
            if trouble.told_at is None and self._send(failure_message(trouble, self._ui_url, self._list_command)):
                self._troubles.told(trouble, now)
                told += 1
        return told

    def over(self, trouble: Trouble) -> None:
        """A trouble is over; who was told of it is told so.

        When nobody took that message, the trouble stands, as it does for whoever was told of it: the next look tells
        its end, or finds it failing again, which is no news.
        """
        tellable = trouble.told_at is not None and bool(self._destinations)
        if not tellable or self._send(recovery_message(trouble, self._ui_url)):
            self._troubles.over(trouble)

    def _send(self, message: Message) -> bool:
        """Whether some destination took the message."""
        outcomes = self._destinations.send(message)
        for name, why in outcomes.items():
            if why:
                self._log(f"{name}: {why}; message: {message.title}")
        return not all(outcomes.values())
