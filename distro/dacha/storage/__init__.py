"""Images, layers and boxes on disk, and the database that says which of them count."""
