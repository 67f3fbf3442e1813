"""Tells photographs from AI-generated images, says how sure it is, and shows what the answer rests on."""

__version__ = "0.1.0"
