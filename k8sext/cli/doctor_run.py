"""What `k8sext doctor` does between its options and its exit code."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from k8sext import registry
from k8sext.bridges import aliases, discover, filed, fronts
from k8sext.bridges import external_ips as claims
from k8sext.doctor import running as doctor
from k8sext.doctor import vouching
from k8sext.doctor.plan import Acting
from k8sext.doctor.request import Source
from k8sext.errors import K8sextError
from k8sext.kube import snapshot as snapshots
from k8sext.kube import workload
from k8sext.kube.session import Session
from k8sext.kube.snapshot import Snapshot, fetch
from k8sext.kube.workers import Workers
from k8sext.lint import live as linted
from k8sext.model.bridge import Bridge
from k8sext.model.plan import Budget, Control, Plan
from k8sext.model.report import Report

from . import console, ended, output, rights, talk, waiting

if TYPE_CHECKING:
    from k8sext.agent.login.credentials import LoginSource
    from k8sext.diagnose.case import Owner

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


def _check_credentials(source: Source, request: doctor.Request) -> None:
    if source.credentials and not any(place.checks_here for place in request.places):
        raise K8sextError(
            "the vantage pod takes its logins from Secrets in the cluster",
            where="--credentials",
            fix="--from relay or --from local",
        )


def run(source: Source, request: doctor.Request, where: Mapping[str, str]) -> int:
    """Do it all; returns the exit code. Whatever ends it, the reports are written; only a wrong
    usage (exit code 2) and nothing to check (5) leave none.
    """
    progress = console.Progress(quiet=talk.quiet())
    _check_credentials(source, request)

    def look() -> Report:
        try:
            cluster, bridges = _gather(source, request)
            _warm_later(tuple(where))
            cluster = replace(cluster, bridges=tuple(bridges))
            return _looked(source, request, cluster, bridges, progress)
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


def _looked(
    source: Source,
    request: doctor.Request,
    cluster: doctor.Cluster,
    bridges: Sequence[Bridge],
    progress: console.Progress,
) -> Report:
    logins = None
    selected = doctor.selected(bridges, request)
    if any(place.checks_here for place in request.places):
        from k8sext.vantage import handed

        in_cluster = source.credentials == "cluster"
        if in_cluster and cluster.secrets is None:
            raise K8sextError("there is no cluster to take them from", where="--credentials")
        alone = not source.all_namespaces and len({b.namespace for b in bridges}) < 2
        logins = handed.logins(None if in_cluster else source.credentials, alone=alone)
    request = replace(request, vouched=vouching.settled(request.vouched, bridges))
    return doctor.run(selected, cluster, request, logins, progress.phase)


def dry_run(source: Source, request: doctor.Request) -> int:
    """Print the Job of each namespace and, readable, the source that would run in it."""
    import yaml

    cluster, bridges = _gather(source, request)
    cluster = replace(cluster, bridges=tuple(bridges))
    request = replace(request, vouched=vouching.settled(request.vouched, bridges))
    chosen = doctor.selected(bridges, request)
    for namespace in dict.fromkeys(b.namespace for b in chosen):
        here = [b for b in chosen if b.namespace == namespace]
        planned = doctor.make_plan(namespace, here, cluster, request, "dryrun")
        console.data("---\n" + yaml.safe_dump(doctor.make_job(planned, cluster, request)))
        for name, text in _sources(planned).items():
            console.data(f"# --- {name}\n" + "".join(f"# {x}\n" for x in text.splitlines()))
    return 0


def _sources(planned: Plan) -> Mapping[str, str]:
    from k8sext.vantage import pack

    entry = pack.entry_of(planned)
    modules = () if entry == pack.RELAY else planned.modules
    return pack.sources(modules, entry, planned.clients)


def _gather(source: Source, request: doctor.Request) -> tuple[doctor.Cluster, tuple[Bridge, ...]]:
    """The cluster and its bridges; with -f the file's bridges over the cluster's."""
    from_files = _file_bridges(source)
    in_pod = any(place.makes_pod for place in request.places)
    if source.files and not in_pod:
        if request.workloads:
            raise K8sextError("there is no cluster to look for them in", where="--workloads")
        return doctor.Cluster(), from_files
    session = Session.load(
        source.kubeconfig,
        source.context,
        source.as_user,
        source.as_groups,
        clear_text=talk.clear_text(),
    )
    namespace = None if source.all_namespaces else source.namespace or session.namespace
    with Workers(2) as pool:
        groups = pool.submit(rights.api_groups, session)
        pool.submit(registry.wire_checks)  # loaded while the API server answers
        uid_range = functools.cache(functools.partial(rights.has_uid_range, session))
        if namespace and in_pod:
            pool.submit(uid_range, namespace)
        missing = pool.submit(rights.missing, session, namespace, request)
        more = ("workloads", "configmaps", "networkpolicies") if request.workloads else ()
        extra = ("nodes", "pods", "namespaces", *more)
        elsewhere = snapshots.later(session, linted.kinds(namespace, source.selector))
        snapshot = fetch(session, namespace, source.selector, extra=extra)
        bridges = _with_aliases(discover.bridges(snapshot), snapshot, elsewhere)
        found, skips = _with_fronts(session, snapshot, bridges, from_files)
        notes = (*missing.result(), *skips)
        openshift = rights.is_openshift(groups.result())
    assigned = uid_range if not openshift else lambda _namespace: True
    cluster = _cluster(session, snapshot, assigned, notes, source.credentials, request)
    bridges = filed.over(found, from_files) if source.files else found
    bridges = _with_claims(bridges, snapshot, elsewhere, given=bool(source.credentials))
    asked = functools.partial(_secret_metadata, session)
    return _with_rules(cluster, snapshot, bridges, source, request, elsewhere, asked), bridges


def _with_aliases(
    found: tuple[Bridge, ...], snapshot: Snapshot, elsewhere: linted.Lists
) -> tuple[Bridge, ...]:
    """Aliases of Services of this cluster, weighed by those; waited for where there are any."""
    if not aliases.inside(found):
        return found
    everywhere = elsewhere()[0].get("services", snapshot.services)
    return found if everywhere is None else aliases.looked_at(found, everywhere)


def _with_claims(
    bridges: tuple[Bridge, ...], snapshot: Snapshot, elsewhere: linted.Lists, *, given: bool
) -> tuple[Bridge, ...]:
    """The bridges with what Services of all namespaces claim; waited for where a login may go."""
    if not (given or any(b.credentials or b.credentials_by_port for b in bridges)):
        return bridges
    everywhere = elsewhere()[0].get("services", snapshot.services)
    return claims.noted(bridges, (*snapshot.services, *(everywhere or ())))


def _with_rules(
    cluster: doctor.Cluster,
    snapshot: Snapshot,
    bridges: Sequence[Bridge],
    source: Source,
    request: doctor.Request,
    elsewhere: linted.Lists,
    metadata: linted.Metadata,
) -> doctor.Cluster:
    """The cluster with its lint rules, which are run when a verdict or the report needs them.

    What could not be read of workloads is told under them, and not once more of each place.
    """
    of_workloads = linted.workload_skips(snapshot.skips) if request.workloads else ()
    scope = linted.Scope(
        bridges=tuple(b for b in bridges if doctor.wanted(b, request)),
        names=request.names,
        complete=source.selector is None,
        workloads=request.workloads,
        workload_skips=of_workloads,
    )
    return replace(
        cluster,
        notes=tuple(n for n in cluster.notes if n not in of_workloads),
        rules=linted.once(functools.partial(linted.find, snapshot, scope, elsewhere, metadata)),
    )


def _with_fronts(
    session: Session, snapshot: Snapshot, found: Sequence[Bridge], files: Sequence[Bridge]
) -> tuple[tuple[Bridge, ...], tuple[str, ...]]:
    """The bridges with what leads to them from outside, read only where that can be."""
    led = fronts.with_nodes(found, snapshot.nodes)
    if not fronts.wanted((*found, *files)):
        return led, ()
    ingresses, classes, skips = snapshots.fronts(session, snapshot.namespace)
    return led if ingresses is None else fronts.with_fronts(led, ingresses, classes), skips


def _file_bridges(source: Source) -> tuple[Bridge, ...]:
    if not source.files:
        return ()
    from k8sext.provision import desired, document

    return desired.to_bridges(document.load(source.files, namespace=source.namespace))


def _cluster(
    session: Session,
    snapshot: Snapshot,
    platform_assigns_user: Callable[[str], bool],
    notes: Sequence[str],
    credentials: str | None,
    request: doctor.Request,
) -> doctor.Cluster:
    def policies(namespace: str) -> Sequence[Mapping[str, Any]] | None:
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
        try:
            return list(session.get(path).get("items", []))
        except K8sextError:
            return None

    return doctor.Cluster(
        api=session,
        context=session.context,
        server_version=snapshot.server_version,
        control=_control(snapshot),
        platform_assigns_user=platform_assigns_user,
        policies=policies,
        preflight=functools.partial(rights.preflight, session, rights.job_of(request))
        if snapshot.namespace is None
        else _no_preflight,
        owners=functools.partial(_owners, session, snapshot),
        labels_like=functools.partial(workload.labels_like, session),
        notes=(*snapshot.skips, *notes),
        cautions=session.cautions,
        secrets=functools.partial(_read_secrets, session) if credentials == "cluster" else None,
        forward=functools.partial(_forward, session),
    )


def _owners(session: Session, snapshot: Snapshot, addresses: tuple[str, ...]) -> tuple[Owner, ...]:
    """Whose they are, by pods and Services of all namespaces as they are now."""
    from k8sext.bridges import owners
    from k8sext.kube.lists import listed

    def now(kind: str) -> Sequence[Mapping[str, Any]] | None:
        try:
            return listed(session, f"/api/v1/{kind}")
        except K8sextError:
            return None

    pods, services = now("pods"), now("services")
    nodes = snapshot.nodes or None
    objects = owners.Objects(pods=pods, nodes=nodes, services=services or snapshot.services)
    return owners.owners(addresses, objects)


def _secret_metadata(
    session: Session, secrets: Sequence[tuple[str, str]]
) -> tuple[tuple[Mapping[str, Any], ...], tuple[str, ...]]:
    from k8sext.kube import secrets as reader

    return reader.metadata(session, secrets)


def _read_secrets(session: Session, namespace: str, names: tuple[str, ...]) -> LoginSource:
    from k8sext.kube import secrets

    return secrets.read(session, namespace, names)


async def _forward(session: Session, namespace: str, pod: str, port: int) -> object:
    from k8sext.kube import portforward

    return await portforward.forward(session, namespace, pod, port)


def _no_preflight(_namespace: str) -> tuple[str, ...]:
    """It was made before anything was read."""
    return ()


def _control(snapshot: Snapshot) -> Control:
    """The API server as pods see it: the name must resolve, the address must accept."""
    return Control(name="kubernetes.default.svc.cluster.local", port=443)


def _warm_later(names: Sequence[str]) -> None:
    """Import what judges and renders once the Job is made and its pod starts: nobody waits then."""

    def warm() -> None:
        importlib.import_module("k8sext.diagnose.judge")
        for name in names:
            registry.report(name)

    timer = threading.Timer(WARM_AFTER_S, warm)
    timer.daemon = True
    timer.start()
