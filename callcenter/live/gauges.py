"""`/metrics` of the live picture: how many follow it, of this process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from callcenter.live.service import LiveService


def tell_clients(registry: CollectorRegistry, live: LiveService) -> None:
    """Clients of `/events` now, in `registry`: counted in memory, hence told without a database."""
    gauge = Gauge(
        "callcenter_live_clients", "Clients of the live state, of this process", registry=registry
    )
    gauge.set_function(lambda: len(live.clients))
