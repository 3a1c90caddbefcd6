"""Errors that a user can act on."""

from __future__ import annotations


def place_of(error: BaseException) -> str:
    """Kind and line of a defect of ours: its words are left out, for they may quote anything."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    parts = trace.tb_frame.f_code.co_filename.replace("\\", "/").split("/")
    return f"{type(error).__name__} in {'/'.join(parts[-2:])}:{trace.tb_lineno}"


class K8sextError(Exception):
    """One clear sentence: what went wrong, where, why, and what would put it right.

    `exit_code`: 2 usage or bad file, 3 the run could not be made (API, RBAC, pod).
    """

    def __init__(
        self, what: str, *, where: str = "", why: str = "", fix: str = "", exit_code: int = 2
    ) -> None:
        what, where, why = _masked(what), _masked(where), _masked(why)
        super().__init__(what)
        self.what, self.where, self.why, self.fix = what, where, why, fix
        self.exit_code = exit_code

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        reason = f": {self.why}" if self.why else ""
        return f"{head}{reason}; {self.fix}" if self.fix else f"{head}{reason}"


def _masked(text: str) -> str:
    """Without a login in an address, and without a secret that this process has sent."""
    from k8sext.model.guard import guarded
    from k8sext.model.scrub import scrub

    return scrub(guarded(text))
