"""Why a session did not come about or did not reach its end: one exception class for each thing a caller can do."""


class TranscriberError(Exception):
    """`code` is stable, `message` is for people, `field` names the option that is wrong."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.field = field


class ConnectionFailed(TranscriberError):
    """Nothing that speaks WebSocket answered at the address."""


class Refused(TranscriberError):
    """The server answered and did not let this client in; `status` is the HTTP status."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(code, message, field)
        self.status = status


class SessionFailed(TranscriberError):
    """The server ended the session for a reason it gave: unsupported audio, a limit."""

    def __init__(self, code: str, message: str, field: str | None = None, close_code: int | None = None) -> None:
        super().__init__(code, message, field)
        self.close_code = close_code


class ConnectionLost(TranscriberError):
    """The connection went before the session was complete. `close_code` is 1006 when it was just gone."""

    def __init__(self, code: str, message: str, close_code: int | None = None) -> None:
        super().__init__(code, message)
        self.close_code = close_code


class SessionOver(TranscriberError):
    """Something was sent after the session had reached its end."""
