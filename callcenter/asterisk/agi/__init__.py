"""FastAGI: Asterisk asks what to do with a call, a flow answers in commands."""

from callcenter.asterisk.agi.request import AgiRequest
from callcenter.asterisk.agi.server import (
    AgiCounters,
    AgiServer,
    AgiSettings,
    Handler,
    answers_ping,
)
from callcenter.asterisk.agi.session import AgiCallSession, SessionRefused
from callcenter.asterisk.agi.wire import Reply

__all__ = [
    "AgiCallSession",
    "AgiCounters",
    "AgiRequest",
    "AgiServer",
    "AgiSettings",
    "Handler",
    "Reply",
    "SessionRefused",
    "answers_ping",
]
