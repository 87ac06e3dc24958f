"""Where credentials stand in a request, for every protocol that has no place of its own for them."""

from collections.abc import Mapping, Sequence

from transcriber.wire.protocol import Credential

_SCHEMES = ("bearer", "token")
_NONE_OF_OURS = Credential("")
"""Something was shown, and can't be a credential: nobody has this one."""


def in_headers(headers: Mapping[str, str]) -> Credential | None:
    """What `Authorization: Bearer`, `Authorization: Token` or `X-API-Key` shows. Header names are lower case."""
    shown: list[Credential] = []
    if authorization := headers.get("authorization", "").strip():
        scheme, _, text = authorization.partition(" ")
        shown.append(Credential(text.strip()) if scheme.lower() in _SCHEMES else _NONE_OF_OURS)
    if key := headers.get("x-api-key", "").strip():
        shown.append(Credential(key))
    return one_of(shown)


def one_of(shown: Sequence[Credential]) -> Credential | None:
    """The credential that was shown, wherever; several that differ are none: which one counts would be a guess."""
    if not shown:
        return None
    if len({credential.text for credential in shown}) > 1:
        return _NONE_OF_OURS
    return min(shown, key=lambda credential: credential.in_url)
