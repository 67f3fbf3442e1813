"""Reading safely and fast into a `Picture`, cutting crops, encoding; nothing here knows what the pixels are for."""

from contrafake.images.crops import CROP_SIZE, crop_origins, cut, extend, resize_crop
from contrafake.images.encode import encode
from contrafake.images.jpeg import JpegFacts, jpeg_facts
from contrafake.images.picture import Picture
from contrafake.images.read import DEFAULT_LIMITS, Limits, Source, read

__all__ = [
    "CROP_SIZE",
    "DEFAULT_LIMITS",
    "JpegFacts",
    "Limits",
    "Picture",
    "Source",
    "crop_origins",
    "cut",
    "encode",
    "extend",
    "jpeg_facts",
    "read",
    "resize_crop",
]
