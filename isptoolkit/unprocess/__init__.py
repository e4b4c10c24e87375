"""Photographs into realistic RAW files."""

from .camera import process as process
from .camera import process_published as process_published
from .camera import published_camera as published_camera
from .camera import published_rendering as published_rendering
from .camera import unprocess as unprocess
from .camera import upi_camera as upi_camera
from .files import Job as Job
from .files import unprocess_all as unprocess_all
from .files import unprocess_file as unprocess_file
