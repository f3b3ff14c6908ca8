"""Picture sets from their publishers to a folder: catalogue, downloads, checksums, archives, Debian's photographs."""
