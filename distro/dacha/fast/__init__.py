"""The fast lane: sessions in boxes that run, on a counted handful of standard modules.

What it may import is listed in tests/unit/fast/test_imports.py.
"""
