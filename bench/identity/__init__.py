"""How well identity tells people apart, beside plain Splink and recordlinkage's ECM."""
