"""Does an object store keep its conditions? What two drivers may do at once rests on nothing else.

A claim is put with `If-None-Match: *`, so that of several that want a trial one gets it, and renewed with `If-Match`.
A server that does not know these headers takes such a put like any other, and says that all is well.
"""

import uuid

from orchestrator.errors import UserError
from trainables.remote import RemotePath

INSTEAD = "two drivers could own one trial; choose a server that honours conditional writes, or a folder as --store."


def require_conditions(root: RemotePath) -> None:
    """Put a probe below `root` in all ways that a store is written in, and delete it: seven requests.

    Raises UserError where a condition is not honoured, and OSError where the store cannot be written."""
    probe = root / f"_conditions.tmp-{uuid.uuid4().hex[:8]}"
    try:
        fault = _fault(probe)
    finally:
        probe.unlink()
    if fault:
        raise UserError(f"store {root}: its server {fault}: {INSTEAD}")


def _fault(probe: RemotePath) -> str | None:
    first = probe.write_new(b"first") or probe.tag_of(b"first")
    if first is None:
        return "refuses If-None-Match: * where there is no object"
    if probe.write_new(b"second") is not None:
        return "ignores If-None-Match: * and replaces an object that was to stay"
    if probe.write_over(b"third", first) is None:
        return "refuses If-Match with the tag that the object has"
    if probe.write_over(b"fourth", first) is not None:
        return "ignores If-Match and replaces an object that has changed meanwhile"
    return None
