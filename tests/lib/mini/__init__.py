"""Miniature distributions: two packages, signed, in a repository as each package manager reads it."""
