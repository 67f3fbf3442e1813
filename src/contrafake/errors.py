"""One small family of typed errors; each names the input, the cause and what to do about it."""

from __future__ import annotations


class ContrafakeError(Exception):
    """Base of all errors contrafake raises on purpose.

    Args:
        subject: What the error is about: a file name, a configuration key, a bundle.
        cause: What is wrong with it, as one clause without a full stop.
        remedy: What the user can do, as one clause; empty where nothing can be done.
    """

    def __init__(self, subject: str, cause: str, remedy: str = "") -> None:
        super().__init__(subject, cause, remedy)
        self.subject = subject
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        """Subject, cause and remedy in one line."""
        tail = f" ({self.remedy})" if self.remedy else ""
        return f"{self.subject}: {self.cause}{tail}"


class ImageError(ContrafakeError):
    """An input that cannot become a picture."""


class UnsupportedImageError(ImageError):
    """The bytes are no image of a format that can be read here."""


class TruncatedImageError(ImageError):
    """The image ends early or its data is damaged."""


class ImageTooLargeError(ImageError):
    """The image exceeds a bound on bytes, pixels or frames; it was refused before decoding."""


class DataError(ContrafakeError):
    """A shard, sample or data set that cannot be used."""


class ConfigError(ContrafakeError):
    """A configuration value that is unknown or makes no sense."""


class BundleError(ContrafakeError):
    """A bundle (a trained model on disk) that is missing, damaged or of an unknown kind."""


class MissingExtraError(ContrafakeError):
    """An optional dependency is needed and not installed."""


class UsageError(ContrafakeError):
    """The call itself makes no sense; nothing was done."""
