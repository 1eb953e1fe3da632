"""A CSV file as spreadsheets export it: from bytes to cells, with a clear error where it is not what was declared.

Belongs here: encodings, delimiters, quotes. Does not belong here: what a column or a cell means.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cx_orchestration.model.failures import ProjectError
from cx_orchestration.model.settings import InventoryFile
from cx_orchestration.model.words import quoted

MAX_BYTES = 32 * 1024 * 1024

_NOT_TEXT = {
    b"PK\x03\x04": "this is an Excel workbook (.xlsx); in Excel choose Save As, CSV UTF-8",
    b"\xd0\xcf\x11\xe0": "this is an old Excel workbook (.xls); in Excel choose Save As, CSV UTF-8",
}
_NO_TEXT = (
    "this is no text file; an inventory kept as a spreadsheet must be saved as CSV (in Excel: Save As, CSV UTF-8)"
)
#: Bytes that no spreadsheet writes into CSV in an encoding of one byte or UTF-8.
_CONTROL = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}


class Unreadable(Exception):
    """The file as a whole cannot be read."""

    def __init__(self, error: ProjectError) -> None:
        super().__init__(str(error))
        self.error = error


def read_cells(path: Path, options: InventoryFile, *, known: Callable[[Sequence[str]], int]) -> list[list[str]]:
    """All rows of the file, the header first, blank ones included. Raises ``Unreadable``.

    Where no delimiter is declared, the one counts under which ``known`` recognises the most names in the header.
    """
    return _table(path, _text(path, options), options, known)


def _text(path: Path, options: InventoryFile) -> str:
    def unreadable(expected: str) -> Unreadable:
        return Unreadable(ProjectError(path.name, "", "", expected))

    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise unreadable("the file is missing") from None
    except OSError as error:
        raise unreadable(f"the file cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise unreadable(f"expected a file of at most {MAX_BYTES // 1024**2} MiB")
    for start, what in _NOT_TEXT.items():
        if content.startswith(start):
            raise unreadable(what)
    encoding = _encoding(options.encoding)
    if _is_binary(content, encoding):
        raise unreadable(_NO_TEXT)
    for mark, marked in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark) and not encoding.startswith(marked):
            raise unreadable(
                f"the file begins with the mark of {marked}, but project.yaml declares inventory.encoding "
                f"'{options.encoding}'; declare {marked}"
            )
    try:
        text = content.decode(encoding)
    except LookupError:
        raise _unknown_encoding(options.encoding) from None
    except UnicodeError as error:
        line = content.count(b"\n", 0, error.start) + 1 if isinstance(error, UnicodeDecodeError) else 1
        raise unreadable(
            f"line {line} is not text in '{options.encoding}', which project.yaml declares as inventory.encoding; "
            "declare the file's own (often latin-1 or windows-1252) or save it as CSV UTF-8"
        ) from None
    if (other := _more_likely_encoding(content, text, encoding)) is not None:
        raise unreadable(
            f"the file reads as {other}, not as '{options.encoding}', which project.yaml declares as "
            f"inventory.encoding; declare {other}"
        )
    if "\0" in text:
        raise unreadable(
            f"the file holds NUL characters, so it is no text in '{options.encoding}'; save it as CSV UTF-8"
        )
    return text.removeprefix("\ufeff")


def _is_binary(content: bytes, encoding: str) -> bool:
    """Whether the beginning of a file has control characters as only images, archives and the like have.

    In UTF-16 and UTF-32 any byte may be part of a letter; a lone control character may have got into any text.
    """
    start = content[:65_536]
    if encoding.startswith(("utf-16", "utf-32")) or start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    controls = len(_CONTROL.findall(start))
    return controls > 0 and (b"\0" in start or controls > len(start) / 100)


def _encoding(declared: str) -> str:
    try:
        return codecs.lookup(declared).name
    except LookupError:
        raise _unknown_encoding(declared) from None


def _unknown_encoding(declared: str) -> Unreadable:
    expected = "expected the name of a text encoding, such as utf-8, latin-1 or windows-1252"
    return Unreadable(ProjectError("project.yaml", "inventory.encoding", quoted(declared), expected))


def _more_likely_encoding(content: bytes, text: str, encoding: str) -> str | None:
    """One byte a letter decodes anything: what such text can and cannot look like tells a wrong declaration."""
    if content.isascii() or encoding.startswith("utf"):
        return None
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    if encoding == "iso8859-1" and any("\x80" <= character <= "\x9f" for character in text):
        return "windows-1252"
    return None


def _table(path: Path, text: str, options: InventoryFile, known: Callable[[Sequence[str]], int]) -> list[list[str]]:
    delimiter = options.delimiter
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n '):
        raise Unreadable(
            ProjectError("project.yaml", "inventory.delimiter", repr(delimiter), "expected one character, such as ';'")
        )
    # Excel's own first line that names the delimiter; Excel neither shows nor counts it.
    if named := re.match(r'"?sep=(.)"?\r?\n', text):
        text = text[named.end() :]
        delimiter = delimiter or named.group(1)
    if not text.strip():
        raise Unreadable(ProjectError(path.name, "", "", "the file is empty; its first row names the columns"))
    if delimiter is None:
        recognised = {candidate: known(_header(path.name, text, candidate)) for candidate in _DELIMITERS}
        delimiter = max(recognised, key=lambda candidate: recognised[candidate])
    return list(_cells(path.name, text, delimiter))


def _header(file: str, text: str, delimiter: str) -> list[str]:
    try:
        return next(_cells(file, text, delimiter), [])
    except Unreadable:
        return []


def _cells(file: str, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):  # noqa: B007
            yield cells
    except csv.Error as error:
        what = "a quote is opened and never closed" if "unexpected end of data" in str(error) else str(error)
        separator = _DELIMITERS.get(delimiter, repr(delimiter))
        expected = f"expected cells separated by {separator}, those that contain one in double quotes: {what}"
        raise Unreadable(ProjectError(file, f"row {number + 1}", "", expected)) from None
