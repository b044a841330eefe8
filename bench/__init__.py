"""Benchmarks: pairs in one run, medians and ratios. Absolute figures here are noisy; ratios hold."""
