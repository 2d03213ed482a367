"""A process that is asked: started when it is needed, ended when it does not answer, and replaced at the next request.

User code is loaded and called in one, within limits; and the checker itself works in others, side by side.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gradcheck_cli.guard.child import DISCONNECTED, FAILED
from gradcheck_cli.guard.crash import crash_stack, describe_signal
from gradcheck_cli.guard.limits import held_memory
from gradcheck_cli.guard.protocol import Answer, ProtocolError, decode, encode_request
from gradcheck_cli.guard.running import Running

if TYPE_CHECKING:
    from gradcheck_cli.guard.crash import Frame
    from gradcheck_cli.guard.limits import Limits
    from gradcheck_cli.guard.supervisor import Fresh

#: Seconds for a process that closed its connection to end, and for one to go on where no call of user code runs.
_GRACE = 2.0

#: Seconds between two looks at the memory of a process.
_PAUSE = 0.1

#: Time limits that a request may take, whatever the clock shows; and seconds.
_MOST_LIMITS, _MOST_SECONDS = 10, 5.0

_WROTE = "wrote into the connection to the checker"


class ProcessDiedError(BaseException):
    """The process did not answer: it crashed, ended itself, or took too long. The message is the end of a sentence.

    It is no `Exception`: nothing that copes with what user code raises can go on without the process.
    """

    def __init__(
        self, reason: str, stack: list[Frame], *, late: bool = False, imported: bool = False, step: int = 0
    ) -> None:
        super().__init__(reason)
        self.stack = stack  #: of the code that was running, the innermost frame last, as far as it is known
        self.late = late  #: whether it took too long
        self.imported = imported  #: whether a function of the user had been called before
        self.step = step  #: in which of several steps of a request, counted from 1


class RequestFailedError(Exception):
    """The function of a request raised; the message is the traceback."""


class Process:
    """A process in which functions are called one after the other. What it has started ends with it."""

    def __init__(self, limits: Limits, fresh: Fresh | None = None) -> None:
        """Start nothing yet.

        Args:
            limits: of time and memory.
            fresh: to start a fresh Python even where processes are forked; its output is not kept.
        """
        self.limits = limits
        self.starts = 0  #: how often a process was started
        self._fresh = fresh
        self._running: Running | None = None
        self._deadline = 0.0
        self._is_awaited = False  # whether there will be an answer
        self._kept = ""  # output of a process that has ended

    @property
    def pid(self) -> int:
        """The process id; -1 where none runs."""
        return self._running.pid if self._running else -1

    def send(self, function: Callable[..., Answer], *arguments: object) -> None:
        """Have a function of a module called, and do not wait. An answer before that nobody took is dropped."""
        if self._is_awaited:
            with contextlib.suppress(ProcessDiedError, RequestFailedError):
                self.receive()
        if self._running is None or self._running.has_ended():
            self.close()
            self._running = Running(self.limits, self._fresh)
            self.starts += 1
        self._deadline = time.monotonic() + _MOST_LIMITS * self.limits.seconds + _MOST_SECONDS
        with contextlib.suppress(OSError):  # it is gone, or was stopped: there will be no answer
            self._running.channel.send(*encode_request((function, arguments)))
        self._is_awaited = True

    def receive(self) -> Answer:
        """Wait for the answer, as long as no call of user code exceeds the time limit.

        Raises:
            ProcessDiedError: there is none.
            RequestFailedError: the function raised.
        """
        assert self._running is not None
        self._is_awaited = False
        try:
            answer = decode(*self._running.channel.receive(self._wait))
        except KeyboardInterrupt:
            self.close()  # the rest of the answer would be taken for that to the next request
            raise
        except (EOFError, OSError) as error:
            raise self._death() from error
        except ProtocolError as error:
            raise self._death(_WROTE) from error
        if isinstance(answer.value, dict) and FAILED in answer.value:
            raise RequestFailedError(str(answer.value[FAILED]))
        return answer

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is an answer."""
        assert self._running is not None
        return self._running.channel.fileno()

    def distrusted(self) -> ProcessDiedError:
        """End the process because of an answer that means nothing; return what to raise."""
        return self._death(_WROTE)

    def take_output(self) -> str:
        """Return what was written to stdout and stderr since this was last asked, without the middle if it is long."""
        text, self._kept = self._kept, ""
        if self._running is not None and self._running.output is not None:
            self._running.output.read_all()
            text += self._running.output.text()
            self._running.output.clear()
        return text

    def kill(self) -> None:
        """Kill the process, from any thread: where its answer is waited for, there is none."""
        if (running := self._running) is not None:
            running.kill()

    def close(self) -> None:
        """End the process and all that it has started."""
        if self._running is None:
            return
        self._is_awaited = False
        self._running.close()
        if self._running.output is not None:
            self._kept += self._running.output.text()
        self._running = None

    def _wait(self) -> None:
        """Wait until something of the answer has come, whatever is printed meanwhile.

        Raises:
            EOFError: the process has ended, or closed its connection.
            ProcessDiedError: it took too long, or too much memory.
        """
        running, seconds, most, since = self._running, self.limits.seconds, self.limits.bytes, 0.0
        assert running is not None
        looked = time.monotonic()
        while not running.wait(min(_PAUSE, seconds, max(self._deadline - time.monotonic(), 0.001))):
            now, clock = time.monotonic(), running.clock
            since = min(max(since, clock.since), now)
            if now > min(since + (seconds if clock.running else 2 * seconds + _GRACE), self._deadline):
                raise self._death(f"was stopped after {seconds:g} s", running.stack(), late=True)
            if most is None or now < looked + _PAUSE / 2:
                continue
            looked = now
            if held_memory(running.pid) > most + running.inherited + 2 * running.channel.largest:
                raise self._death("took more memory than --memory allows")

    def _death(
        self, reason: str | None = None, stack: list[Frame] | None = None, *, late: bool = False
    ) -> ProcessDiedError:
        """End the process and say how it died: for a given reason, or by itself."""
        running, stack = self._running, stack or []
        if running is None:  # it was closed from another thread
            return ProcessDiedError("was ended", [])
        imported, step = running.clock.has_called, running.clock.step
        if reason is None:
            code = running.exit_code() if running.has_ended(_GRACE) else DISCONNECTED
            if code == DISCONNECTED:
                reason = "closed the connection to the checker"
            else:
                reason = f"died of {describe_signal(-code)}" if code < 0 else f"ended the process with exit code {code}"
                running.stacks.read_all()
                stack = crash_stack(running.stacks.bytes())
        self.close()
        return ProcessDiedError(reason, stack, late=late, imported=imported, step=step)
