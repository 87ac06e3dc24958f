"""What AWS answers when it does not do what it is asked."""


class Refused(Exception):
    """`code` is AWS's own name of the error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"api error {code}: {message}")
        self.code = code
        self.message = message


class StillFailing(Exception):
    """The resource exists, but did not come to the state that was waited for: Pulumi keeps it and calls it partial."""
