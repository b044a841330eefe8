"""Who hears whom: people of a scenario speak a tone each, and are known by it at other phones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import numpy as np

from callcenter.testing.eventually import eventually
from callcenter.testing.handset import Handset
from callcenter.testing.softphones.browser import BrowserPhone

#: Hertz of each person's voice; not 1100, which is a fax machine.
TONES: Final[Mapping[str, int]] = {"citizen": 500, "agent": 800, "supervisor": 1300}
#: A peak of the spectrum this near is that tone.
_NEAR_HERTZ: Final = 20
_LISTENS: Final = timedelta(milliseconds=800)
#: Of a spectrum of 16-bit samples: a tone as it was sent is at 1700 or more.
_HEARD: Final = 100
#: Of the browser's own analysis: a tone as it was sent is at -20 or more, side lobes below -55.
_HEARD_DECIBELS: Final = -45


class Ear(Protocol):
    """What arrives at one person's phone."""

    async def hears(self) -> Set[str]:
        """The people heard in the next second or so."""
        ...


@dataclass(frozen=True, slots=True)
class HandsetEar:
    """At a SIPp party's socket."""

    handset: Handset

    async def hears(self) -> Set[str]:
        self.handset.forget()
        await self.handset.listens(_LISTENS)
        sound = self.handset.sound()
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
        hertz = np.fft.rfftfreq(len(sound), 1 / 8000)
        loudest = {
            who: float(spectrum[np.abs(hertz - tone) < _NEAR_HERTZ].max()) / len(sound)
            for who, tone in TONES.items()
        }
        return {who for who, size in loudest.items() if size > _HEARD}


@dataclass(frozen=True, slots=True)
class BrowserEar:
    """At a browser phone, by what its own page measures of the decoded sound."""

    browser: BrowserPhone

    async def hears(self) -> Set[str]:
        reports = self.browser.reports
        before = len(reports("notes"))

        def further() -> bool:
            # The page looks back 340 ms, and tells every 250 ms: the third is all of this time.
            return len(reports("notes")) >= before + 3

        await eventually(further, "the browser tells what it hears", within=timedelta(seconds=10))
        return {
            who
            for who, tone in TONES.items()
            if any(
                abs(note["hertz"] - tone) < _NEAR_HERTZ and note["decibels"] > _HEARD_DECIBELS
                for note in reports("notes")[-1]["notes"]
            )
        }


async def settled(
    ears: Mapping[str, Ear],
    wanted: Mapping[str, Set[str]],
    within: timedelta = timedelta(seconds=12),
) -> None:
    """Wait until everybody in `wanted` hears exactly those."""

    async def as_wanted() -> bool:
        found = await asyncio.gather(*(ears[who].hears() for who in wanted))
        assert dict(zip(wanted, found, strict=True)) == wanted
        return True

    await eventually(as_wanted, f"they hear {wanted}", within=within)
