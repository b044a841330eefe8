"""What can go wrong on the wires to Asterisk.

    HotlineError
    └── AsteriskError
        ├── UnsafeValue         refused by us before a byte was written
        ├── AmiError
        │   ├── LinkLost        (also Unavailable)
        │   ├── ActionRefused
        │   └── ActionTimedOut  (also Unavailable)
        └── AgiError
            ├── CommandRefused
            ├── CommandTimedOut
            └── ReplyGarbled

That the caller hung up (`ivr.session.CallerHungUp`) is an outcome, not a failure: it stands outside
the tree, so that no `except HotlineError` goes on talking to a channel that is gone.

No message holds a value that came from or goes to the wire: values are people's numbers and names.
"""

from __future__ import annotations

from callcenter.platform.errors import HotlineError, Unavailable


class AsteriskError(HotlineError):
    """Asterisk and we did not understand each other."""

    slug = "asterisk"


class UnsafeValue(AsteriskError):
    """A value for Asterisk holds characters that would be read as a command of its own."""

    slug = "asterisk-unsafe-value"


class AmiError(AsteriskError):
    """The management link to Asterisk failed us."""

    slug = "ami"


class LinkLost(AmiError, Unavailable):
    """The management link to Asterisk is down: whether the action took effect is not known."""

    slug = "ami-link-lost"


class ActionRefused(AmiError):
    """Asterisk refused the action; `reason` is Asterisk's own sentence."""

    slug = "ami-action-refused"

    def __init__(self, action: str, reason: str) -> None:
        self.action = action
        self.reason = reason
        super().__init__(f"Asterisk refused {action}: {reason}")


class ActionTimedOut(AmiError, Unavailable):
    """Asterisk did not answer in time: whether the action took effect is not known."""

    slug = "ami-action-timed-out"

    def __init__(self, action: str, seconds: float) -> None:
        self.action = action
        super().__init__(
            f"Asterisk did not answer {action} within {seconds:g} s: "
            "whether it took effect is not known."
        )


class AgiError(AsteriskError):
    """The conversation with Asterisk about one call failed."""

    slug = "agi"


class CommandRefused(AgiError):
    """Asterisk refused an AGI command (510 unknown, 520 wrong usage, 200 with a failure)."""

    slug = "agi-command-refused"

    def __init__(self, command: str, reason: str) -> None:
        self.command = command
        self.reason = reason
        super().__init__(f"Asterisk refused {command}: {reason}")


class CommandTimedOut(AgiError):
    """Asterisk did not reply to an AGI command in time."""

    slug = "agi-command-timed-out"

    def __init__(self, command: str, seconds: float) -> None:
        self.command = command
        super().__init__(f"Asterisk did not reply to {command} within {seconds:g} s.")


class ReplyGarbled(AgiError):
    """Asterisk's reply follows no known form, so later replies cannot be trusted either."""

    slug = "agi-reply-garbled"
