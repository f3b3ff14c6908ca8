"""From folders of photographs to pairs of low- and high-resolution patches."""
