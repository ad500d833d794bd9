"""Results that the ledger could not take (a bucket out of reach, a full disk) wait on this machine for the next apply.

Hours of training must not be lost to minutes without a network.
"""

from __future__ import annotations

import contextlib

from olmixctl.errors import OlmixctlError
from olmixctl.execute.work import Sharing, lease_name
from olmixctl.ledger.files import Attempt, dump_run, parse_run, run_name
from olmixctl.ledger.home import Home
from olmixctl.ledger.model import RunRecord

__all__ = ["hand_over", "put_by"]


def put_by(record: RunRecord, spool: Home, cause: OlmixctlError) -> OlmixctlError:
    """Keep `record` on this machine; the error to raise, which says so. Where that fails too, `cause` itself.

    Args:
        record: what could not be recorded.
        spool: where it waits.
        cause: why it could not.
    """
    with contextlib.suppress(OlmixctlError):
        spool.replace(run_name(Attempt(record.key, 1)), dump_run(record).encode())
        waits = f"the run that just ended waits in {spool.where}: the next apply records it"
        remedy = f"{cause.remedy}; {waits}" if cause.remedy else waits
        return type(cause)(cause.message, place=cause.place, remedy=remedy)
    return cause


def hand_over(sharing: Sharing, spool: Home) -> int:
    """Record what waits, and return how many results did. One whose run another apply holds goes on waiting.

    Raises:
        OlmixctlError: the ledger still cannot be written, or a file that waits is damaged.
    """
    count = 0
    for name, raw in spool.read_many(spool.names()).items():
        record = parse_run(raw, name, spool.place(name))
        recorded = record.key in sharing.ledger
        lease = None if recorded else sharing.leases.claim([lease_name(record.key)])
        if recorded or lease is not None:
            sharing.ledger.add(record)
            spool.delete(name)
            count += 1
        if lease is not None:
            sharing.leases.release(lease)
    return count
