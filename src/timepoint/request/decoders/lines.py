"""Lines of text that are no format that anybody named, for a transform to take apart.

Owns: what a line is. Must not know: what stands in it.
"""

from __future__ import annotations

from timepoint.errors import ContentError
from timepoint.request.decoders.base import Buffer, Decoder
from timepoint.request.spec import RequestSpec


def utf8_text(body: Buffer) -> str:
    """The body as text. Raises ContentError."""
    try:
        return bytes(body).decode()
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8 at byte {error.start}: if the API writes another charset, name it in charset"
        raise ContentError("encoding", message) from None


def decode_lines(body: Buffer, _request: RequestSpec) -> list[str]:
    """An array of the lines, without their ends and without the empty ones."""
    text = utf8_text(body).replace("\r\n", "\n").replace("\r", "\n")
    return [line for line in text.split("\n") if line.strip()]


DECODER = Decoder("lines", decode_lines, signs=lambda _: ((b"\r\n", 110),), endings=(".txt",))
