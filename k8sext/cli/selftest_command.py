"""`k8sext selftest`: broken and healthy servers on loopback, and whether each verdict is right."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from k8sext.selftest.run import SelftestOutcome

PURPOSE = "Most of these servers are broken on purpose; a verdict is right if it says so."


def selftest_command(
    output: Annotated[str, typer.Option("--output", "-o", help="table or json.")] = "table",
) -> int:
    """Compare our verdicts with known ones, on servers of our own.

    Servers on loopback refuse, hang, flood, lie and work; -v explains what is said of each. No
    cluster, no root, some seconds. Ends with 0 only if every verdict is right.
    """
    from . import console, talk
    from .output import one_of

    one_of("--output", output, ("table", "json"))
    from k8sext.selftest import cases, run

    progress = console.Progress(quiet=talk.quiet() or output == "json")
    progress.began -= console.QUIET_S  # it takes seconds
    progress.phase("selftest", f"looking at {len(cases.CASES)} bridges to loopback")
    try:
        outcome = run.run()
    finally:
        progress.close()
    if output == "json":
        console.data(json.dumps(outcome.document(), indent=1) + "\n")
    elif not talk.quiet():
        console.data(_table(outcome))
    return outcome.exit_code


def _table(outcome: SelftestOutcome) -> str:
    """The table that doctor prints, what is wrong with it, and how much of it is right.

    Its own summary ("… failed") is left out: to fail is what most of these servers are for.
    """
    from k8sext import registry

    from . import console, talk

    asked = console.options(no_color=talk.no_color())
    options = replace(asked, explain=bool(talk.verbose()), summary=False)
    table = registry.report("table")
    told: str = table.render(outcome.report, options)
    wrong = [f"wrong: {c.id}\n  expected  {c.expected}\n  got       {c.got}" for c in outcome.wrong]
    text = "\n".join((told, PURPOSE, *wrong, outcome.summary)) + "\n"
    return text if options.unicode else text.encode("ascii", "backslashreplace").decode("ascii")
