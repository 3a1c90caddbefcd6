"""`k8sext provision`: makes the bridge objects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options as opt

NARROW = 80  # columns that every terminal has


def provision_command(
    name: Annotated[str | None, typer.Argument(help="Name of the Service to create.")] = None,
    to: Annotated[
        list[str] | None, typer.Option("--to", help="HOST[:PORT] the bridge leads to; repeatable.")
    ] = None,
    filename: opt.Filename = None,
    kubeconfig: opt.Kubeconfig = None,
    context: opt.Context = None,
    namespace: opt.Namespace = None,
    port: Annotated[int | None, typer.Option(help="Port of the Service.")] = None,
    protocol: Annotated[str, typer.Option(help="Protocol, as in `k8sext checks`.")] = "",
    credentials: Annotated[str, typer.Option(help="Name of the Secret with the login.")] = "",
    origin: Annotated[
        str, typer.Option(help="DNS name the addresses came from; doctor compares them with it.")
    ] = "",
    resolve: Annotated[
        bool, typer.Option(help="Use the addresses that the host name has in the cluster's DNS.")
    ] = False,
    ingress: Annotated[
        str, typer.Option("--ingress", help="Also create an Ingress for HOST[/PATH].")
    ] = "",
    ingress_class: Annotated[str, typer.Option(help="IngressClass of that Ingress.")] = "",
    ingress_tls: Annotated[
        str, typer.Option(help="Secret with the certificate of that Ingress.")
    ] = "",
    dry_run: Annotated[
        str | None,
        typer.Option(help="Write nothing: check here (client) or on the API server (server)."),
    ] = None,
    diff: Annotated[
        bool, typer.Option(help="Show the differences, write nothing; exit 1 if there are any.")
    ] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="text, yaml or json.")] = "text",
    adopt: Annotated[
        bool, typer.Option(help="Take over objects that another tool manages.")
    ] = False,
    force_conflicts: Annotated[
        bool, typer.Option(help="Take over fields that another tool manages.")
    ] = False,
    verify: Annotated[bool, typer.Option(help="Run doctor on the bridges afterwards.")] = False,
    image: Annotated[
        str | None, typer.Option(help="Container image of the pod that --verify and --resolve use.")
    ] = None,
    as_user: opt.As = None,
    as_group: opt.AsGroup = None,
) -> int:
    """Create or update Services and EndpointSlices that lead to the outside."""
    from k8sext.kube.session import Session
    from k8sext.provision import apply, desired, refuse

    from . import talk
    from .output import one_of

    one_of("--output", output, ("text", "yaml", "json"))
    one_of("--dry-run", dry_run or "client", ("client", "server"))
    _refuse_together(dry_run, diff, verify, output)
    groups = tuple(as_group or ())
    session = None
    if dry_run != "client":
        session = Session.load(kubeconfig, context, as_user, groups, clear_text=talk.clear_text())
    default = namespace or (
        session.namespace if session else _context_namespace(kubeconfig, context)
    )
    front = _ingress(ingress, ingress_class, ingress_tls)
    specs = _specs(
        name,
        to or (),
        filename or (),
        default,
        port,
        protocol,
        credentials,
        origin,
        front,
        resolve=resolve,
    )
    if session is None:
        _refuse_lookups(specs)
        _print_objects([o for s in specs for o in desired.objects(s)], output)
        return 0
    if any(s.resolve for s in specs):
        from .resolving import resolved

        specs = resolved(session, specs, image)
    refuse.cluster_ips(specs, _cluster_ips(session, specs))
    planned = apply.plan(session, specs, adopt=adopt, force=force_conflicts)
    stale = apply.stale(session, specs)
    writes = dry_run is None and not diff
    if writes:
        apply.apply(session, planned, force=force_conflicts or adopt)
        for path in stale:
            session.delete(path)
    _report(planned, stale, specs, output, writes=writes)
    if diff:
        return 1 if stale or any(p.change.mark != apply.SAME for p in planned) else 0
    if not verify:
        return 0
    return _verified(
        specs,
        image,
        kubeconfig=kubeconfig,
        context=context,
        as_user=as_user,
        as_groups=groups,
    )


def _refuse_together(dry_run: str | None, diff: bool, verify: bool, output: str) -> None:
    """Options of which one would silently do nothing."""
    from k8sext.errors import K8sextError

    if diff and dry_run == "client":
        raise K8sextError("--diff compares with the cluster, --dry-run=client does not ask it",
                          fix="use --dry-run=server or leave it out")  # fmt: skip
    if verify and (dry_run or diff):
        option = "--diff" if diff else f"--dry-run={dry_run}"
        raise K8sextError(f"--verify checks what was written, {option} writes nothing")
    if verify and output != "text":
        raise K8sextError(f"--verify prints a table, which is no {output}", where="--output")


def _context_namespace(kubeconfig: Path | None, context: str | None) -> str:
    """The namespace of the context, as kubectl takes it; offline there need be none."""
    from k8sext.errors import K8sextError
    from k8sext.kube import kubeconfig as config

    try:
        return config.load(kubeconfig, context).namespace
    except K8sextError:
        if kubeconfig or context:
            raise
        return "default"


def _specs(
    name: str | None,
    to: Sequence[str],
    files: Sequence[str],
    namespace: str,
    port: int | None,
    protocol: str,
    credentials: str,
    origin: str,
    front: Any,
    *,
    resolve: bool,
) -> tuple[Any, ...]:
    from k8sext.errors import K8sextError
    from k8sext.provision import desired, document, refuse
    from k8sext.provision.spec import BridgeSpec, PortSpec

    if bool(files) == bool(name):
        raise K8sextError("give either NAME with --to, or -f FILE", where="provision")
    if files:
        _refuse_beside_files(
            {
                "--to": (to, "to: […]"),
                "--port": (port, "ports: [{port: …}]"),
                "--protocol": (protocol, "protocol: …"),
                "--credentials": (credentials, "credentials: {secret: …}"),
                "--origin": (origin, "origin: …"),
                "--ingress": (front, "ingress: {host: …}"),
                "--resolve": (resolve, "resolve: true"),
            }
        )
        found = tuple(desired.complete(s) for s in document.load(files, namespace))
        refuse.one_ingress_twice(found)
        return found
    if not to:
        raise K8sextError("--to is missing: where should the bridge lead?", where="provision")
    pairs = [_address(t) for t in to]
    outside = {p for _, p in pairs if p}
    if len(outside) > 1:
        raise K8sextError("--to names different ports", where="--to", fix="use -f for that")
    target = outside.pop() if outside else port
    ports: tuple[PortSpec, ...] = ()
    if target:
        ports = (PortSpec(port=port or target, target_port=target),)
    spec = BridgeSpec(
        name=str(name),
        namespace=namespace,
        to=tuple(host for host, _ in pairs),
        ports=ports,
        protocol=protocol,
        secret=credentials,
        origin=origin,
        resolve=resolve,
        ingress=front,
    )
    return (desired.complete(spec),)


def _refuse_beside_files(given: Mapping[str, tuple[object, str]]) -> None:
    """What a file says for each bridge."""
    from k8sext.errors import K8sextError

    for option, (value, key) in given.items():
        if value:
            raise K8sextError(f"-f says it for each bridge: `{key}`", where=option)


def _refuse_lookups(specs: Sequence[Any]) -> None:
    from k8sext.errors import K8sextError

    asked = next((s for s in specs if s.resolve), None)
    if asked:
        raise K8sextError(
            f"bridge {asked.name}: resolve asks the cluster's DNS, --dry-run=client asks nothing",
            where=asked.source,
            fix="--dry-run=server, which starts a pod to ask and writes no bridge",
        )


def _ingress(text: str, class_name: str, tls_secret: str) -> Any:
    """What the flags ask for, held to what the schema asks of a file."""
    from k8sext.errors import K8sextError
    from k8sext.provision import spec

    if not text:
        if class_name or tls_secret:
            raise K8sextError("they belong to --ingress HOST, which is missing",
                              where="--ingress-class, --ingress-tls")  # fmt: skip
        return None
    host, slash, rest = text.partition("/")
    path = f"{slash}{rest}" or "/"
    for option, value, pattern in (
        ("--ingress", host, spec.HOST),
        ("--ingress", path, spec.PATH),
        ("--ingress-class", class_name, spec.NAME),
        ("--ingress-tls", tls_secret, spec.NAME),
    ):
        if value and not re.fullmatch(pattern, value):
            raise K8sextError(f"{value!r} does not match {pattern}", where=option)
    return spec.IngressSpec(host=host, path=path, class_name=class_name, tls_secret=tls_secret)


def _address(text: str) -> tuple[str, int | None]:
    """HOST, HOST:PORT, [IPV6]:PORT or a bare IPv6 address."""
    from k8sext.errors import K8sextError

    match = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:]+)(?::(\d+))?|([0-9a-fA-F:]+)", text)
    if not match:
        raise K8sextError(f"{text!r} is not HOST[:PORT]", where="--to")
    host = match[1] or match[3] or match[5]
    port = match[2] or match[4]
    if port and not 0 < int(port) < 65536:
        raise K8sextError(f"{text!r}: a port is 1 to 65535", where="--to")
    return host, int(port) if port else None


def _cluster_ips(session: Any, specs: Sequence[Any]) -> set[str]:
    """Cluster IPs that may be seen: of the bridges' own namespaces, of all where allowed."""
    from k8sext.kube.session import ApiError

    found: set[str] = set()
    paths = ["/api/v1/services"]
    paths += [f"/api/v1/namespaces/{n}/services" for n in {s.namespace for s in specs}]
    for path in paths:
        try:
            items = session.get(path, resourceVersion="0").get("items") or []
        except ApiError as error:
            if error.status == 403:
                continue
            raise
        found |= {ip for i in items for ip in i["spec"].get("clusterIPs") or [] if ip != "None"}
        if path == "/api/v1/services":
            break
    return found


def _print_objects(items: Sequence[Any], output: str) -> None:
    import json

    import yaml

    from . import console

    if output == "json":
        listed = {"apiVersion": "v1", "kind": "List", "items": list(items)}
        console.data(json.dumps(listed, indent=1) + "\n")
    else:
        console.data(yaml.safe_dump_all(items, sort_keys=False))


def _report(
    planned: Sequence[Any], stale: Sequence[str], specs: Sequence[Any], output: str, *, writes: bool
) -> None:
    from k8sext.model.secret import visible
    from k8sext.model.shell import word
    from k8sext.provision import apply, consenting

    from . import console, talk

    if output != "text":
        _print_objects([p.wanted for p in planned], output)
        return
    if talk.quiet():
        return
    changes = [p.change for p in planned]
    width = max(len(c.ref) for c in changes)
    for change in changes:
        line = f" {change.mark} {change.ref.ljust(width)}  {change.detail}"
        console.data(visible(line).rstrip() + "\n")
    for path in stale:
        console.data(f" - {visible(path.rpartition('/')[2])}\n")
    marks = [c.mark for c in changes]
    words = (("+", "created"), ("~", "changed"), ("=", "unchanged"))
    counts = [f"{marks.count(m)} {w}" for m, w in words if m in marks]
    if not writes:
        console.data(f"{' · '.join(counts)} (nothing was written)\n")
        return
    if any(mark != apply.SAME for mark in marks):
        console.data("".join(f"{said}\n" for said in map(consenting.needs, specs) if said))
    to_do = [
        f"next: k8sext doctor -n {word(namespace)} {' '.join(map(word, names))}"
        for namespace, names in _by_namespace(specs).items()
    ]
    one_line = " · ".join([*counts, *to_do])
    fits = len(to_do) == 1 and len(one_line) <= NARROW
    console.data((one_line if fits else "\n".join([" · ".join(counts), *to_do])) + "\n")


def _by_namespace(specs: Sequence[Any]) -> dict[str, list[str]]:
    """Names of the bridges in each namespace, both in the order they were given in."""
    found: dict[str, list[str]] = {}
    for spec in specs:
        found.setdefault(spec.namespace, []).append(spec.name)
    return found


def _verified(specs: Sequence[Any], image: str | None, **source: Any) -> int:
    """Run doctor, once for each namespace; 1 wins over 3, 3 over 0."""
    from .doctor_command import verify

    codes: list[int] = []
    for namespace, names in _by_namespace(specs).items():
        codes.append(verify(namespace, names, image, **source))
    return 1 if 1 in codes else max(codes)
