"""`k8sext doctor`: the main job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options as opt


def doctor_command(
    services: Annotated[
        list[str] | None, typer.Argument(help="Services to check; default all.")
    ] = None,
    kubeconfig: opt.Kubeconfig = None,
    context: opt.Context = None,
    namespace: opt.Namespace = None,
    all_namespaces: opt.AllNamespaces = False,
    selector: opt.Selector = None,
    filename: opt.Filename = None,
    vantage: Annotated[
        str, typer.Option("--from", help="Where to look from: pod, relay, pod,relay or local.")
    ] = "pod",
    output: Annotated[
        str, typer.Option("--output", "-o", help="table, wide, json or junit.")
    ] = "table",
    output_file: Annotated[
        list[str] | None,
        typer.Option("--output-file", metavar="FORMAT=PATH", help="Also write; repeatable."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Short for --output-file junit=PATH.")] = None,
    fail_on: Annotated[str, typer.Option(help="warn, fail or never.")] = "fail",
    require: Annotated[
        str | None, typer.Option(help="Least depth: connect, handshake, auth or verify.")
    ] = None,
    allow_empty: Annotated[bool, typer.Option(help="Exit 0 where there is no bridge.")] = False,
    include: Annotated[
        str | None, typer.Option(help="internal: also probe what is not a bridge.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Image of the probe pod.")] = None,
    image_pull_secret: Annotated[
        list[str] | None, typer.Option(help="Pull secret of the image; repeatable.")
    ] = None,
    pod_patch: Annotated[
        Path | None, typer.Option(help="YAML merged into the pod template.")
    ] = None,
    pod_start_timeout: Annotated[float, typer.Option(help="Seconds to wait for the pod.")] = 120.0,
    pod_ttl: Annotated[
        float, typer.Option(help="Seconds that an ended Job stays if nobody deletes it.")
    ] = 60.0,
    node_selector: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Node label; repeatable.")
    ] = None,
    toleration: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY[=VALUE][:EFFECT]", help="Taint to tolerate; repeatable."),
    ] = None,
    pod_label: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Label of the pod; repeatable.")
    ] = None,
    pod_annotation: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Annotation of the pod; repeatable."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="WORKLOAD", help="Take on the pod labels of [KIND/]NAME."),
    ] = None,
    shards: Annotated[int, typer.Option(help="Spread the bridges over so many pods.")] = 1,
    mesh: Annotated[bool, typer.Option(help="Let a mesh inject its sidecar.")] = False,
    client: Annotated[
        bool,
        typer.Option("--client", help="The official drivers too (from relay: always)."),
    ] = False,
    credentials_from: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECRET=SERVICE",
            help="Secret whose login may go to that Service (k8sext explain KX612); repeatable.",
        ),
    ] = None,
    trust_annotations: Annotated[
        bool, typer.Option(help="Vouch for every Secret that an annotation names.")
    ] = False,
    credentials: Annotated[
        str | None, typer.Option(help="For relay and local: env, file:PATH or cluster.")
    ] = None,
    active: Annotated[
        bool,
        typer.Option("--active", help="Allow checks that write marked data, and remove it."),
    ] = False,
    reverse: Annotated[
        bool,
        typer.Option("--reverse", help="Let outside systems call the pod back; needs --active."),
    ] = False,
    reverse_app: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Sacrificial application to register it under."),
    ] = None,
    workloads: Annotated[
        bool,
        typer.Option("--workloads", help="Which workload uses which bridge, and reaches it."),
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for all probes.")] = 60.0,
    stage_timeout: Annotated[float, typer.Option(help="Seconds for one stage.")] = 3.0,
    wait: Annotated[
        str | None, typer.Option(help="Look again for so long (90s, 5m) until it passes.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Print the Job and its code; run nothing.")] = False,
    as_user: opt.As = None,
    as_group: opt.AsGroup = None,
) -> int:
    """Check every bridge of a namespace from a pod in it, and say what is broken and why.

    A login goes where its Secret says, in keys of its own: k8sext.service (NAME or NAME.NAMESPACE;
    without it nowhere), host or uri, k8sext.keys (what annotations may choose; without it the usual
    keys of the protocol), k8sext.tls (any, require or verify-full; without it any). All of it:
    k8sext explain KX612.
    """
    from k8sext.doctor import vouching
    from k8sext.doctor.request import Request, Source

    from . import doctor_run as steps
    from . import output as to
    from . import waiting
    from .pod_options import pod_options

    gate = to.gate(fail_on, require, allow_empty)
    sinks = to.sinks(output, output_file or [], junit)
    places = steps.vantages(vantage)
    request = Request(
        vantage=places[0],
        also=places[1:],
        names=tuple(services or ()),
        include_internal=include == "internal",
        budget=steps.budget(timeout, stage_timeout),
        pod=pod_options(
            image=image,
            pull_secrets=image_pull_secret,
            patch=pod_patch,
            start_timeout=pod_start_timeout,
            ttl=pod_ttl,
            mesh=mesh,
            node_selector=node_selector,
            tolerations=toleration,
            labels=pod_label,
            annotations=pod_annotation,
            like=like,
            shards=shards,
        ),
        gate=gate,
        vouched=vouching.parse(credentials_from or ()),
        trust_annotations=trust_annotations,
        client=steps.client(client, places, image),
        acting=steps.acting(active, reverse, reverse_app),
        workloads=workloads,
        wait_s=waiting.seconds(wait) if wait is not None else 0.0,
    )
    source = Source(
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        all_namespaces=all_namespaces,
        selector=selector,
        files=tuple(filename or ()),
        as_user=as_user,
        as_groups=tuple(as_group or ()),
        credentials=credentials,
    )
    if dry_run:
        return steps.dry_run(source, request)
    return steps.run(source, request, sinks)


def verify(namespace: str, names: Sequence[str], image: str | None, **source: Any) -> int:
    """Check what was just provisioned (`provision --verify`); returns the exit code."""
    from k8sext.doctor.request import Request, Source

    from . import doctor_run as steps
    from . import output as to
    from .pod_options import pod_options

    pod = pod_options(image=image)
    request = Request(names=tuple(names), pod=pod)
    where = Source(namespace=namespace, **source)
    return steps.run(where, request, to.sinks("table", [], None))
