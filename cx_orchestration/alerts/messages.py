"""What people are told, in words.

Belongs here: texts. They hold no person's data: reasons are those of our failures, which have none.
"""

from dataclasses import dataclass

from cx_orchestration.storage.alerts import Trouble

_LONGEST_REASON = 600

_CLASSES = {
    "transient": "transient: it is tried again by itself",
    "permanent": "permanent: somebody has to mend something",
    "refused": "refused: somebody has to decide or mend something",
    "bug": "an unexpected error: the run's log has the way to it",
    "killed": "killed: its process ended before the run did",
}


@dataclass(frozen=True)
class Message:
    """A title of one line, and plain text."""

    title: str
    body: str


def failure_message(trouble: Trouble, ui_url: str, list_command: str) -> Message:
    """That something fails: what, for which days, of which class, why, and where to look.

    ``list_command`` is the command that lists what is left failed.
    """
    reason = trouble.reason if len(trouble.reason) <= _LONGEST_REASON else trouble.reason[:_LONGEST_REASON] + " ..."
    lines = [
        f"what: {trouble.subject}",
        *([f"days: {trouble.days}"] if trouble.days else []),
        f"class: {_CLASSES[trouble.family]}",
        f"reason: {reason}",
        f"since: {trouble.since:%Y-%m-%d %H:%M} UTC",
        f"look: {_link(trouble, ui_url)}",
        f"what is left failed, and the commands that rerun it: {list_command}",
    ]
    return Message(f"{trouble.subject} fails ({trouble.family})", "\n".join(lines))


def recovery_message(trouble: Trouble, ui_url: str) -> Message:
    """That it works again."""
    lines = [
        f"what: {trouble.subject}",
        f"class: {trouble.family}",
        f"failed since: {trouble.since:%Y-%m-%d %H:%M} UTC",
        f"look: {_link(trouble, ui_url)}",
    ]
    return Message(f"{trouble.subject} works again ({trouble.family})", "\n".join(lines))


def test_message(project: str, ui_url: str) -> Message:
    """That alerts arrive."""
    return Message(
        f"{project}: test of alerts", f"Alerts of {project} arrive here. Nothing has failed.\nlook: {ui_url}"
    )


def _link(trouble: Trouble, ui_url: str) -> str:
    base = ui_url.rstrip("/")
    return f"{base}/runs/{trouble.run_id}" if trouble.run_id else base
