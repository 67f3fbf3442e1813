"""Encoder, heads, calibration, and the bundle that holds them; torch is imported by `model.encoder` alone."""
