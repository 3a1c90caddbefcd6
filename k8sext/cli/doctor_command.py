"""`k8sext doctor`: the main job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options as opt


def doctor_command(
    services: Annotated[
        list[str] | None, typer.Argument(help="Services to check; default: all bridges.")
    ] = None,
    kubeconfig: opt.Kubeconfig = None,
    context: opt.Context = None,
    namespace: opt.Namespace = None,
    all_namespaces: opt.AllNamespaces = False,
    selector: opt.Selector = None,
    filename: opt.Filename = None,
    vantage: Annotated[
        str,
        typer.Option("--from", help="Where the checks run: pod, relay, both (pod,relay) or local."),
    ] = "pod",
    output: Annotated[
        str, typer.Option("--output", "-o", help="Output format: table, wide, json or junit.")
    ] = "table",
    output_file: Annotated[
        list[str] | None,
        typer.Option(
            "--output-file",
            metavar="FORMAT=PATH",
            help="Also write this format to a file; repeatable.",
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Same as --output-file junit=PATH.")] = None,
    fail_on: Annotated[str, typer.Option(help="Exit 1 on warn, on fail, or never.")] = "fail",
    require: Annotated[
        str | None,
        typer.Option(
            help="Minimum depth each bridge must be tested to: connect, handshake, auth or verify."
        ),
    ] = None,
    allow_empty: Annotated[bool, typer.Option(help="Exit 0 even if there is no bridge.")] = False,
    include: Annotated[
        str | None, typer.Option(help="internal: also probe Services that are not bridges.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="Container image of the probe pod.")] = None,
    image_pull_secret: Annotated[
        list[str] | None, typer.Option(help="Image pull secret; repeatable.")
    ] = None,
    pod_patch: Annotated[
        Path | None, typer.Option(help="YAML file to merge into the pod template.")
    ] = None,
    pod_start_timeout: Annotated[
        float, typer.Option(help="Seconds to wait for the pod to start.")
    ] = 120.0,
    pod_ttl: Annotated[
        float, typer.Option(help="Seconds until Kubernetes deletes a finished Job.")
    ] = 60.0,
    node_selector: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Label of nodes the pod may run on; repeatable."),
    ] = None,
    toleration: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY[=VALUE][:EFFECT]", help="Taint the pod tolerates; repeatable."),
    ] = None,
    pod_label: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Label to add to the pod; repeatable."),
    ] = None,
    pod_annotation: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Annotation to add to the pod; repeatable."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="WORKLOAD",
            help="Give the probe pod the labels of this workload's pods ([KIND/]NAME).",
        ),
    ] = None,
    shards: Annotated[int, typer.Option(help="Number of probe pods.")] = 1,
    mesh: Annotated[bool, typer.Option(help="Allow a service mesh to inject its sidecar.")] = False,
    client: Annotated[
        bool,
        typer.Option("--client", help="Also try the official drivers (--from relay always does)."),
    ] = False,
    credentials_from: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECRET=SERVICE",
            help="Use this Secret although it does not name the Service (see "
            "k8sext explain KX612); repeatable.",
        ),
    ] = None,
    trust_annotations: Annotated[
        bool,
        typer.Option(help="Use every Secret that an annotation names, whatever the Secret says."),
    ] = False,
    credentials: Annotated[
        str | None,
        typer.Option(
            help="Source of logins for --from relay and local: env, file:PATH or cluster."
        ),
    ] = None,
    active: Annotated[
        bool,
        typer.Option(
            "--active", help="Allow checks to write marked test data; they remove it afterwards."
        ),
    ] = False,
    reverse: Annotated[
        bool,
        typer.Option(
            "--reverse",
            help="Register the pod with outside systems and wait for their call; needs --active.",
        ),
    ] = False,
    reverse_app: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Test application whose name the probe may register under."
        ),
    ] = None,
    workloads: Annotated[
        bool,
        typer.Option(
            "--workloads",
            help="Also show which workloads use each bridge, and whether they reach it.",
        ),
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds for all probes together.")] = 60.0,
    stage_timeout: Annotated[float, typer.Option(help="Seconds for each stage of a probe.")] = 3.0,
    wait: Annotated[
        str | None, typer.Option(help="Repeat for up to this long (90s, 5m) until the run passes.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Print the Job and its code, and run nothing.")
    ] = False,
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
