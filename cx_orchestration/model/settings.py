"""``project.yaml``: the company's name, time and stores, its strategy, and what exploration may call a finding."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cx_orchestration.model.base import Declared, EnvName, Owner, Slug, TimeZone
from cx_orchestration.model.scoring import Strategy


class Stores(Declared):
    """Where results are kept. ``${NAME}`` is taken from the environment; relative paths start at the project folder."""

    lake: str = "lake"
    registry: str = Field(default="sqlite:///registry.db", description="SQLAlchemy URL; ${NAME} for anything secret")
    results: str | None = Field(
        default=None,
        description="PostgreSQL URL of the database in which BI tools read results (docs/bi.md); ${NAME} for anything "
        "secret; absent: results are in the lake alone",
    )


class InventoryFile(Declared):
    """How inventory.csv is written: spreadsheets of some countries export ``;`` and Latin-1."""

    encoding: str = "utf-8"
    delimiter: str | None = Field(default=None, description="Absent: ',' ';' or tab, whichever the header has")


class Catalog(Declared):
    """What the search for systems that the inventory lacks passes over."""

    own_domains: list[str] = Field(
        default_factory=list, description="The company's own web domains, seen in referrers: no system of their own"
    )
    ignore: list[str] = Field(
        default_factory=list, description="Names and domains seen in data that are no system of the company's"
    )


class Exploration(Declared):
    """What may be called a finding.

    ``error_rate`` is the chance, over all analyses of a project together, that data without any effect gives a finding.
    """

    error_rate: float = Field(default=0.05, gt=0, lt=1)
    min_customers: int = Field(default=30, ge=5, description="Smaller clusters are not looked at")
    min_effect: float = Field(default=0.05, ge=0, description="Smallest difference of two rates worth reporting")
    support_window_days: float = Field(default=7, gt=0, description="Turning to support counts within this time")
    support_contact_cost: float = Field(default=0, ge=0, description="Cost of one contact in the project's currency")


class Scale(Declared):
    """The worst and the best answer to a question as it is asked; answers beyond them are counted and left out."""

    lowest: float = Field(allow_inf_nan=False)
    highest: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("lowest must be less than highest")
        return self


class SatisfactionScale(Scale):
    satisfied_from: float = Field(description="Who answers this or more is satisfied", allow_inf_nan=False)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if not self.lowest < self.satisfied_from <= self.highest:
            raise ValueError("satisfied_from must be more than lowest and at most highest")
        return self


class Experience(Declared):
    """What answers of customers mean (docs/findings.md, "Experience"). The recommendation is 0 to 10 by definition."""

    window_days: float = Field(
        default=30, ge=0, le=3660, description="After a journey has ended, an answer belongs to its last step this long"
    )
    csat: SatisfactionScale = SatisfactionScale(lowest=1, highest=5, satisfied_from=4)
    ces: Scale = Scale(lowest=1, highest=7)

    @property
    def nps(self) -> Scale:
        """From 'not at all likely' to 'extremely likely' to recommend."""
        return Scale(lowest=0, highest=10)


class Rollout(Declared):
    """The part of the approved services that is integrated for now; without it, all of them from the first day.

    A service that ``streams`` names is integrated with these streams. Of the others, with ``stages``, the streams are
    integrated that give an event of a transition to or from a step of these stages, or of a beginning that leads to
    one; a stream that only describes customers comes along with another one of its service. With ``streams`` alone the
    others are left out.
    """

    since: dt.date | None = Field(default=None, description="The first day that is integrated; absent: start_date")
    streams: dict[Slug, Literal["all"] | Annotated[list[Slug], Field(min_length=1)]] = Field(
        default_factory=dict, description="By service: 'all', or the names of some of its streams"
    )
    stages: dict[Slug, Annotated[list[Slug], Field(min_length=1)]] = Field(
        default_factory=dict, description="By journey: some of the stages of its map"
    )

    @property
    def is_limited(self) -> bool:
        """Whether it leaves any stream out."""
        return bool(self.streams or self.stages)


class LoadTest(Declared):
    """What a load test must show before a service counts as integrated (docs/load-test.md)."""

    required: bool = Field(default=False, description="Refuse to read a service that has no passed load test")
    seconds: float = Field(default=60, gt=0, description="How long the busy season's rate is replayed at least")
    max_drain_seconds: float = Field(
        default=60, gt=0, description="The backlog must be worked off this long after the last arrival"
    )
    min_history_days: int = Field(
        default=28, ge=1, description="A shorter history is not taken for the rate of the busiest hour"
    )


class Retries(Declared):
    """How a run tries a stream again by itself after a transient failure; the sensor asks again later in any case."""

    times: int = Field(default=1, ge=0)
    pause_seconds: float = Field(default=20, ge=0, description="Before the first; each further is about twice as long")


class Alerts(Declared):
    """Who is told when something fails (docs/operations.md)."""

    urls_env: list[EnvName] = Field(
        default_factory=list, description="Environment variables that hold an Apprise URL each: they contain secrets"
    )
    ui_url: str = Field(
        default="http://127.0.0.1:3000", pattern="^https?://", description="Where the Dagster UI is, for links to runs"
    )


class Spark(Declared):
    """Where journeys, exploration and matching run with ``engine: spark`` (docs/production.md)."""

    master: str = Field(
        default="local[*]", description="Spark's master URL: local[2], spark://host:7077, yarn, k8s://..."
    )
    config: dict[str, str] = Field(default_factory=dict, description="Spark's own settings by name; no secrets")


class Settings(Declared):
    name: str = Field(min_length=1)
    owner: Owner = Field(
        default="",
        description="Shown in the UI for assets that no service owns: an e-mail address or team:name",
    )
    time_zone: TimeZone = "UTC"
    start_date: dt.date = Field(description="The first day that is integrated")
    end_date: dt.date | None = Field(default=None, description="The last day, for a project about a closed period")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    strategy: Strategy = Strategy.HIGHEST_IMPACT_FIRST
    busy_season_factor: float = Field(
        default=1, ge=1, description="How many times the load of the busiest hour so far the busy season may bring"
    )
    load_test: LoadTest = LoadTest()
    lookback_days: int = Field(
        default=3, ge=0, le=3660, description="Days before yesterday that the nightly sync reads again"
    )
    nightly_at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "02:30"
    retries: Retries = Retries()
    alerts: Alerts = Alerts()
    inventory: InventoryFile = InventoryFile()
    catalog: Catalog = Catalog()
    stores: Stores = Stores()
    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb", description="What journeys, exploration and matching run on: this machine, or a Spark cluster"
    )
    spark: Spark = Spark()
    exploration: Exploration = Exploration()
    experience: Experience = Experience()
    rollout: Rollout = Rollout()

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.end_date is not None and self.end_date < self.start_date:
            raise ValueError("end_date lies before start_date")
        return self
