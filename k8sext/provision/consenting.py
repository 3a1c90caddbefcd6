"""What the Secret of a bridge has to say, so that doctor logs in with it (nothing writes it)."""

from __future__ import annotations

from k8sext.model.plan import is_address

from .spec import BridgeSpec


def needs(spec: BridgeSpec) -> str:
    """One sentence for whoever keeps the Secret, "" where the bridge names none."""
    if not spec.secret:
        return ""
    keys = [f"k8sext.service: {spec.name}"]
    if not is_address(spec.to[0]):
        keys = [f"host: {spec.to[0].rstrip('.')}"]
    if spec.secret_keys:
        keys.append("k8sext.keys: " + ",".join(f"{word}={key}" for word, key in spec.secret_keys))
    place = f"Secret {spec.secret} in namespace {spec.namespace}"
    return f"login: {place} has to say {' and '.join(keys)} (k8sext explain KX612)"
