"""How the service says no: an HTTP status, a message, and the field that it is about."""

LONGEST_NAME = 100  # of a name that a client gave and is told again


class RequestRefused(Exception):
    """A request that gets no answer. The message is for the client, so it holds no secrets."""

    def __init__(
        self, status: int, message: str, field: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = None if field is None else field[:LONGEST_NAME]
        self.retry_after = retry_after


class ClientGone(Exception):
    """The client hung up before its request was whole; nobody waits for an answer."""
