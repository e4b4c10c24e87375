"""Photographs into realistic RAW files."""

from .files import Job as Job
from .files import unprocess_all as unprocess_all
from .files import unprocess_file as unprocess_file
