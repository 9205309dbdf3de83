"""In which charset a body is written.

Owns: the marks, headers, declarations and NULs that tell it; which charsets are known. Pure. Must not know: formats.
"""

from __future__ import annotations

import codecs
import re

from timepoint.errors import ContentError

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NULLS = {
    (True, True, True, False): "utf-32-be",
    (False, True, True, True): "utf-32-le",
    (True, False): "utf-16-be",
    (False, True): "utf-16-le",
}
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_DECLARED = re.compile(rb"\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_KNOWN_CHARSET = re.compile(
    r"utf-(8|16|32)(-[bl]e)?|ascii|iso8859-\d+|cp\d{3,4}|mac-roman|koi8-[rut]|"
    r"shift_jis|shift_jisx0213|euc_jp|euc_kr|iso2022_(jp|kr)|gb2312|gbk|gb18030|big5|big5hkscs"
)

Buffer = bytes | bytearray | memoryview


def as_utf8(body: bytes | bytearray, content_type: str, asked: str | None = None) -> Buffer:
    """The body in UTF-8 without a mark. Raises ContentError.

    A mark counts more than what is asked for, that more than the header, and the header more than what an XML body
    declares, or than what NULs tell.
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            rest = memoryview(body)[len(mark) :]
            return rest if encoding == "utf-8" else _transcode(rest, encoding)
    header = _CHARSET.search(content_type)
    said = asked or (header[1] if header is not None else None)
    charset = _known(said) if said is not None else _declared(body)
    if charset == "utf-8":
        return _transcode(body, encoding) if (encoding := _wide(body)) else body
    if charset in ("utf-16", "utf-32"):
        return _transcode(body, _wide(body) or f"{charset}-be")  # RFC 2781, 4.3
    if asked is None and not charset.startswith("utf-"):
        try:  # a server's default charset is often put on bodies that are UTF-8 after all
            return bytes(body).decode().encode()
        except UnicodeDecodeError:
            pass
    return _transcode(body, charset)


def check_charset(content_type: str) -> None:
    """Raises ContentError if the charset of a Content-Type header is not known."""
    header = _CHARSET.search(content_type)
    if header is not None:
        _known(header[1])


def charset_complaint(charset: str) -> str | None:
    """What is wrong with the name of a charset, None if bodies can be read in it."""
    try:
        _known(charset)
    except ContentError:
        return f"{charset!r} is not a charset that is known: write it like utf-8, windows-1252 or shift_jis"
    return None


def _declared(body: bytes | bytearray) -> str:
    """The charset that an XML body declares, UTF-8 for any other. A wide one is told by its bytes, not by its words."""
    match = _DECLARED.match(body)
    name = _known(match[1].decode()) if match is not None else "utf-8"
    return "utf-8" if name.startswith("utf-") else name


def _known(charset: str) -> str:
    """The name of a charset as Python has it. Raises ContentError for what is none, or no alphabet."""
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):  # the latter for bytes of a header that are no UTF-8
        name = ""
    if not _KNOWN_CHARSET.fullmatch(name):
        raise ContentError("encoding", f"the answer has a charset that is not known{name and f': {name}'}")
    return name


def _wide(body: Buffer) -> str:
    """UTF-16 or UTF-32 by the NULs around the first, always ASCII, characters. Source: RFC 4627, 3."""
    nulls = tuple(byte == 0 for byte in bytes(body[:4]))
    return _NULLS.get(nulls) or _NULLS.get(nulls[:2], "")


def _transcode(body: Buffer, encoding: str) -> bytes:
    try:
        return codecs.decode(bytes(body), encoding).encode()
    except UnicodeDecodeError as error:
        raise ContentError("encoding", f"the body is not {encoding.upper()} at byte {error.start}") from None
