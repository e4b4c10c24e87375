"""What learned blocks are made of."""

from .adain import adain as adain
from .affine_coupling import AffineCoupling as AffineCoupling
from .affine_coupling import DenseBlock as DenseBlock
from .coupling import couple as couple
from .coupling import uncouple as uncouple
from .flow import ActNorm as ActNorm
from .flow import Flow as Flow
from .flow import Haar as Haar
from .flow import InvertibleConv as InvertibleConv
from .flow_step import FlowStep as FlowStep
from .unet import UNet as UNet
