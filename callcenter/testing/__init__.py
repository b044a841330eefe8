"""Shipped fakes and real peers: for our tests, the demonstration call, and whoever extends us."""
