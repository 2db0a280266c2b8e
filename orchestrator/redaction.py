"""Takes secrets out of a command line before it is stored."""

import re
from collections.abc import Sequence

HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(
    r"(^|[-_.])(api[-_]?key|key|token|secret|passw(or)?d|pwd|credentials?|auth|authorization|bearer)s?($|[-_.])",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s?#@]+(:[^/\s?#]*)?@", re.IGNORECASE)
_QUERY_SECRET = re.compile(
    r"(?P<name>[?&;][^=&\s]*(key|token|secret|passw|pwd|sig|signature|credential|auth)[^=&\s]*=)[^&\s#]*", re.IGNORECASE
)
_BEARER = re.compile(r"(?P<kind>\b(bearer|basic)\s+)\S+", re.IGNORECASE)
_TOKENS = [
    re.compile(pattern)
    for pattern in (
        r"\bwandb_v\d_\w+",
        r"\bhf_[A-Za-z0-9]{16,}",
        r"\bgh[pousr]_[A-Za-z0-9]{16,}",
        r"\bgithub_pat_\w{16,}",
        r"\bglpat-[\w-]{16,}",
        r"\bsk-[\w-]{16,}",
        r"\bxox[abprs]-[\w-]{10,}",
        r"\b(AKIA|ASIA)[A-Z0-9]{16}\b",
        r"\beyJ[\w-]+\.[\w-]+\.[\w-]*",
        r"\b[0-9a-fA-F]{32,}\b",
        r"\b(?=[A-Za-z0-9]*\d)(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{32,}\b",
    )
]


def redact(arguments: Sequence[str]) -> list[str]:
    """The arguments with `[hidden]` in place of values of secret-sounding options and variables, of user
    names and passwords in addresses, and of anything that looks like a token. Rather too much than too little."""
    hidden, next_is_secret = [], False
    for argument in arguments:
        if next_is_secret and not argument.startswith("--"):
            hidden.append(HIDDEN)
            next_is_secret = False
            continue
        name, equals, value = argument.partition("=")
        next_is_secret = not equals and argument.startswith("-") and _names_secret(name)
        secret = bool(equals) and _names_secret(name) and bool(value)
        hidden.append(f"{name}={HIDDEN}" if secret else _clean(argument))
    return hidden


def _names_secret(name: str) -> bool:
    return "/" not in name and _SECRET_NAME.search(name.lstrip("-")) is not None


def _clean(text: str) -> str:
    text = _USER_INFO.sub(rf"\g<scheme>{HIDDEN}@", text)
    text = _QUERY_SECRET.sub(rf"\g<name>{HIDDEN}", text)
    text = _BEARER.sub(rf"\g<kind>{HIDDEN}", text)
    for token in _TOKENS:
        text = token.sub(HIDDEN, text)
    return text
