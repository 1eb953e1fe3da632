"""What every table of the registry shares, so that each kind of fact may have a module of its own."""

import datetime as dt

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass


def in_utc(when: dt.datetime) -> dt.datetime:
    """A time as the database gives it; SQLite forgets the zone, which is always UTC here."""
    return when.astimezone(dt.UTC) if when.tzinfo else when.replace(tzinfo=dt.UTC)
