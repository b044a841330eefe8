"""Messages that callers left, to be worked off."""
