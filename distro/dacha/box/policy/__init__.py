"""What a host's security modules must be told, so that boxes run: AppArmor's and SELinux's.

A plan is a list of steps for root, computed from what the host has; `apply` carries them out. Why
they are what they are: docs/adr/0013-policy-for-security-modules.md.
"""
