"""Files of every kind: written whole, locked, checked, downloaded, kept. Nothing here knows what a picture is."""
