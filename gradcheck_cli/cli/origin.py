"""What the results of a run depend on besides the cases: fingerprints are taken before it and verified after it."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from gradcheck_cli.cli.request import Request
from gradcheck_cli.results.run import Origin

if TYPE_CHECKING:
    from gradcheck_cli.implementation.loading.fingerprint import Fingerprint


class Sources:
    """The fingerprints of what is checked."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._taken: dict[str, Fingerprint] = {}

    def take(self, name: str) -> str | None:
        """Return the fingerprint of a file or an implementation, as it was named; None if there is none."""
        if name not in self._taken:
            from gradcheck_cli.implementation.loading.fingerprint import Fingerprint  # 20 ms

            self._taken[name] = Fingerprint(name, self._request.adapter)
        return self._taken[name].digest

    def origin(self) -> Origin:
        """Say what the results depend on; files that are not what they were have no fingerprint."""
        request = self._request
        return Origin(
            layer=request.layer.name if request.layer else None,
            platform=f"{sys.platform} {os.uname().machine}" if hasattr(os, "uname") else sys.platform,
            settings={**settings_that_matter(request), "--shard": list(request.shard or ())},
            sources={name: taken.digest if taken.still_holds() else None for name, taken in self._taken.items()},
        )


def settings_that_matter(request: Request) -> dict[str, Any]:
    """Return the flags on whose values the result of a case depends, beside those of the case."""
    deciding = {one.name: one.metadata["names"][-1] for one in fields(request) if one.metadata.get("decides")}
    values = {name: getattr(request, field) for field, name in deciding.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
