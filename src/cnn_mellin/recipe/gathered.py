"""Requests that several threads make at about the same time, answered together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["Gathered"]

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Gathered(Generic[Request, Answer]):
    """Collects requests of the same kind for a moment after the first one, and answers them in one call.

    Args:
        answer: function from several requests to one answer per request; an exception that it raises is raised in
            every thread whose request it was given.
        kind: function from a request to its kind; each call of `answer` gets requests of one kind only.
        wait_s: seconds for which the first request waits for others.

    >>> Gathered(lambda numbers: [n + 1 for n in numbers], kind=lambda n: n % 2, wait_s=0).ask(4)
    5
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Request]], Sequence[Answer]],
        kind: Callable[[Request], Hashable],
        wait_s: float,
    ) -> None:
        self._answer, self._kind, self._wait_s = answer, kind, wait_s
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, list[tuple[Request, Future[Answer]]]] = {}

    def ask(self, request: Request) -> Answer:
        """The answer to a request; the thread that asked first calls `answer` for all."""
        answered: Future[Answer] = Future()
        kind = self._kind(request)
        with self._lock:
            waiting = self._waiting.setdefault(kind, [])
            waiting.append((request, answered))
            first = len(waiting) == 1
        if first:
            time.sleep(self._wait_s)
            with self._lock:
                together = self._waiting.pop(kind)
            self._answer_all(together)
        return answered.result()

    def _answer_all(self, together: Sequence[tuple[Request, Future[Answer]]]) -> None:
        try:
            answers = self._answer([request for request, _ in together])
        except BaseException as error:
            for _, answered in together:
                answered.set_exception(error)
            return
        for (_, answered), answer in zip(together, answers, strict=True):
            answered.set_result(answer)
