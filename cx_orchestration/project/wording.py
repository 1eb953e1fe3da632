"""What a JSON Schema allows at a place, in plain words, and what of a wrong value may be repeated to a person.

Belongs here: words. Does not belong here: finding what is wrong (``declared.py``).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cx_orchestration.model.base import EVENT_TYPE_PATTERN, OWNER_PATTERN, SLUG_PATTERN
from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.words import READ, quoted, shortened, suggestion
from cx_orchestration.project.yaml_files import KeyPath

Schema = Mapping[str, Any]

_PATTERNS = {
    "^https?://": "an http(s) address",
    SLUG_PATTERN: "a name of lower-case letters, digits and '_' such as order_history",
    r"^[A-Z][A-Z0-9_]*$": "the name of an environment variable such as BILLING_TOKEN, never its value",
    EVENT_TYPE_PATTERN: "an event type such as order.completed",
    r"^[a-z][a-z0-9_]{0,62}/\S(.*\S)?$": "a service and its customer's id such as crm/C-17",
    r"^[A-Z]{2}$": "two capital letters such as US",
    r"^[A-Z]{3}$": "three capital letters such as USD",
    r"^([01]\d|2[0-3]):[0-5]\d$": "a time of day such as 02:30",
    r"^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*$": "names joined by dots such as variables.after",
    OWNER_PATTERN: "an e-mail address or team: and a name, such as team:stores",
    r"^[^\s@A-Z.]+(\.[^\s@A-Z.]+)+$": "a domain in lower case such as shop.example",
    r"^[^\sA-Za-z0-9@.]$": "one character that is no letter, digit or dot, such as + or -",
    r"%": "a format with % such as %d.%m.%Y",
}
_MODELS = {
    "Value": "a value such as {path: customer.id}",
    "Time": "a time such as {path: created, format: epoch_s}",
}

_SECRET_KEY = re.compile(
    r"token|secret|passw|pwd|credential|authori[sz]ation|cookie|api[-_ ]?key|private[-_ ]?key|_env$"
    r"|^registry$|^results$|^auth$",
    re.I,
)
_SECRET_VALUE = re.compile(
    r"^(bearer|basic|token)\s|://[^/\s]*@|://\S*\?|-----BEGIN|^(sk|pk|rk|ghp|gho|xox[a-z]|glpat|AKIA|eyJ)[-_A-Z0-9]"
    r"|(?=\S*\d)(?=\S*[A-Za-z])[A-Za-z0-9+/=_\-.~]{24,}",
    re.I,
)


class Allowed:
    """What a schema allows at each path of a document."""

    def __init__(self, schema: Schema, values: Any) -> None:
        self._schema = schema
        self._values = values

    def expected(self, path: KeyPath) -> str:
        """What may stand at a path, as ``expected ...``."""
        words = list(dict.fromkeys(self._words(option) for option in self._at(path) if option.get("type") != "null"))
        return "expected " + (" or ".join(words) or "something else")

    def keys(self, path: KeyPath) -> list[str]:
        """The keys of the mapping at a path, as far as they are known beforehand."""
        return list(dict.fromkeys(key for option in self._at(path) for key in option.get("properties", ())))

    def choices(self, path: KeyPath) -> list[str]:
        """The words that may stand at a path, when there are only some."""
        options = list(self._at(path))
        tags = [tag for option in options for tag in option.get("enum", [option["const"]] if "const" in option else [])]
        return [str(tag) for tag in dict.fromkeys(tags)]

    def tags(self, path: KeyPath) -> list[str]:
        """The kinds among which the mapping at a path chooses by its ``type``."""
        return [tag for node in self._nodes(path) for tag in node.get("discriminator", {}).get("mapping", ())]

    def key_pattern(self, path: KeyPath) -> str:
        """What the keys of the mapping at a path must look like."""
        patterns = [pattern for option in self._at(path) for pattern in option.get("patternProperties", ())]
        patterns += [option["propertyNames"]["pattern"] for option in self._at(path) if "propertyNames" in option]
        return "expected " + " or ".join(pattern_words(pattern) for pattern in dict.fromkeys(patterns))

    def description(self, path: KeyPath) -> str:
        """What the schema says about a path, or nothing."""
        return next((str(node["description"]) for node in self._nodes(path) if "description" in node), "").split("\n")[
            0
        ]

    def _at(self, path: KeyPath) -> Iterator[Schema]:
        for node in self._nodes(path):
            yield from self._options(node, self._value(path))

    def _nodes(self, path: KeyPath) -> list[Schema]:
        nodes: list[Schema] = [self._schema]
        for length, part in enumerate(path):
            here = self._value(path[:length])
            nodes = [inner for node in nodes for option in self._options(node, here) for inner in _step(option, part)]
        return nodes

    def _options(self, node: Schema, value: Any) -> Iterator[Schema]:
        """The alternatives of a node without references; of tagged ones, the one that the value chose."""
        if "$ref" in node:
            yield from self._options(self._schema["$defs"][node["$ref"].removeprefix("#/$defs/")], value)
        elif "discriminator" in node:
            tagged = node["discriminator"]["mapping"]
            tag = value.get("type") if isinstance(value, dict) else None
            chosen = [tagged[tag]] if isinstance(tag, str) and tag in tagged else list(tagged.values())
            for reference in chosen:
                yield from self._options({"$ref": reference}, value)
        elif "anyOf" in node:
            for option in node["anyOf"]:
                yield from self._options(option, value)
        else:
            yield node

    def _value(self, path: KeyPath) -> Any:
        value = self._values
        for part in path:
            value = value_at(value, part)
        return value

    def _words(self, option: Schema) -> str:
        choices = option.get("enum", [option["const"]] if "const" in option else None)
        if choices is not None:
            return (
                ", ".join(repr(choice) for choice in choices[:-1]) + (" or " if choices[1:] else "") + repr(choices[-1])
            )
        match option.get("type"):
            case "string" if option.get("format") == "date":
                return "a date such as 2026-01-31"
            case "string" if "pattern" in option:
                return pattern_words(option["pattern"])
            case "string":
                return "text that is not empty" if option.get("minLength") else "text"
            case "integer" | "number" as kind:
                return ("a whole number" if kind == "integer" else "a number") + _bounds(option)
            case "boolean":
                return "true or false"
            case "array":
                return "a list" + (f" of at least {option['minItems']}" if option.get("minItems") else "")
            case "object":
                title = str(option.get("title", ""))
                empty = " that is not empty" if option.get("minProperties") else ""
                return _MODELS.get(title, f"keys and values{empty}")
        return "something else"


def value_at(value: Any, part: str | int) -> Any:
    """What a key or position of a value leads to, or ``None``."""
    if isinstance(value, dict):
        return value.get(part)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def _step(option: Schema, part: str | int) -> Iterator[Schema]:
    if isinstance(part, int):
        if "items" in option:
            yield option["items"]
    elif part in option.get("properties", {}):
        yield option["properties"][part]
    else:
        yield from option.get("patternProperties", {}).values()
        if isinstance(option.get("additionalProperties"), dict):
            yield option["additionalProperties"]


def pattern_words(pattern: str) -> str:
    """What text must look like to match a pattern of the models."""
    return _PATTERNS.get(pattern, f"text that matches {pattern}")


def _bounds(option: Schema) -> str:
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "of at most",
        "exclusiveMaximum": "below",
    }
    bounds = [f"{word} {option[key]:g}" for key, word in words.items() if key in option]
    return " " + " and ".join(bounds) if bounds else ""


def shown_path(path: KeyPath) -> str:
    """A path as people write it: ``streams.charges.events[0].type``. A key that looks like a secret is left out."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = "…" if _SECRET_VALUE.search(part[:READ]) else part
            text += ("." if text else "") + shortened(word, 60)
    return text


def is_secret_key(key: str) -> bool:
    """Whether what stands under a key is, or is close to, a secret."""
    return _SECRET_KEY.search(key[:READ]) is not None


def shown_text(path: str, text: str) -> str:
    """What an error says it found, as it may be repeated: see ``shown_value``."""
    if any(is_secret_key(part) for part in path.split(".")) or _SECRET_VALUE.search(text[:READ]):
        return ""
    return shortened(text, 60)


def shown_value(path: KeyPath, value: Any) -> str:
    """A wrong value as it may be repeated: short, and nothing at all when it is or could be a secret."""
    if any(isinstance(part, str) and is_secret_key(part) for part in path):
        return ""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "keys and values"
        case list():
            return "a list"
        case str():
            return "" if _SECRET_VALUE.search(value[:READ]) else quoted(value)
    return shortened(str(value), 60)


def unknown_name(file: str, path: str, name: str, expected: str, known: Iterable[str]) -> ProjectError:
    """A name that stands for nothing, with the known one that it resembles."""
    return ProjectError(file, path, shown_value((path,), name), f"expected {expected}{suggestion(name, known)}")
