"""User namespaces: subordinate ids, the arithmetic of mappings, and the outer namespace H."""
