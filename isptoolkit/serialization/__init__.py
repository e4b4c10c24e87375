"""Pipeline files: TOML for the structure, safetensors for the weights."""

from .file import load as load
from .file import save as save
from .file import with_values as with_values
from .public import public_classes as public_classes
