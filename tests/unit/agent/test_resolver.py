"""The DNS stub against a server of our own on loopback."""

import asyncio
import random
import struct
from pathlib import Path

import pytest

from k8sext.agent.fault import Fault
from k8sext.agent.net import resolver
from k8sext.agent.net.resolver import AAAA, A, Config, DnsAnswer, parse, query, read_config
from k8sext.model.words import Reason
from tests.support import nameserver
from tests.support.nameserver import Asked, Nameserver, Record, Script, a, cname, serve

ZONE: dict[str, tuple[Record, ...]] = {
    "db.dev.svc.cluster.local": (a("db.dev.svc.cluster.local", "198.51.100.7"),),
    "six.example": (a("six.example", "2001:db8::7"),),
    "both.example": (a("both.example", "2001:db8::8"), a("both.example", "198.51.100.8")),
    "alias.example": (
        cname("alias.example", "middle.example"),
        cname("middle.example", "end.example"),
        a("end.example", "198.51.100.9"),
    ),
    "nothing.example": (),
    "dangling.example": (cname("dangling.example", "gone.example"),),
    "to-address.example": (cname("to-address.example", "192.0.2.1"),),
    "to-nothing.example": (cname("to-nothing.example", "nothing.example"),),
}


def zone(asked: Asked) -> list[bytes]:
    """An honest server: records of the kind, aliases with both, NXDOMAIN for what is not there."""
    found = ZONE.get(asked.name.lower())
    if found is None:
        return [asked.reply(rcode=3)]
    return [asked.reply(*(r for r in found if r[1] in (asked.kind, resolver.CNAME)))]


def ask(name: str, config: Config, seconds: float = 5.0) -> DnsAnswer:
    async def run() -> DnsAnswer:
        deadline = asyncio.get_running_loop().time() + seconds
        return await resolver.resolve(name, config, deadline)

    return asyncio.run(run())


def told(name: str, script: Script = zone, *search: str, seconds: float = 5.0, ndots: int = 1
         ) -> tuple[DnsAnswer | Fault, Nameserver]:  # fmt: skip
    with serve(script) as server:
        try:
            return ask(name, server.config(*search, ndots=ndots), seconds), server
        except Fault as fault:
            return fault, server


def found(name: str, script: Script = zone, *search: str, **more: int) -> DnsAnswer:
    answer, _ = told(name, script, *search, **more)
    assert isinstance(answer, DnsAnswer), answer
    return answer


def fault(name: str, script: Script = zone, *search: str, seconds: float = 5.0) -> Fault:
    answer, _ = told(name, script, *search, seconds=seconds)
    assert isinstance(answer, Fault), answer
    return answer


# -- search list, ndots, aliases, families ---------------------------------------------------------

CLUSTER = ("dev.svc.cluster.local", "svc.cluster.local", "cluster.local")


def test_the_search_list_of_a_pod() -> None:
    answer, server = told("db", zone, *CLUSTER, ndots=5)
    assert isinstance(answer, DnsAnswer)
    assert answer.name == "db.dev.svc.cluster.local"
    assert answer.addresses == ("198.51.100.7",)
    assert server.names() == ["db.dev.svc.cluster.local"]


def test_a_name_with_fewer_dots_than_ndots_is_searched_first() -> None:
    answer, server = told("both.example", zone, *CLUSTER, ndots=5)
    assert isinstance(answer, DnsAnswer)
    assert answer.name == "both.example"
    assert server.names() == [*(f"both.example.{d}" for d in CLUSTER), "both.example"]
    assert answer.searched == tuple(server.names())


def test_with_enough_dots_it_is_asked_as_it_is_first() -> None:
    _, server = told("both.example", zone, *CLUSTER, ndots=1)
    assert server.names() == ["both.example"]


def test_a_dot_at_the_end_ends_the_search() -> None:
    answer, server = told("db.", zone, *CLUSTER, ndots=5)
    assert isinstance(answer, Fault)
    assert server.names() == ["db"]


def test_aliases_are_followed_and_told() -> None:
    answer = found("alias.example")
    assert (answer.addresses, answer.cname) == (
        ("198.51.100.9",),
        ("middle.example", "end.example"),
    )


def test_addresses_of_both_families_four_first() -> None:
    assert found("both.example").addresses == ("198.51.100.8", "2001:db8::8")
    assert found("six.example").addresses == ("2001:db8::7",)


# -- what a name can lack --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason", "says"),
    [
        ("no.example", Reason.NAME_NOT_FOUND, "no such name"),
        ("nothing.example", Reason.NAME_NO_ADDRESS, "has no address record"),
        ("dangling.example", Reason.NAME_NOT_FOUND, "alias of gone.example, which does not exist"),
        ("to-nothing.example", Reason.NAME_NO_ADDRESS, "nothing.example, which has no address"),
        ("to-address.example", Reason.NAME_NOT_A_NAME, "192.0.2.1, which is an address"),
        ("a..b", Reason.NAME_NOT_A_NAME, "not a host name"),
        ("x" * 64, Reason.NAME_NOT_A_NAME, "not a host name"),
    ],
)
def test_what_is_missing(name: str, reason: Reason, says: str) -> None:
    said = fault(name)
    assert said.reason is reason
    assert says in said.detail


@pytest.mark.parametrize(("rcode", "word"), [(2, "SERVFAIL"), (5, "REFUSED"), (4, "NOTIMP")])
def test_a_server_that_cannot(rcode: int, word: str) -> None:
    said = fault("both.example", lambda q: [q.reply(rcode=rcode)])
    assert said.reason is Reason.DNS_SERVER_FAILURE
    assert word in said.detail
    assert said.evidence["rcode"] == word


def test_a_broken_search_domain_is_passed_over() -> None:
    def script(asked: Asked) -> list[bytes]:
        return [asked.reply(rcode=2)] if asked.name.endswith("corp.example") else zone(asked)

    assert found("both.example", script, "corp.example", ndots=5).name == "both.example"
    assert fault("no.example", script, "corp.example").reason is Reason.DNS_SERVER_FAILURE


def test_the_second_server_is_asked_when_the_first_cannot() -> None:
    with serve(zone) as good, serve(unable, "127.0.0.2", good.port):
        config = Config(("127.0.0.2", "127.0.0.1"), port=good.port)
        answer = ask("both.example", config)
    assert (answer.addresses[0], answer.server) == ("198.51.100.8", "127.0.0.1")


def test_the_one_that_cannot_has_the_last_word_where_others_are_gone() -> None:
    with serve(unable) as server:
        config = Config(("127.0.0.2", "127.0.0.1"), port=server.port)
        with pytest.raises(Fault) as caught:
            ask("both.example", config)
    assert caught.value.reason is Reason.DNS_SERVER_FAILURE
    assert caught.value.evidence["server"] == "127.0.0.1"


def unable(asked: Asked) -> list[bytes]:
    return [asked.reply(rcode=2)]


def test_nobody_answers() -> None:
    said = fault("both.example", lambda _: [], seconds=0.4)
    assert said.reason is Reason.DNS_TIMED_OUT
    assert "127.0.0.1" in said.detail


def test_no_server_there() -> None:
    with serve(zone) as server:
        gone = server.config()
    with pytest.raises(Fault) as caught:
        ask("both.example", gone)
    assert caught.value.reason is Reason.DNS_TIMED_OUT
    assert "ECONNREFUSED" in caught.value.detail


def test_one_family_that_fails_does_not_hide_the_other() -> None:
    def script(asked: Asked) -> list[bytes]:
        return [asked.reply(rcode=2)] if asked.kind == AAAA else zone(asked)

    assert found("both.example", script).addresses == ("198.51.100.8",)


def test_a_failing_family_is_not_read_as_no_address() -> None:
    def script(asked: Asked) -> list[bytes]:
        return [] if asked.kind == A else [asked.reply()]

    assert fault("both.example", script, seconds=0.4).reason is Reason.DNS_TIMED_OUT


# -- packets that mean no good ---------------------------------------------------------------------


def test_a_truncated_answer_is_asked_again_over_tcp() -> None:
    many = [a("both.example", f"198.51.100.{n}") for n in range(1, 201)]

    def script(asked: Asked) -> list[bytes]:
        if not asked.tcp:
            return [asked.reply(truncated=True)]
        return [asked.reply(*(many if asked.kind == A else ()))]

    answer, server = told("both.example", script)
    assert isinstance(answer, DnsAnswer)
    assert len(answer.addresses) == 200
    assert ("both.example", A, True) in server.asked


def forged(asked: Asked) -> list[bytes]:
    """Before the honest answer: a wrong number, another question, a query, scraps."""
    lie = a(asked.name, "192.0.2.66")
    other = nameserver.name("other.example") + asked.packet[-4:]
    query_again = asked.packet[:2] + b"\x01\x00" + asked.packet[4:]
    return [
        asked.reply(lie, number=int.from_bytes(asked.packet[:2]) ^ 1),
        asked.reply(lie, question=other),
        query_again,
        b"",
        asked.packet[:2],
        asked.packet[:2] + b"\x81\x80",
        *zone(asked),
    ]


def test_forged_and_broken_packets_are_overlooked() -> None:
    assert found("db.dev.svc.cluster.local", forged).addresses == ("198.51.100.7",)


def test_an_answer_with_nonsense_inside_is_a_fault_of_the_server() -> None:
    said = fault("both.example", lambda q: [q.reply(("both.example", A, b"\x01\x02\x03"))])
    assert said.reason is Reason.DNS_SERVER_FAILURE


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",  # a pointer to itself
        b"\xc0\x0e\xc0\x0c",  # two that point at each other
        b"\x01a\xc0\x0c",  # ever longer
        b"\xc0\xff",  # beyond the end
        b"\x3f",  # a label that is cut off
        b"",
    ],
)
def test_names_that_never_end(name: bytes) -> None:
    packet = struct.pack("!6H", 7, 0x8180, 1, 0, 0, 0) + name
    with pytest.raises(Fault) as caught:
        parse(packet, 7)
    assert caught.value.reason is Reason.DNS_SERVER_FAILURE


def test_a_packet_of_pointers_is_bounded_work() -> None:
    """64 KiB of records whose names are long chains: an answer or a Fault, not an endless loop."""
    chain = b"".join(struct.pack("!H", 0xC000 | at) for at in range(12, 12 + 240, 2))[2:]
    record = b"\xc0\x0c" + struct.pack("!HHIH", 99, 1, 0, 0)
    packet = struct.pack("!6H", 7, 0x8180, 0, 5000, 0, 0) + chain + b"\0" + record * 5000
    with pytest.raises(Fault):
        parse(packet, 7)


def test_ten_thousand_damaged_packets() -> None:
    dice = random.Random(4711)
    asked = Asked("x.example", A, False, query("x.example", A, 7))
    sound = [
        asked.reply(*ZONE["alias.example"]),
        asked.reply(a("x.example", "2001:db8::1"), a("x.example", "198.51.100.1")),
        asked.reply(("x.example", resolver.CNAME, b"\xc0\x0c")),
    ]
    read = 0
    for number in range(12_000):
        data = bytearray(dice.choice(sound) if number % 4 else dice.randbytes(dice.randrange(300)))
        for _ in range(dice.randrange(6)):
            if data:
                data[dice.randrange(len(data))] = dice.choice((0, 0xC0, 0xFF, dice.randrange(256)))
        if dice.random() < 0.2:
            del data[dice.randrange(len(data) + 1) :]
        resolver.answers(asked.packet, bytes(data))
        try:
            reply = parse(bytes(data), 7)
        except Fault as said:
            assert said.reason is Reason.DNS_SERVER_FAILURE
            continue
        read += 1
        assert len(reply.addresses) <= 20
    assert 0 < read < 12_000


# -- configuration ---------------------------------------------------------------------------------


def config(tmp_path: Path, resolv: str, hosts: str = "") -> Config:
    (tmp_path / "resolv.conf").write_text(resolv)
    (tmp_path / "hosts").write_text(hosts)
    return read_config(tmp_path / "resolv.conf", tmp_path / "hosts")


def test_a_pod_s_resolv_conf(tmp_path: Path) -> None:
    read = config(
        tmp_path,
        "# made by kubelet\nsearch dev.svc.cluster.local svc.cluster.local\n"
        "nameserver 10.96.0.10\noptions ndots:5 timeout:2 edns0\n",
        "127.0.0.1 localhost\n198.51.100.1 Db.Example db # alias\n",
    )
    assert read.servers == ("10.96.0.10",)
    assert read.search == ("dev.svc.cluster.local", "svc.cluster.local")
    assert (read.ndots, read.timeout_s) == (5, 2)
    assert ("db.example", "198.51.100.1") in read.hosts


@pytest.mark.parametrize("options", ["ndots:", "ndots:x timeout:y", "ndots:-1", "ndots:\u0663"])
def test_options_that_are_no_numbers(options: str, tmp_path: Path) -> None:
    read = config(tmp_path, f"options {options}\n")
    assert (read.ndots, read.timeout_s, read.servers) == (1, 5, ("127.0.0.1",))


def test_options_have_bounds(tmp_path: Path) -> None:
    read = config(tmp_path, "options ndots:99 timeout:0\n")
    assert (read.ndots, read.timeout_s) == (15, 1)


def test_no_files_at_all(tmp_path: Path) -> None:
    assert read_config(tmp_path / "a", tmp_path / "b") == Config(("127.0.0.1",))


def test_the_hosts_file_comes_first() -> None:
    config = Config(("127.0.0.1",), hosts=(("db", "198.51.100.1"), ("db", "2001:db8::1")), port=1)
    answer = ask("DB.", config)
    assert (answer.addresses, answer.server) == (("198.51.100.1", "2001:db8::1"), "/etc/hosts")
