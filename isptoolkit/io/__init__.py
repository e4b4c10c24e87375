"""Read and write RAW files and images."""

from .corrections import Corrections as Corrections
from .corrections import corrected as corrected
from .corrections import describe_corrections as describe_corrections
from .corrections import read_corrections as read_corrections
from .corrections import read_gain_map as read_gain_map
from .description import describe_raw as describe_raw
from .dng import write_dng as write_dng
from .exif import read_exif as read_exif
from .image import read_image as read_image
from .image import write_image as write_image
from .jpeg_coefficients import read_jpeg_coefficients as read_jpeg_coefficients
from .mosaic_dump import read_mosaic as read_mosaic
from .raw import default_crop as default_crop
from .raw import read_raw as read_raw
