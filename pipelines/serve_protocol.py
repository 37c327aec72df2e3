"""HTTP/1.1 as uvicorn speaks it, with an end to waiting for the head of a request: half-sent ones hold nothing."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["HEAD_SECONDS", "TimedProtocol", "timed"]

HEAD_SECONDS: Final = 10.0
"""Seconds from the first moment of waiting for a request until its head has to be there."""


def timed(seconds: float) -> type[asyncio.Protocol]:
    """Make the protocol of a server that waits so many seconds for the head of a request."""
    return type("TimedProtocol", (TimedProtocol,), {"head_seconds": seconds})


class TimedProtocol(H11Protocol):
    """Closes a connection whose next request does not get as far as its body in time."""

    head_seconds = HEAD_SECONDS
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came; a new head is waited for from its first byte."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    @property
    def _waiting(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _watch(self) -> None:
        if not self._waiting:
            self._stop()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self._expire)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if self._waiting and not self.transport.is_closing():
            self.transport.close()
