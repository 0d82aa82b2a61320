"""Text files: gzip checked whole, the declared encoding checked whole, lines with their endings.

Wrongly declared encodings are found before a row is read, so that no text is ever stored garbled.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipelines import files
from pipelines.bronze.delimited import MAX_CHARACTERS
from pipelines.bronze.problems import Problem, stop
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from typing import BinaryIO

    from pipelines.bronze.landing import LandedFile

GZIP_MAGIC = b"\x1f\x8b"
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def codec(encoding: str) -> str:
    """The Python codec of a declared encoding; UTF-8 with or without a byte order mark."""
    name = codecs.lookup(encoding).name
    return "utf-8-sig" if name == "utf-8" else name


def known_codec(encoding: str, source: str) -> str:
    """``codec``, for a configuration. Raises UsageError where Python knows no such encoding."""
    try:
        return codec(encoding)
    except LookupError:
        raise UsageError(
            f"conf/sources: {source} declares encoding {encoding}, which is unknown: "
            "utf-8, latin-1, cp1252 … (as Python names it)."
        ) from None


@contextmanager
def open_bytes(uri: str, *, is_gzip: bool) -> Iterator[BinaryIO]:
    """A file's bytes, decompressed."""
    with files.open_input(uri) as stored:
        if not is_gzip:
            yield stored
            return
        with gzip.GzipFile(fileobj=stored) as plain:
            yield io.BufferedReader(plain, files.CHUNK)


@contextmanager
def open_text(uri: str, encoding: str, *, is_gzip: bool) -> Iterator[io.TextIOWrapper]:
    """A file's lines with the endings that they have (\\n, \\r\\n or \\r)."""
    with (
        open_bytes(uri, is_gzip=is_gzip) as stream,
        io.TextIOWrapper(stream, encoding=codec(encoding), errors="strict", newline="") as text,
    ):
        yield text


def check_text(file: LandedFile, encoding: str) -> tuple[Problem | None, str]:
    """Read the whole file once: what makes it unreadable, or None; and of a readable one what stands after its last line
    end: nothing where the last line has its own, where it is longer than a row may be, and where a quoted text may have
    begun in a line before.

    Codes: empty_file, truncated_gzip, corrupt_gzip, misnamed_gzip, wrong_encoding.
    """
    again = "Have it delivered again under the same name, or remove it."
    try:
        with open_bytes(file.uri, is_gzip=file.is_gzip) as stream:
            return _check_stream(file, stream, encoding)
    except EOFError:
        return stop("truncated_gzip", file.path, f"the gzip file is cut off. {again}"), ""
    except (gzip.BadGzipFile, zlib.error):
        return stop("corrupt_gzip", file.path, f"is no valid gzip file. {again}"), ""


def _check_stream(file: LandedFile, stream: BinaryIO, encoding: str) -> tuple[Problem | None, str]:
    name = codecs.lookup(encoding).name
    decode = codecs.getincrementaldecoder(codec(encoding))("strict").decode
    as_utf8 = codecs.getincrementaldecoder("utf-8")("strict").decode
    may_be_utf8, is_ascii, lines, first = not name.startswith("utf"), True, 0, True
    last, quotes = "", 0
    while True:
        chunk = bytes(stream.read(files.CHUNK))
        if first:
            problem = _check_start(file, chunk, name)
            if problem is not None:
                return problem, ""
            first = False
        try:
            text = decode(chunk, not chunk)
        except UnicodeDecodeError as error:
            line = lines + error.object[: error.start].count(b"\n") + 1
            what = f"line {line} is not valid {encoding}, the encoding declared for {file.source}"
            return _wrong(file, what), ""
        lines += text.count("\n")
        quotes += text.count('"')
        last = _after_line_ends(last, text)
        if may_be_utf8:
            is_ascii = is_ascii and chunk.isascii()
            try:
                as_utf8(chunk, not chunk)
            except UnicodeDecodeError:
                may_be_utf8 = False
        if not chunk:
            break
    if may_be_utf8 and not is_ascii:
        return _wrong(file, f"is UTF-8, but {encoding} is declared for {file.source}"), ""
    is_within = file.format == "delimited" and (quotes - last.count('"')) % 2 == 1
    return None, "" if is_within or len(last) > MAX_CHARACTERS else last


def _after_line_ends(before: str, text: str) -> str:
    """What stands after the last line end of ``before`` and ``text``; no more than a record may have."""
    end = max(text.rfind("\n"), text.rfind("\r"))
    return (before + text if end < 0 else text[end + 1 :])[: MAX_CHARACTERS + 1]


def _check_start(file: LandedFile, chunk: bytes, encoding: str) -> Problem | None:
    if not chunk and file.format == "delimited":
        return stop(
            "empty_file",
            file.path,
            "is empty, without even a header. A feed without rows has its header line; "
            "have it delivered again, or remove it.",
        )
    if chunk.startswith(GZIP_MAGIC):
        return stop("misnamed_gzip", file.path, "is gzip although its name does not end in .gz. Rename it.")
    for mark, found in MARKS:
        if chunk.startswith(mark) and not encoding.startswith(found):
            return _wrong(file, f"is {found.upper()}, but {encoding} is declared for {file.source}")
    return None


def _wrong(file: LandedFile, text: str) -> Problem:
    return stop(
        "wrong_encoding",
        file.path,
        f"{text}. Declare its encoding in conf/sources/{file.source}.yml, or have it delivered again.",
    )
