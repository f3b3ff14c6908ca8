"""Why a server does not take or give something, with what HTTP calls it."""

from nlcunet.errors import NlcunetError


class RefusedError(NlcunetError):
    """A request that is not served.

    Attributes:
        status: HTTP status.
        code: one word for programs.
        retry_after: seconds after which it may be served; nothing if never.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message.encode("utf-8", "replace").decode())  # forms can hold halves of characters
        self.status = status
        self.code = code
        self.retry_after = retry_after
