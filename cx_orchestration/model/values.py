"""What a mapping takes from a record: values, times and conditions.

Belongs here: the words for one value. Does not belong here: what it is used for (``service.py``, ``endpoint.py``).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from cx_orchestration.model.base import Declared, TimeZone

#: How a time is written: ISO 8601 with offset, ISO without offset (in ``time_zone``), epoch, or a strptime format.
TimeFormat = Literal["iso", "epoch_s", "epoch_ms", "epoch_us", "date"] | Annotated[str, Field(pattern="%")]


def _path_shorthand(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class Value(Declared):
    """One value taken from a record. In YAML a plain string is short for ``{path: <string>}``.

    Exactly one of ``path``, ``const``, ``coalesce``, ``concat`` says where it comes from; ``map`` then translates it
    (values absent from the map become ``default``, or null), ``scale`` multiplies it, and ``default`` stands in for
    null.
    """

    path: str | None = Field(default=None, description="a.b, a[0].b; names with other characters in double quotes")
    const: str | int | float | bool | None = None
    coalesce: list["ValueOrPath"] | None = Field(default=None, min_length=2)
    concat: list["ValueOrPath"] | None = Field(default=None, min_length=2, description="null if any part is null")
    map: dict[str, str] | None = None
    scale: float | None = None
    default: str | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        sources = [self.path, self.const, self.coalesce, self.concat]
        if sum(source is not None for source in sources) != 1:
            raise ValueError("a value needs exactly one of 'path', 'const', 'coalesce', 'concat'")
        return self


ValueOrPath = Annotated[Value, BeforeValidator(_path_shorthand, json_schema_input_type=str | Value)]


class Time(Declared):
    """A point in time taken from a record. In YAML a plain string is a path to an ISO 8601 time."""

    path: str | None = None
    coalesce: list[str] | None = Field(default=None, min_length=2, description="The first path that is not null")
    format: TimeFormat = "iso"
    time_zone: TimeZone | None = Field(default=None, description="IANA zone of times written without one; else UTC")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.path is None) == (self.coalesce is None):
            raise ValueError("a time needs exactly one of 'path' and 'coalesce'")
        return self

    @property
    def paths(self) -> list[str]:
        return [self.path] if self.path is not None else list(self.coalesce or [])


TimeOrPath = Annotated[Time, BeforeValidator(_path_shorthand, json_schema_input_type=str | Time)]


class Condition(Declared):
    """True when the value at ``path`` fits; a null value fits only ``exists: false`` and ``none_of``."""

    path: str
    any_of: list[str] | None = None
    none_of: list[str] | None = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _has_one_test(self) -> Self:
        if sum(test is not None for test in (self.any_of, self.none_of, self.exists)) != 1:
            raise ValueError("a condition needs exactly one of 'any_of', 'none_of', 'exists'")
        return self
