"""Storage drivers: how layers become the root of a box.

One file a driver; `choice` says which one a store has.
"""
