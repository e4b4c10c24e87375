"""The law checker: tests every promise of a contract, for built-in stages and for yours."""

from .checking import Report as Report
from .checking import assert_lawful as assert_lawful
from .checking import check as check
from .checking import falsify as falsify
from .checking import load_stage as load_stage
from .laws import Finding as Finding
from .strategies import captures as captures
from .strategies import images as images
from .strategies import mosaics as mosaics
from .strategies import sizes as sizes
