"""What learned blocks are made of."""

from .adain import adain as adain
from .coupling import couple as couple
from .coupling import uncouple as uncouple
from .flow import ActNorm as ActNorm
from .flow import AffineCoupling as AffineCoupling
from .flow import DenseBlock as DenseBlock
from .flow import Flow as Flow
from .flow import FlowStep as FlowStep
from .flow import Haar as Haar
from .flow import InvertibleConv as InvertibleConv
