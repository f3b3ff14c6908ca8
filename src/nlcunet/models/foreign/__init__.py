"""Other people's networks: files that the library spandrel knows, behind the same interface as our own."""
