"""Training data: batches of aligned RAW and sRGB patches."""

from .batch import Batch as Batch
from .layouts import AIM22 as AIM22
from .layouts import FIVEK as FIVEK
from .layouts import LAYOUTS as LAYOUTS
from .layouts import SIDD as SIDD
from .layouts import Layout as Layout
from .layouts import Patches as Patches
from .layouts import source_of as source_of
from .photo_folder import PhotoFolder as PhotoFolder
from .raw_folder import RawFolder as RawFolder
from .raw_folder import fivek as fivek
