"""The workers of one training on several machines: they meet, agree, and see when one is lost.

TensorFlow's collective operations wait for ever for a worker that has died, and a process that
waits in one does not hear SIGTERM. So every worker also holds a plain TCP line to worker 0, over
which go heartbeats and what the workers must agree on. This module imports no TensorFlow: a cluster
that is wrong or incomplete is refused before TensorFlow is loaded.
"""

import json
import os
import queue
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Self

from gensuite.errors import ConfigError, GensuiteError, WorkerLostError

_MEET_SECONDS = 300.0
"""Within which all workers must have come; a scheduler may start them minutes apart."""
_BEAT_SECONDS = 5.0
_SILENCE_SECONDS = 40.0
"""Without a heartbeat, after which a worker counts as lost; loading TensorFlow may hold one up."""
_GRACE_SECONDS = 10.0
"""In which a worker that knows of a loss may still end in its own way."""
_HELLO_SECONDS, _HELLO_BYTES = 5.0, 1 << 16
_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)
_LOST = object()


@dataclass(frozen=True)
class Cluster:
    """Who takes part in a training."""

    addresses: tuple[str, ...]
    """``host:port`` of every worker."""
    index: int
    """Which of them this process is; 0 is the chief, whose run is the one that stays."""


def read_cluster(text: str | None) -> Cluster:
    """Read what the environment variable ``TF_CONFIG`` says, as TensorFlow understands it.

    Args:
        text: its value, None where it is not set.

    Raises:
        ConfigError: it does not name workers, and which of them this process is.
    """
    if text is None:
        raise ConfigError(
            f"TF_CONFIG: not set; --distribute multiworker needs it, such as {_EXAMPLE}"
        )
    try:
        given = json.loads(text)
        jobs, task = given["cluster"], given["task"]
        members = {
            (job, number): address
            for job in ("chief", "worker")
            for number, address in enumerate(jobs.get(job, []))
        }
        good = jobs.keys() <= {"chief", "worker"}
        good = good and all(re.fullmatch(r".+:\d{1,5}", address) for address in members.values())
        index = list(members).index((task["type"], int(task["index"])))
    except (ValueError, TypeError, KeyError, AttributeError):
        good = False
    if not good:
        raise ConfigError(
            f"TF_CONFIG: {text!r} given; allowed are the host:port of a chief and of workers, and "
            f"a task that is one of them, such as {_EXAMPLE}"
        )
    return Cluster(tuple(members.values()), index)


_ALONE = Cluster(("",), 0)


class Workers:
    """This worker's line to the others; entered as a context while they train together.

    Whoever leaves the context without an error waits there for all others to do so. When one is
    killed, all end within a minute, with exit code 1 and its name on stderr; when one falls silent,
    within two.

    Args:
        cluster: the workers; a lone one when not given.
        lines: from a worker's index to the connection to it: the chief has one to everyone, and
            everyone one to the chief.
    """

    def __init__(
        self, cluster: Cluster = _ALONE, lines: Mapping[int, Connection] | None = None
    ) -> None:
        self.cluster = cluster
        self._lines = dict(lines or {})
        self._inbox: dict[int, queue.SimpleQueue] = {n: queue.SimpleQueue() for n in self._lines}
        self._sending = threading.Lock()
        self._loss = ""
        self._lost, self._ended = threading.Event(), threading.Event()
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in self._lines.items()
        ]

    @property
    def chief(self) -> bool:
        """Whether this is worker 0, whose run is the one that stays."""
        return self.cluster.index == 0

    def __enter__(self) -> Self:
        if self._lines:
            for thread in (*self._readers, threading.Thread(target=self._beat, daemon=True)):
                thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> None:
        if error is None:
            self.exchange(None)
            self._tell("bye")
            # A line is closed once both ends have said all, or what was sent last could be lost.
            for reader in self._readers:
                reader.join(_SILENCE_SECONDS)
        # Where another worker is lost, TensorFlow may say so first, in words of its own.
        elif (
            self._lines
            and type(error).__module__.startswith("tensorflow")
            and self._lost.wait(_SILENCE_SECONDS)
        ):
            error = WorkerLostError(self._loss)
        self._ended.set()
        if error is not None:
            said = str(error) if isinstance(error, GensuiteError) else repr(error)
            self._tell("left", f"worker {self.cluster.index} has ended: {' '.join(said.split())}")
        if isinstance(error, WorkerLostError):
            raise error from None

    def exchange(self, value: Any) -> list[Any]:
        """Wait for all workers to come here, and see what each of them brings.

        Args:
            value: this worker's, of JSON's kinds.

        Returns:
            The values of all workers, in their order; the same list for each of them.

        Raises:
            WorkerLostError: one is lost.
        """
        if self.chief:
            values = [value, *(self._receive(peer) for peer in sorted(self._lines))]
            self._tell("value", values)
            return values
        self._tell("value", value)
        return self._receive(0)

    @contextmanager
    def chief_first(self) -> Iterator[None]:
        """Let the chief finish the body before the others begin it."""
        if not self.chief:
            self.exchange(None)
        yield
        if self.chief:
            self.exchange(None)

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """See that all workers would train the same.

        Args:
            facts: name → value of JSON's kinds, of what the weights depend on.

        Raises:
            ConfigError: a value is another on another worker.
        """
        first, *others = self.exchange(facts)
        for index, other in enumerate(others, start=1):
            for name, value in first.items():
                if other.get(name) != value:
                    raise ConfigError(
                        f"{name}: {value} on worker 0, but {other.get(name)} on worker {index}; "
                        "give all the same command, versions, data set and run folder"
                    )

    def _receive(self, peer: int) -> Any:
        value = self._inbox[peer].get()
        if value is _LOST:
            self._inbox[peer].put(_LOST)  # whoever asks again hears the same
            raise WorkerLostError(self._loss)
        return value

    def _tell(self, *message: Any) -> None:
        content = json.dumps(message).encode()
        with self._sending:
            for line in self._lines.values():
                # That a line is dead is for its reader to find, and to say.
                with suppress(OSError):
                    line.send_bytes(content)

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            self._tell("beat")

    def _read(self, peer: int, line: Connection) -> None:
        try:
            while line.poll(_SILENCE_SECONDS):
                match json.loads(line.recv_bytes()):
                    case ["value", value]:
                        self._inbox[peer].put(value)
                    case ["left", reason]:
                        return self._lose(reason)
                    case ["bye"]:
                        return None
            what = f"has been silent for {_SILENCE_SECONDS:.0f} s"
        except (EOFError, OSError):
            what = "is gone"
        return self._lose(
            f"worker {peer} at {self.cluster.addresses[peer]} {what}; --resume goes on from the "
            "newest checkpoint, with as many workers as there are"
        )

    def _lose(self, reason: str) -> None:
        """Tell everyone, and end this process unless it does so itself."""
        with self._sending:
            if self._loss:
                return
            self._loss = reason
        self._tell("left", reason)
        self._lost.set()
        for inbox in self._inbox.values():
            inbox.put(_LOST)
        if not self._ended.wait(_GRACE_SECONDS):
            os.write(2, f"\nerror: {reason}\n".encode())
            os._exit(WorkerLostError.exit_code)


def meet(cluster: Cluster, seconds: float = _MEET_SECONDS) -> Workers:
    """Wait until all workers of a cluster have come.

    They meet at the chief's own address, before its TensorFlow listens there.

    Args:
        cluster: the workers.
        seconds: to wait for.

    Raises:
        ConfigError: this worker's address is not one of this machine, or is in use.
        WorkerLostError: a worker has not come.
    """
    with _listen(cluster.addresses[cluster.index]) as server:
        if cluster.index == 0:
            return Workers(cluster, _gather(server, cluster, seconds))
    return Workers(cluster, _call(cluster, seconds))


def _gather(server: socket.socket, cluster: Cluster, seconds: float) -> dict[int, Connection]:
    """The chief's lines to the others."""
    deadline = time.monotonic() + seconds
    lines: dict[int, Connection] = {}
    while missing := set(range(1, len(cluster.addresses))) - lines.keys():
        server.settimeout(max(deadline - time.monotonic(), 0.01))
        try:
            line = _line(server.accept()[0])
        except TimeoutError:
            for line in lines.values():
                line.close()
            places = ", ".join(f"{n} at {cluster.addresses[n]}" for n in sorted(missing))
            raise WorkerLostError(
                f"not all workers have come within {seconds:.0f} s, missing: {places}; start all "
                "with the same cluster in TF_CONFIG"
            ) from None
        # Who says something else is no worker of ours, and is left alone.
        with suppress(EOFError, OSError, ValueError, TypeError):
            if line.poll(_HELLO_SECONDS):
                addresses, index = json.loads(line.recv_bytes(_HELLO_BYTES))
                if addresses == list(cluster.addresses) and index in range(1, len(addresses)):
                    lines[index] = line
    for line in lines.values():
        line.send_bytes(b"welcome")
    return lines


def _call(cluster: Cluster, seconds: float) -> dict[int, Connection]:
    """Another worker's line to the chief."""
    host, port = cluster.addresses[0].rsplit(":", 1)
    deadline = time.monotonic() + seconds
    while True:
        try:
            line = _line(socket.create_connection((host, int(port)), timeout=5))
            break
        except OSError as error:
            if time.monotonic() > deadline:
                raise WorkerLostError(
                    f"worker 0 at {cluster.addresses[0]} has not answered within {seconds:.0f} s "
                    f"({error}); start all workers with the same cluster in TF_CONFIG"
                ) from None
            time.sleep(0.2)
    try:
        line.send_bytes(json.dumps([cluster.addresses, cluster.index]).encode())
        welcome = line.poll(seconds + _HELLO_SECONDS) and line.recv_bytes(_HELLO_BYTES)
    except (EOFError, OSError):
        welcome = b""
    if welcome != b"welcome":
        raise WorkerLostError(
            f"worker 0 at {cluster.addresses[0]} has closed the line: another worker has not come, "
            "or its TF_CONFIG names another cluster; see what it says"
        )
    return {0: line}


def _listen(address: str) -> socket.socket:
    host, port = address.rsplit(":", 1)
    # Not at the name itself, which on its own machine may stand for 127.0.1.1.
    place = host if host in ("localhost", "127.0.0.1") else ""
    try:
        return socket.create_server((place, int(port)))
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"TF_CONFIG: {address} given for this worker; it cannot listen there ({error}); name a "
            "free port of this machine"
        ) from None


def _line(connected: socket.socket) -> Connection:
    connected.setblocking(True)
    return Connection(connected.detach())
