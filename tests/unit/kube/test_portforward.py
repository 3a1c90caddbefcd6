"""The pod's port-forward over a WebSocket, against a stand-in of the API server."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from k8sext.errors import K8sextError
from k8sext.kube import portforward
from k8sext.kube.kubeconfig import Access
from k8sext.kube.session import ApiError, Session
from k8sext.model.secret import Secret
from tests.support.loopback import answering

PORT = 40123
BEGIN = (b"\x00" + struct.pack("<H", PORT), b"\x01" + struct.pack("<H", PORT))
Serve = Callable[[ServerConnection], Awaitable[None]]


class Api:
    """What was asked of the stand-in."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[Request] = []

    def session(self, **more: Any) -> Session:
        server = f"http://127.0.0.1:{self.port}/k8s/c-1"
        access = Access(server=server, context="c", namespace="dev", **more)
        return Session(access, clear_text=True)


@asynccontextmanager
async def api(work: Serve, refuse: int = 0, body: bytes = b"") -> AsyncGenerator[Api]:
    made = Api(0)

    def process(_: ServerConnection, request: Request) -> Response | None:
        made.asked.append(request)
        if refuse:
            return Response(refuse, HTTPStatus(refuse).phrase, Headers(), body)
        return None

    wanted = [Subprotocol(portforward.SUBPROTOCOL)]
    async with serve(
        work, "127.0.0.1", 0, subprotocols=wanted, process_request=process, compression=None
    ) as listening:
        made.port = next(iter(listening.sockets)).getsockname()[1]
        yield made


async def echo(socket: ServerConnection) -> None:
    for message in BEGIN:
        await socket.send(message)
    try:
        async for said in socket:
            assert isinstance(said, bytes)
            await socket.send(said)
    except ConnectionClosed:
        return


async def forward(made: Api, **more: Any) -> portforward.Forward:
    return await portforward.forward(made.session(**more), "dev", "relay-0", PORT)


def test_bytes_go_there_and_back_without_the_channels_own() -> None:
    async def run() -> None:
        async with api(echo) as made:
            way = await forward(made)
            await way.send(b"hello")
            assert await way.receive() == b"hello"
            await way.send(b"")
            big = b"x" * (portforward.PIECE * 2 + 1)
            await way.send(big)
            got = b""
            while len(got) < len(big):
                got += await way.receive()
            assert got == big
            await way.close()
            (asked,) = made.asked
            path = "/k8s/c-1/api/v1/namespaces/dev/pods/relay-0/portforward?ports=40123"
            assert asked.path == path
            assert asked.headers["Sec-WebSocket-Protocol"] == "v4.channel.k8s.io"
            assert "Accept" not in asked.headers  # the kubelet answers 406 to application/json
            assert "Sec-WebSocket-Extensions" not in asked.headers

    asyncio.run(run())


def test_it_goes_as_the_session_does() -> None:
    async def run() -> None:
        async with api(echo) as made:
            who: dict[str, Any] = {"token": Secret("canary-1"), "as_user": "anna"}
            await (await forward(made, **who, as_groups=("dev", "ops"))).close()
            (asked,) = made.asked
            assert asked.headers["Authorization"] == "Bearer canary-1"
            assert asked.headers["Impersonate-User"] == "anna"
            assert asked.headers.get_all("Impersonate-Group") == ["dev", "ops"]
            assert asked.headers.get_all("User-Agent")[0].startswith("k8sext/")

    asyncio.run(run())


def test_what_went_wrong_in_the_pod_is_told_at_the_end() -> None:
    async def refuses(socket: ServerConnection) -> None:
        for message in BEGIN:
            await socket.send(message)
        await socket.send(b"\x01error forwarding port 40123:\x1b[31m connection refused")

    async def run() -> None:
        async with api(refuses) as made:
            way = await forward(made)
            assert await way.receive() == b""
            assert way.words.startswith("error forwarding port 40123:")
            assert "\x1b" not in way.words
            with pytest.raises(OSError, match="connection refused"):
                await way.send(b"x")
            await way.close()

    asyncio.run(run())


@pytest.mark.parametrize("odd", [b"", b"\x07data", b"\x02", "text"])
def test_messages_of_no_channel_are_no_data(odd: bytes | str) -> None:
    async def talks(socket: ServerConnection) -> None:
        for message in (*BEGIN, odd, b"\x00good"):
            await socket.send(message)

    async def run() -> None:
        async with api(talks) as made:
            way = await forward(made)
            assert [await way.receive(), await way.receive()] == [b"good", b""]
            await way.close()

    asyncio.run(run())


def test_a_refusal_is_the_servers_own() -> None:
    said = b'{"kind":"Status","message":"pods \\"relay-0\\" is forbidden","reason":"Forbidden"}'

    async def run() -> None:
        async with api(echo, 403, said) as made:
            with pytest.raises(ApiError) as caught:
                await forward(made)
            assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
            assert "is forbidden" in str(caught.value)

    asyncio.run(run())


def test_after_a_401_a_token_file_is_read_again(tmp_path: Any) -> None:
    async def run() -> None:
        token = tmp_path / "token"
        token.write_text("old")
        async with api(echo, 401, b"") as made:
            session = made.session(token_file=str(token))
            session.upgrade("/x").socket.close()  # read once
            token.write_text("new")
            with pytest.raises(ApiError):
                await portforward.forward(session, "dev", "relay-0", PORT)
            logins = [r.headers["Authorization"] for r in made.asked]
            assert logins == ["Bearer old", "Bearer new"]

    asyncio.run(run())


def test_nobody_there() -> None:
    session = Api(1).session()
    with pytest.raises(K8sextError, match="cannot be reached"):
        asyncio.run(portforward.forward(session, "dev", "relay-0", PORT))


def test_what_is_no_websocket() -> None:
    async def run() -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"SSH-2.0-x\r\n")

        async with answering(plain) as port:
            with pytest.raises(K8sextError, match="port-forward cannot be opened"):
                await forward(Api(port))

    asyncio.run(run())
