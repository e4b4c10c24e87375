"""Training: one loop for all recipes, that can be stopped at any moment and goes on as if it had not been."""

from .checkpoint import Checkpoint as Checkpoint
from .loop import train as train
from .settings import Training as Training
from .weights import load_trained as load_trained
