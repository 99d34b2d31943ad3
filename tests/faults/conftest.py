"""Makes the copies of the repository in `tests/workflow/checkout.py` importable here too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
