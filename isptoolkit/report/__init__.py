"""Everything that shows a pipeline to a person: its graph, its round trip, what its inverse loses, pages and sheets."""

from .contact_sheet import contact_sheet as contact_sheet
from .drawing import draw as draw
from .explain import Explanation as Explanation
from .explain import explain_inverse as explain_inverse
from .page import write_page as write_page
from .round_trip import RoundTrip as RoundTrip
from .round_trip import measure as measure
from .write import write_report as write_report
