"""What learned blocks are made of."""

from .adain import adain as adain
from .coupling import couple as couple
from .coupling import uncouple as uncouple
