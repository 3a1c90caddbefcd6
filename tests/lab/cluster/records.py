"""Records of any type that an outside name has for a while: CNAME chains, loops, IPv6 only."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence

from tests.lab.cluster import dns
from tests.lab.component import folder_for
from tests.lab.place import Place


@contextlib.contextmanager
def name_has(place: Place, name: str, records: Sequence[str]) -> Generator[None]:
    """The name has these records: `CNAME db.corp.example.`, `AAAA 2001:db8::9`, `TXT "x"`.

    They stand in the zone file of the outside server, which follows a CNAME to whatever else it
    knows. An address of the name in the hosts file would come before them.
    """
    file = folder_for(place, "dns") / f"{name}.records"
    file.write_text("".join(f"{name}. 1 IN {record}\n" for record in records))
    dns.start_again(place)
    try:
        yield
    finally:
        file.unlink()
        dns.start_again(place)
