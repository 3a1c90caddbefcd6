"""Objects, edited before they are applied, so that the fault is there from the start."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Generator, Mapping
from typing import Any

from .action import MAPPING, TEXT, TEXTS, WALLS, YES_OR_NO, Action, Object, World, shape
from .way import wall

NAMED = {"kind": TEXT, "name": TEXT}


def _is(item: Object, value: Mapping[str, Any]) -> bool:
    return (item.get("kind"), item["metadata"]["name"]) == (value["kind"], value["name"])


def _patch(objects: list[Object], value: Mapping[str, Any]) -> list[Object]:
    """JSON merge patch (RFC 7386); lists are replaced whole."""
    _must_be_there(objects, value)
    return [merged(o, value["merge"]) if _is(o, value) else o for o in objects]


def _delete(objects: list[Object], value: Mapping[str, Any]) -> list[Object]:
    _must_be_there(objects, value)
    return [o for o in objects if not _is(o, value)]


def _add(objects: list[Object], value: list[Object]) -> list[Object]:
    return [*objects, *copy.deepcopy(value)]


def _login(objects: list[Object], value: Mapping[str, Any]) -> list[Object]:
    """The Secret `<bridge>-auth`: other values, keys taken away, or all of it gone."""
    secret = {"kind": "Secret", "name": f"{value['bridge']}-auth"}
    if value.get("delete"):
        return _delete(objects, secret)
    changes: dict[str, Any] = {**value.get("set", {}), **dict.fromkeys(value.get("drop", []))}
    return _patch(objects, {**secret, "merge": {"stringData": changes}})


def _must_be_there(objects: list[Object], value: Mapping[str, Any]) -> None:
    if not any(_is(o, value) for o in objects):
        known = ", ".join(f"{o.get('kind')}/{o['metadata']['name']}" for o in objects)
        raise LookupError(f"there is no {value['kind']}/{value['name']} in this case: {known}")


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    base: dict[str, Any] = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            base.pop(key, None)
        else:
            base[key] = merged(base.get(key), value)
    return base


def _policy_object(objects: list[Object], value: Mapping[str, Any]) -> list[Object]:
    spec = value.get("spec", {"podSelector": {}, "policyTypes": ["Egress"]})
    made = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": value.get("name", "default-deny")},
        "spec": spec,
    }
    return [*objects, made]


@contextlib.contextmanager
def _policy_effect(world: World, value: Mapping[str, Any]) -> Generator[None]:
    """No policy engine runs in the lab: a rule in the router plays the CNI's part."""
    with contextlib.ExitStack() as stack:
        for name in value.get("blocks", []):
            what = {"server": name, "action": value.get("action", "drop")}
            stack.enter_context(wall(world, what))
        yield


TABLE: Mapping[str, Action] = {
    "patch": Action(shape({**NAMED, "merge": MAPPING}), edit=_patch),
    "delete": Action(shape(NAMED), edit=_delete),
    "add": Action({"type": "list", "items": MAPPING}, edit=_add),
    "login": Action(
        shape({"bridge": TEXT}, {"set": MAPPING, "drop": TEXTS, "delete": YES_OR_NO}), edit=_login
    ),
    "policy": Action(
        shape({}, {"name": TEXT, "spec": MAPPING, "blocks": TEXTS, "action": WALLS}),
        _policy_effect,
        _policy_object,
        servers=lambda value: value.get("blocks", []),
    ),
}
