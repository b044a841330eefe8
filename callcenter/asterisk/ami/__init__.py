"""Asterisk's management interface: one link per Asterisk, events in order, actions with an end."""

from callcenter.asterisk.ami.client import AmiClient, ConnectedHook, GapHook, LinkState, LinkStatus
from callcenter.asterisk.ami.link import AmiCounters, AmiSettings
from callcenter.asterisk.ami.messages import AmiMessage, HeaderValue

__all__ = [
    "AmiClient",
    "AmiCounters",
    "AmiMessage",
    "AmiSettings",
    "ConnectedHook",
    "GapHook",
    "HeaderValue",
    "LinkState",
    "LinkStatus",
]
