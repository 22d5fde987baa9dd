"""`system check` above the store: boxes, what runs, and the whole of it (`runner`)."""
