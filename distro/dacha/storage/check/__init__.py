"""What can be wrong with a store, and what mends it: one file for each kind of thing in it.

Examining changes nothing. What a finding's repair does is decided anew when it is applied:
others may have worked on the store meanwhile.
"""
