"""Messages and faxes, in and out."""

from __future__ import annotations

import callcenter.channels.fax.tables
import callcenter.channels.messages.tables  # noqa: F401 - for `callcenter.tables`
