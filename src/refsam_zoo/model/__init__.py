"""RefSAM and its swappable parts."""
