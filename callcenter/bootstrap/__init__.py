"""Where the rooms are put together into processes; nothing imports this but `cli`."""
