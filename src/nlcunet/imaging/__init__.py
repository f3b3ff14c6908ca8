"""Picture files, colour and resizing: everything that knows what a picture is, and nothing about networks."""
