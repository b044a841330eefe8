"""Messages and faxes, in and out."""

from __future__ import annotations

from callcenter.channels.fax.tables import fax_deliveries, fax_documents, faxes

__all__ = ["fax_deliveries", "fax_documents", "faxes"]
