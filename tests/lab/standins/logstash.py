"""A stand-in for Logstash: takes events from a RabbitMQ queue, puts documents into Elasticsearch.

No registry has Logstash. This does what its documentation and source say of the pipeline
`input { rabbitmq { queue => Q durable => true } } output { elasticsearch { index => I } }`:

- the queue is declared (durable) when it is missing, and consumed with acknowledgements, at most
  256 outstanding; an event is acknowledged when it is inside the pipeline, not when it is indexed
  (logstash-input-rabbitmq, lib/logstash/inputs/rabbitmq.rb);
- while Elasticsearch does not take it, an event is tried again for ever, and the pipeline behind
  it fills up (logstash-output-elasticsearch, "Retry policy");
- the codec is JSON: an object becomes the event, anything else its `message`, tagged
  `_jsonparsefailure`; `@timestamp` and `@version` are added;
- a broker that is gone is tried again; a consumer that the broker cancels, because its queue was
  deleted, is not (the input stops).

Standard library only; AMQP here is written apart from the product's, so that the two check each
other. Arguments: broker's host, port, user, queue, Elasticsearch's host, port, index, a file of the
password, a file that is made once the queue is consumed.
"""

from __future__ import annotations

import datetime
import http.client
import json
import queue
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

PIPELINE = 256
RETRY_S = 0.5
Events = queue.Queue[dict[str, Any]]


def short(text: str) -> bytes:
    """An AMQP short string."""
    return bytes([len(text)]) + text.encode()


class Cancelled(Exception):
    """The broker ended the consumer: its queue is gone."""


class Broker:
    """One connection with one channel, for as long as it lasts."""

    def __init__(self, host: str, port: int, user: str, password: str) -> None:
        self.socket = socket.create_connection((host, port), timeout=10)
        self.socket.sendall(b"AMQP\0\0\x09\x01")
        self.expect(10, 10)
        login = f"\0{user}\0{password}".encode()
        able = short("consumer_cancel_notify") + b"t\x01"
        table = short("capabilities") + b"F" + struct.pack("!I", len(able)) + able
        product = b"a stand-in for Logstash"
        table += short("product") + b"S" + struct.pack("!I", len(product)) + product
        arguments = struct.pack("!I", len(table)) + table + short("PLAIN")
        self.send(0, 10, 11, arguments + struct.pack("!I", len(login)) + login + short("en_US"))
        tune = self.expect(10, 30)
        self.send(0, 10, 31, tune[:6] + b"\0\0")  # no heartbeats
        self.send(0, 10, 40, short("/") + b"\0\0")
        self.expect(10, 41)
        self.send(1, 20, 10, b"\0")
        self.expect(20, 11)
        self.socket.settimeout(None)

    def send(self, channel: int, major: int, minor: int, arguments: bytes) -> None:
        """One method."""
        payload = struct.pack("!HH", major, minor) + arguments
        head = struct.pack("!BHI", 1, channel, len(payload))
        self.socket.sendall(head + payload + b"\xce")

    def exactly(self, count: int) -> bytes:
        """So many bytes. Raises ConnectionError."""
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the broker hung up")
            data += more
        return data

    def frame(self) -> tuple[int, bytes]:
        """The next frame: kind and payload."""
        kind, _, size = struct.unpack("!BHI", self.exactly(7))
        return kind, self.exactly(size + 1)[:-1]

    def expect(self, major: int, minor: int) -> bytes:
        """The arguments of the method that must come next."""
        kind, payload = self.frame()
        if kind != 1 or payload[:4] != struct.pack("!HH", major, minor):
            raise ConnectionError(f"not {major}.{minor} but {payload[:120]!r}")
        return payload[4:]

    def consume(self, name: str) -> None:
        """Declare the queue, and begin to take from it."""
        self.send(1, 50, 10, b"\0\0" + short(name) + b"\x02" + bytes(4))  # durable
        self.expect(50, 11)
        self.send(1, 60, 10, struct.pack("!IHB", 0, PIPELINE, 0))
        self.expect(60, 11)
        self.send(1, 60, 20, b"\0\0" + short(name) + short("") + b"\0" + bytes(4))
        self.expect(60, 21)
        print(f"consuming from {name}", flush=True)

    def deliveries(self) -> Any:
        """Delivery tag and body, one after another."""
        while True:
            kind, payload = self.frame()
            if kind != 1:
                continue
            method, rest = struct.unpack("!HH", payload[:4]), payload[4:]
            if method == (60, 30):
                raise Cancelled
            if method in ((10, 50), (20, 40)):
                raise ConnectionError(f"closed: {rest[:200]!r}")
            if method == (60, 60):
                tag = rest[1 + rest[0] :][:8]
                yield tag, self.content()

    def content(self) -> bytes:
        """The body of a delivery."""
        _, header = self.frame()
        size = struct.unpack("!Q", header[4:12])[0]
        body = b""
        while len(body) < size:
            body += self.frame()[1]
        return body


def event_of(body: bytes) -> dict[str, Any]:
    """A message as the codec makes an event of it."""
    now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
    try:
        data = json.loads(body)
        event: dict[str, Any] = data if isinstance(data, dict) else {"message": body.decode()}
    except ValueError:
        text = body.decode("utf-8", "replace")
        event = {"message": text, "tags": ["_jsonparsefailure"]}
    return {"@timestamp": now, "@version": "1", **event}


def take(
    address: tuple[str, int], login: tuple[str, str], name: str, events: Events, begun: Path
) -> None:
    """From the queue into the pipeline, until the consumer is cancelled."""
    while True:
        try:
            broker = Broker(*address, *login)
            broker.consume(name)
            begun.touch()
            for tag, body in broker.deliveries():
                events.put(event_of(body))
                broker.send(1, 60, 80, tag + b"\0")
        except (OSError, struct.error) as error:
            print(f"will retry: {error}", flush=True)
            time.sleep(RETRY_S)
        except Cancelled:
            print("the consumer was cancelled: the input stops", flush=True)
            return


def put(address: tuple[str, int], index: str, events: Events) -> None:
    """From the pipeline into the index, for ever."""
    while True:
        body = json.dumps(events.get()).encode()
        while not indexed(address, index, body):
            time.sleep(RETRY_S)


def indexed(address: tuple[str, int], index: str, body: bytes) -> bool:
    """Whether the event needs no other try: 400 and 404 are given up, as Logstash does."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    try:
        connection.request("POST", f"/{index}/_doc", body, {"Content-Type": "application/json"})
        status = connection.getresponse().status
    except OSError as error:
        print(f"will retry: {error}", flush=True)
        return False
    finally:
        connection.close()
    print(f"indexed: {status}", flush=True)
    return status in (200, 201, 400, 404)


def main(arguments: list[str]) -> None:
    """Run both halves."""
    host, port, user, name, where, there, index, secret, begun = arguments
    events: Events = queue.Queue(PIPELINE)
    writer = threading.Thread(target=put, args=((where, int(there)), index, events), daemon=True)
    writer.start()
    take((host, int(port)), (user, Path(secret).read_text()), name, events, Path(begun))
    writer.join()


if __name__ == "__main__":
    main(sys.argv[1:])
