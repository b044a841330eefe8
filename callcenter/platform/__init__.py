"""What every room stands on: settings, database, clock, news, errors. Knows nothing of calls."""
