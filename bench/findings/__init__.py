"""Planted findings over many companies: how many are found, what else is, and how often one appears where none is."""
