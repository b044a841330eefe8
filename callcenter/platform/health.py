"""Health: named checks, run at once, each with a time limit. Read by the API and by `doctor`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from callcenter.platform.errors import HotlineError

log = logging.getLogger(__name__)

#: A check that takes longer has failed.
LIMIT: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check saw, and how to mend it where it is not as it should be.

    `alarm`: somebody must act, and the hotline serves its callers all the same (`ok` is True).
    Shown without a token: neither text may hold personal data or secrets.
    """

    ok: bool
    detail: str
    mend: str | None = None
    alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedResult:
    """A result under the name of its check."""

    name: str
    ok: bool
    detail: str
    mend: str | None
    alarm: bool = False


Check = Callable[[], Awaitable[CheckResult]]


async def run_checks(
    checks: Mapping[str, Check], *, limit: timedelta = LIMIT
) -> Sequence[NamedResult]:
    """Run all at once; a check that raises or takes longer than `limit` has failed. In order."""

    async def run(name: str, check: Check) -> NamedResult:
        try:
            async with asyncio.timeout(limit.total_seconds()):
                result = await check()
        except TimeoutError:
            result = CheckResult(ok=False, detail=f"no answer within {limit.total_seconds():g} s")
        except HotlineError as exc:
            result = CheckResult(ok=False, detail=exc.message)
        except Exception as exc:
            # The text of a foreign error may hold anything; the log's reader has the traceback.
            log.exception("the check %s failed", name)
            result = CheckResult(ok=False, detail=f"the check itself failed: {type(exc).__name__}")
        return NamedResult(
            name=name,
            ok=result.ok,
            detail=result.detail,
            mend=result.mend,
            alarm=result.alarm,
        )

    return await asyncio.gather(*(run(name, check) for name, check in checks.items()))
