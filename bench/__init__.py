"""Benchmarks: pairs in one run, medians and ratios. Ratios hold, absolute figures do not."""
