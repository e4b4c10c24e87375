"""Measure the properties of a camera."""

from .noise import NoiseProfile as NoiseProfile
from .noise import noise_of_pairs as noise_of_pairs
from .noise import noise_of_picture as noise_of_picture
