"""The nodes that ask a caller more than one thing.

Each is linear text over a `Conversation` and returns where the flow goes on, or an exit. `0` is a
person at every question; silence is one too where a node does not say otherwise. Every question is
a step of the journal.
"""
