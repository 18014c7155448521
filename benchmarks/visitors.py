"""Visitors of the studio that speak Streamlit's own protocol, many of them in one process.

A visitor opens the WebSocket that a browser would, asks for the page Sample, changes the seed again
and again with a pause to think, and holds each picture against the one that its own seed gives.
"""

import asyncio
import re
import time
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any, TypeVar
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from gensuite.inference.generator import Generator
from gensuite.inference.images import png
from studio.charts import data_url, sharp

T = TypeVar("T")

_PICTURE = re.compile(rb"data:image/png;base64,[A-Za-z0-9+/=]+")
_PATIENCE = 60.0


@dataclass
class Diary:
    """What visitors have seen."""

    first: list[float] = field(default_factory=list)
    """Seconds from the request for the page to its last message, one for each visitor."""

    moves: list[float] = field(default_factory=list)
    """Seconds from a new seed to the last message of the page drawn anew."""

    errors: list[str] = field(default_factory=list)
    """Exceptions on the page, connections that ended, pages that did not come in a minute."""

    mixed_up: int = 0
    """Pictures that are not those of the visitor's own seed."""


class Visitor:
    """One browser's session.

    Args:
        socket: the connection.
    """

    def __init__(self, socket: ClientConnection):
        self._socket = socket
        self._kept: dict[str, ForwardMsg] = {}
        self._session = ""
        self._seed_box = ""

    async def rerun(
        self, query: str, page: str = "", states: Iterable[WidgetState] = ()
    ) -> list[Element]:
        """Ask for a page, and wait until it has been drawn.

        Args:
            query: of the page's URL, without ``?``.
            page: its path; none is the first page.
            states: what its widgets say.

        Returns:
            Every element that has come.

        Raises:
            TimeoutError: it was not drawn in a minute.
        """
        request = BackMsg()
        request.rerun_script.query_string = query
        request.rerun_script.page_name = page
        request.rerun_script.widget_states.widgets.extend(states)
        await self._socket.send(request.SerializeToString())
        elements: list[Element] = []
        async with asyncio.timeout(_PATIENCE):
            while True:
                message = await self._receive()
                kind = message.WhichOneof("type")
                if kind == "script_finished":
                    return elements
                if kind == "new_session":
                    self._session = message.new_session.initialize.session_id
                elements.append(message.delta.new_element)

    async def upload(self, address: str, name: str, content: bytes) -> UploadedFileInfo:
        """Bring a file to the server, after a page has been drawn.

        Args:
            address: ``http://127.0.0.1:port``.
            name: of the file.
            content: of the file.

        Returns:
            What a file uploader's widget state says of it.

        Raises:
            ConnectionError: the server refuses it.
        """
        request = BackMsg()
        asked = request.file_urls_request
        asked.request_id, asked.session_id = "1", self._session
        asked.file_names.append(name)
        await self._socket.send(request.SerializeToString())
        message = await self._receive()
        while message.WhichOneof("type") != "file_urls_response":
            message = await self._receive()
        (urls,) = message.file_urls_response.file_urls
        await asyncio.to_thread(_put, address, urls.upload_url, name, content)
        return UploadedFileInfo(name=name, size=len(content), file_id=urls.file_id, file_urls=urls)

    async def draw(self, query: str, seed: int | None = None) -> bytes:
        """Ask for the page Sample, with this seed typed into its box; the PNG's data URL.

        Raises:
            RuntimeError: the page shows an exception, or has no gallery.
        """
        states = []
        if seed is not None:
            states = [WidgetState(id=self._seed_box, double_value=float(seed))]
        picture = b""
        for element in await self.rerun(query, states=states):
            if element.HasField("exception"):
                raise RuntimeError(element.exception.message)
            if element.HasField("number_input") and element.number_input.label == "Seed":
                self._seed_box = element.number_input.id
            if found := _PICTURE.search(element.SerializeToString()):
                picture = found.group()
        if not picture:
            raise RuntimeError("a page without a gallery")
        return picture

    async def _receive(self) -> ForwardMsg:
        """The next message; one that the server has sent before comes as its hash alone."""
        message = ForwardMsg.FromString(await self._socket.recv(decode=False))
        if message.WhichOneof("type") == "ref_hash":
            return self._kept[message.ref_hash]
        if message.metadata.cacheable:
            self._kept[message.hash] = message
        return message


def run_visits(visits: Coroutine[Any, Any, T]) -> T:
    """Let visits happen, in a thread of their own: a browser test holds the event loop of its."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, visits).result()


def _put(address: str, path: str, name: str, content: bytes) -> None:
    """Send a file as a browser's form would, with the token that the server's cookie holds."""
    part = f'--cut\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    with closing(HTTPConnection(urlsplit(address).netloc)) as connection:
        connection.request("GET", "/_stcore/health")
        answer = connection.getresponse()
        answer.read()
        cookie = answer.headers["Set-Cookie"].split(";")[0]
        headers = {
            "Content-Type": "multipart/form-data; boundary=cut",
            "Cookie": cookie,
            "X-Xsrftoken": cookie.split("=", 1)[1],
        }
        connection.request("PUT", path, part.encode() + content + b"\r\n--cut--\r\n", headers)
        if (status := connection.getresponse().status) >= 300:
            raise ConnectionError(f"upload of {name}: HTTP {status}")


def session(address: str) -> connect:
    """The WebSocket that a browser would open.

    Args:
        address: ``http://127.0.0.1:port``.
    """
    return connect(
        f"{address.replace('http', 'ws', 1)}/_stcore/stream",
        subprotocols=[Subprotocol("streamlit")],
        origin=Origin(address),
        max_size=None,
    )


async def visit(
    address: str,
    bundle: str,
    own: Generator,
    *,
    seeds: range,
    think: float,
    until: float,
    diary: Diary,
) -> None:
    """One visitor's stay: a first page, then seed after seed until the time is up.

    Args:
        address: ``http://127.0.0.1:port``.
        bundle: its name on the shelf.
        own: the same bundle, for what each seed's picture is.
        seeds: that no other visitor uses.
        think: seconds between one picture and the next seed.
        until: end, on the clock of ``time.monotonic``.
        diary: where all is written down.
    """
    query = f"bundle={bundle}&seed={seeds[0]}"
    try:
        async with session(address) as socket:
            visitor = Visitor(socket)
            for seed in seeds:
                first = seed == seeds[0]
                start = time.monotonic()
                picture = await visitor.draw(query, None if first else seed)
                (diary.first if first else diary.moves).append(time.monotonic() - start)
                expected = await asyncio.to_thread(_expected, own, seed)
                diary.mixed_up += picture != expected
                if time.monotonic() + think > until:
                    return
                await asyncio.sleep(think)
    except Exception as error:  # whatever it is, it is what the visitor saw
        diary.errors.append(repr(error))


def _expected(own: Generator, seed: int) -> bytes:
    return data_url(png(sharp(own.sample(64, seed=seed)))).encode()


async def visit_all(
    address: str, bundle: str, own: Generator, *, users: int, seconds: float, think: float
) -> Diary:
    """Let so many visitors stay for so long; they come one after the other in the first ``think``.

    Returns:
        What all of them have seen.
    """
    diary = Diary()
    until = time.monotonic() + seconds
    stays = []
    for user in range(users):
        seeds = range(user * 1_000_000, (user + 1) * 1_000_000)
        stays.append(
            asyncio.create_task(
                visit(address, bundle, own, seeds=seeds, think=think, until=until, diary=diary)
            )
        )
        await asyncio.sleep(think / users)
    await asyncio.gather(*stays)
    return diary
