"""What a run leaves behind at the five servers: nothing that hurts, one failed login at most."""

import re
from collections.abc import Mapping

import pytest

from tests.lab.lab import Lab
from tests.support.cluster import FIVE, deploy, doctor, secret_of

pytestmark = pytest.mark.lab
TROUBLE = {
    "postgresql": r" (ERROR|FATAL|PANIC|WARNING): ",
    "rabbitmq": r"\[(warning|error|critical)\]",
    "redis": r" # ",
    "mysql": r"\[(Warning|ERROR)\]",
}


def mariadb_counters(lab: Lab) -> Mapping[str, int]:
    """What MariaDB counts of connections that came to nothing."""
    ask = "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Aborted_connects%' OR Variable_name LIKE "
    argv = ["mariadb", "-h", "198.51.100.9", "-u", "shop", "-N", "-e", f"{ask}'Connection_errors%'"]
    done = lab.run(argv, env={"MYSQL_PWD": lab.passwords["mysql"]}, check=True)
    rows = (line.split("\t") for line in done.stdout.splitlines())
    counted = {name: int(value) for name, value in rows}
    assert len(counted) >= 7
    return counted


def complaints(lab: Lab) -> Mapping[str, list[str]]:
    """Lines of the servers' logs that somebody would be woken for."""
    return {
        name: [x for x in lab.server(name).log.splitlines() if re.search(trouble, x)]
        for name, trouble in TROUBLE.items()
    }


def new(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> dict[str, list[str]]:
    found = {name: lines[len(before[name]) :] for name, lines in after.items()}
    return {name: lines for name, lines in found.items() if lines}


def test_a_green_run_leaves_no_trace_that_hurts(lab: Lab, namespace: str) -> None:
    deploy(lab, namespace)
    counted, said = mariadb_counters(lab), complaints(lab)
    ran = doctor(lab, namespace)
    assert ran.code == 0, ran.out
    assert mariadb_counters(lab) == counted
    assert new(said, complaints(lab)) == {}


def test_a_wrong_password_costs_one_failed_login_at_each_server(lab: Lab, namespace: str) -> None:
    """Two routes and, of the five, four servers with a login.

    On the second route MySQL's greeting is answered all the same, as a user that is none: to hang
    up instead would count towards error 1129.
    """
    deploy(lab, namespace)
    wrong = {"password": "not-the-password-1723"}
    names = ("postgresql", "mysql", "rabbitmq", "redis")
    lab.apply([secret_of(f"{name}-auth", **wrong) for name in names], namespace=namespace)
    counted, said = mariadb_counters(lab), complaints(lab)
    ran = doctor(lab, namespace)
    assert ran.code == 1
    rejected = [b[0] for b in FIVE if ran.said(b[0]) == [("KX601", "credentials")]]
    assert len(rejected) == 4
    after = mariadb_counters(lab)
    differ = {name: after[name] - counted[name] for name in after if after[name] != counted[name]}
    assert differ == {"Aborted_connects": 2}
    heard = new(said, complaints(lab))
    assert len([x for x in heard["postgresql"] if "password authentication failed" in x]) == 1
    assert len([x for x in heard["mysql"] if "Access denied for user 'shop'" in x]) == 1
    refused = [x for x in heard["rabbitmq"] if "refused" in x and "PLAIN login" in x]
    assert len(refused) == 1, heard["rabbitmq"]
