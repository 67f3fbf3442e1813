"""Models in and out: published weights, the Hub, variants, and calibration and heads on one's own images."""
