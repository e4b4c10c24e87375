"""Training: one loop for all recipes, whose interrupted runs resume as if nothing had happened."""

from .checkpoint import Checkpoint as Checkpoint
from .loop import train as train
from .objective import Objective as Objective
from .objective import PackedObjective as PackedObjective
from .objective import shown_green as shown_green
from .recipe import Candidate as Candidate
from .recipe import Card as Card
from .recipe import Paper as Paper
from .recipe import Recipe as Recipe
from .recipe import Task as Task
from .settings import Training as Training
from .weights import load_trained as load_trained
