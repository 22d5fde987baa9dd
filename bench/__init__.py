"""Measure dacha beside Debian's podman and distrobox.

Start it by `bench/run`; docs/performance.md says how to read what it prints.
"""
