"""`python -m callcenter.prompts.render [--all] <espeak-ng command …>`: speak the shipped prompts.

    python -m callcenter.prompts.render espeak-ng

Without a command, the espeak-ng on PATH is used. For whoever changed `ivr_prompts/prompts.toml`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from callcenter.platform.errors import HotlineError
from callcenter.prompts.shipped import problems, render_shipped, shipped_directory
from callcenter.prompts.speech import EspeakSpeech


def main(arguments: Sequence[str]) -> int:
    """Render what is missing or stale; 0 when the shipped set is complete afterwards."""
    everything = "--all" in arguments
    command = [word for word in arguments if word != "--all"] or ["espeak-ng"]
    folder = shipped_directory()
    try:
        made = asyncio.run(render_shipped(folder, EspeakSpeech(command), everything=everything))
    except HotlineError as exc:
        print(exc, file=sys.stderr)
        return 1
    for file in made:
        print(f"rendered {file}")
    left = list(problems(folder))
    for problem in left:
        print(problem, file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
