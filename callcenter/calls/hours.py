"""When people and machines outside may be called by us, on their own clock. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Hours:
    """When we may call; `until` before `begin` goes over midnight, equal: always."""

    begin: time
    until: time
    zone: ZoneInfo

    def next_allowed(self, moment: datetime) -> datetime:
        """`moment` if it is allowed, else the next beginning (aware, in the zone of `moment`)."""
        if self.begin == self.until:
            return moment
        clock = moment.astimezone(self.zone).time()
        if self.begin < self.until:
            allowed = self.begin <= clock < self.until
        else:
            allowed = clock >= self.begin or clock < self.until
        return moment if allowed else self._next(self.begin, moment)

    def ends(self, moment: datetime) -> datetime | None:
        """When the hours that `moment` lies in are over; None: never."""
        return None if self.begin == self.until else self._next(self.until, moment)

    def _next(self, clock: time, moment: datetime) -> datetime:
        local = moment.astimezone(self.zone)
        found = local.replace(hour=clock.hour, minute=clock.minute, second=0, microsecond=0, fold=0)
        if local.time() >= clock:
            found += timedelta(days=1)
        return found.astimezone(moment.tzinfo)
