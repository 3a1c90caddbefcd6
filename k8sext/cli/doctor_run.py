"""What `k8sext doctor` does between its options and its exit code."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

from k8sext import registry
from k8sext.doctor import running as doctor
from k8sext.doctor import vouching
from k8sext.doctor.gather import gather
from k8sext.doctor.look import make_job, make_plan
from k8sext.doctor.plan import Acting
from k8sext.doctor.request import Request, Source
from k8sext.errors import K8sextError
from k8sext.model.plan import Budget, Plan
from k8sext.model.report import Report

from . import console, ended, output, talk, waiting

WARM_AFTER_S = 0.3


def budget(timeout: float, stage_timeout: float) -> Budget:
    """Deadlines from the options; a probe may take three and a third stages, as by default."""
    for option, value in (("--timeout", timeout), ("--stage-timeout", stage_timeout)):
        if not 0 < value <= 3600:
            raise K8sextError(f"{value:g} is not a number of seconds up to 3600", where=option)
    return Budget(
        stage_s=stage_timeout,
        resolve_s=max(stage_timeout, 5.0),
        probe_s=min(max(10.0, stage_timeout * 10 / 3), timeout),
        run_s=timeout,
    )


def vantages(text: str) -> tuple[str, ...]:
    """Where to look from; `pod` and `relay` may stand together."""
    words = tuple(dict.fromkeys(text.split(",")))
    for word in words:
        output.one_of("--from", word, tuple(registry.vantages()))
    alone = next((word for word in words if registry.vantages()[word].stands_alone), "")
    if alone and len(words) > 1:
        raise K8sextError(
            f"{alone} stands alone", where="--from", fix="run it once more, for itself"
        )
    return words


def client(wanted: bool, places: Sequence[str], image: str | None) -> bool:
    """Whether drivers are tried; only where they are installed."""
    in_image = any(not registry.vantages()[place].checks_here for place in places)
    if wanted and in_image and image is None:
        raise K8sextError(
            "the default image has no drivers to try",
            where="--client",
            fix="--image of one that has them (see Containerfile), or --from relay and --from "
            "local, which try those of this machine",
        )
    return wanted


def acting(active: bool, reverse: bool, app: str | None) -> Acting | None:
    """Leave to write; to register somewhere only under the name that the user gives up."""
    if reverse and not active:
        raise K8sextError(
            "registering the pod somewhere is writing", where="--reverse", fix="add --active"
        )
    if reverse != bool(app):
        raise K8sextError(
            "--reverse and --reverse-app NAME belong together",
            where="--reverse" if reverse else "--reverse-app",
            fix="name an application that exists for this test alone: a registered pod would be "
            "given the work of any other",
        )
    return Acting(reverse_app=app or "") if active else None


def _check_credentials(source: Source, request: Request) -> None:
    if source.credentials and not any(place.checks_here for place in request.places):
        raise K8sextError(
            "the vantage pod takes its logins from Secrets in the cluster",
            where="--credentials",
            fix="--from relay or --from local",
        )


def run(source: Source, request: Request, where: Mapping[str, str]) -> int:
    """Do it all; returns the exit code. Whatever ends it, the reports are written; only a wrong
    usage (exit code 2) and nothing to check (5) leave none.
    """
    source = replace(source, clear_text=talk.clear_text())
    progress = console.Progress(quiet=talk.quiet())
    _check_credentials(source, request)

    def look() -> Report:
        try:
            cluster, bridges = gather(source, request)
            _warm_later(tuple(where))
            return doctor.examine(source, request, cluster, bridges, progress.phase)
        except K8sextError as error:
            if error.exit_code != 3:
                raise
            return ended.could_not_start(source, request, error)

    try:
        if request.wait_s:
            report = waiting.until_it_passes(look, request.wait_s, progress.again)
        else:
            report = look()
    except K8sextError:
        raise
    except KeyboardInterrupt:
        report = ended.interrupted(source, request)
    except Exception as error:
        report = ended.broke(source, request, error)
    finally:
        progress.close()
    return output.write(output.with_cautions(report), where)


def dry_run(source: Source, request: Request) -> int:
    """Print the Job of each namespace and, readable, the source that would run in it."""
    import yaml

    cluster, bridges = gather(replace(source, clear_text=talk.clear_text()), request)
    request = replace(request, vouched=vouching.settled(request.vouched, bridges))
    chosen = doctor.selected(bridges, request)
    for namespace in dict.fromkeys(b.namespace for b in chosen):
        here = [b for b in chosen if b.namespace == namespace]
        planned = make_plan(namespace, here, cluster, request, "dryrun")
        console.data("---\n" + yaml.safe_dump(make_job(planned, cluster, request)))
        for name, text in _sources(planned).items():
            console.data(f"# --- {name}\n" + "".join(f"# {x}\n" for x in text.splitlines()))
    return 0


def _sources(planned: Plan) -> Mapping[str, str]:
    from k8sext.vantage import pack

    place = registry.vantages()[planned.vantage]
    part = place.pod_part(planned)
    return pack.sources(part.modules, place.entry, part.clients)


def _warm_later(names: Sequence[str]) -> None:
    """Import what judges and renders once the Job is made and its pod starts: nobody waits then."""

    def warm() -> None:
        importlib.import_module("k8sext.diagnose.judge")
        for name in names:
            registry.report(name)

    timer = threading.Timer(WARM_AFTER_S, warm)
    timer.daemon = True
    timer.start()
