"""What a JSON decoder complains of, as a message for the client that names the field."""

import re

import msgspec

from bentos.errors import LONGEST_NAME, RequestRefused

# How msgspec complains of a field, and where it says that it was.
_UNKNOWN, _AT = "Object contains unknown field `", " - at `$"
_WHOLE = "`int | float"  # what it calls a whole number, as it may be written 2.0
_PLACE = re.compile(r"(\[\d+\]|\.columns)`")


def explain_json_error(error: Exception, body: bytes) -> RequestRefused:
    """Turn a decoder's complaint into a message that names the field."""
    if isinstance(error, UnicodeDecodeError):
        return RequestRefused(400, "the body is not UTF-8", _field_before(body, _bad_byte(body)))
    said = str(error)
    if isinstance(error, msgspec.ValidationError):
        if said.startswith(_UNKNOWN):
            name = _unknown_name(said)[:LONGEST_NAME]
            return RequestRefused(400, f"Object contains unknown field {name}", name)
        message, _, path = said.replace(_WHOLE, "`int").partition(_AT)
        named = message.partition("field `")[2].removesuffix("`")
        return RequestRefused(
            400, message.replace("`", ""), named or _last_name(path.removesuffix("`"))
        )
    place = re.search(r"byte (\d+)", said)
    return RequestRefused(400, said, _field_before(body, int(place[1])) if place else None)


def _unknown_name(said: str) -> str:
    """Read the name that a client gave, of any length and with anything in it."""
    given = said.removeprefix(_UNKNOWN)
    name, _, place = given.rpartition(_AT)
    return (name if _PLACE.fullmatch(place) else given).removesuffix("`")


def _last_name(path: str) -> str | None:
    """Read the column's name from a path as msgspec writes it, as in `[3].temp` or `.columns.a`."""
    inside = re.sub(r"^(\[\d*\]|\[\.\.\.\])?(\.columns(?=\.))?\.?", "", path)
    return re.sub(r"\[(\d+|\.\.\.)\]$", "", inside) or None


def _bad_byte(body: bytes) -> int:
    """Find the first byte that is no UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(body)


def _field_before(body: bytes, place: int) -> str | None:
    """Name the field whose value stands at a place of a body that is no JSON."""
    names = re.findall(rb'"([^"\\]{1,200})"\s*:', body[max(0, place - 2_000) : place])
    return names[-1].decode(errors="replace") if names else None
